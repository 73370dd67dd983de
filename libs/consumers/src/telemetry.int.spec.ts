import { context, metrics, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { AggregationTemporality, InMemoryMetricExporter, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { Payload } from '@nestjs/microservices';
import { newId } from '@sandlot/kernel';
import { aggregateRef, allOf, DOMAIN_STREAM, UserDisabled } from '@sandlot/contracts';
import { JetStreamEventStore, nothing, type RecordedEvent } from '@sandlot/event-store';
import { waitFor } from '@sandlot/testing';
import { contextFrom, dead, DurableConsumer, OnEvent, ReconcileLoop, retry } from './index.js';
import { serve, startTestLog } from './test-service.js';

const spans = new InMemorySpanExporter();
const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3600_000 });

/** `name{label="value"}` → value, or how many were measured. */
async function readMetrics(): Promise<Record<string, number>> {
  exporter.reset();
  await reader.forceFlush();
  const points = exporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((scope) => scope.metrics));
  return Object.fromEntries(
    points.flatMap(({ descriptor, dataPoints }) =>
      dataPoints.map(({ attributes, value }) => {
        const labels = Object.entries(attributes).map(([label, text]) => `${label}="${String(text)}"`);
        return [`${descriptor.name}{${labels.join()}}`, typeof value === 'number' ? value : (value as { count: number }).count];
      }),
    ),
  );
}

describe('the telemetry of consumers', () => {
  beforeAll(() => {
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    propagation.setGlobalPropagator(new W3CTraceContextPropagator());
    trace.setGlobalTracerProvider(new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter: spans })] }));
    metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }));
  });

  it('continues the trace of the event, also in the commands that come of it', async () => {
    const log = await startTestLog();
    const traceparents: (string | undefined)[] = [];
    @DurableConsumer({ durable: 'auth-traced', onError: () => retry(10) })
    class Traced {
      @OnEvent(allOf('user'))
      async changed(@Payload() event: RecordedEvent) {
        await Promise.resolve();
        traceparents.push(contextFrom(event, { service: 'auth', what: 'react' }).traceparent);
      }
    }
    await serve(log.connection, [Traced]);
    const commandId = newId('cmd');
    const [traceId, spanId] = ['0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331'];
    const command = { commandId, at: new Date().toISOString(), actor: { type: 'service', id: 'test' }, correlationId: 'req-1' } as const;
    const store = await JetStreamEventStore.open(log.connection);
    await store.append({ ...command, traceparent: `00-${traceId}-${spanId}-01` }, [
      { aggregate: aggregateRef('user', 'u1'), expected: nothing, facts: [UserDisabled({})] },
    ]);
    await waitFor(() => spans.getFinishedSpans().length === 1);
    const [span] = spans.getFinishedSpans();
    expect(span).toMatchObject({ name: 'process user.disabled.v1', parentSpanContext: { traceId, spanId } });
    expect(traceparents).toEqual([`00-${traceId}-${span!.spanContext().spanId}-01`]);
  });

  it('counts what was handled, tried again, given up and what is pending', async () => {
    const log = await startTestLog();
    @DurableConsumer({ durable: 'auth-counted', onError: (_, { attempt }) => (attempt < 2 ? retry(5) : dead('no')) })
    class Counted {
      @OnEvent(allOf('user'))
      changed(@Payload() event: RecordedEvent) {
        if (event.aggregate.id === 'bad') throw new Error('no');
      }
    }
    await serve(log.connection, [Counted]);
    for (const id of ['good', 'bad', 'fine']) await log.append('user', id, UserDisabled({}));
    const floor = async () => (await log.manager.consumers.info(DOMAIN_STREAM, 'auth-counted')).ack_floor.stream_seq;
    await waitFor(floor, {}, (position) => position === 3);
    await log.manager.consumers.pause(DOMAIN_STREAM, 'auth-counted', new Date(Date.now() + 60_000));
    await log.append('user', 'later', UserDisabled({}));
    expect(await readMetrics()).toMatchObject({
      'sandlot_consumer_process_duration_seconds{consumer="auth-counted",outcome="handled"}': 2,
      'sandlot_consumer_process_duration_seconds{consumer="auth-counted",outcome="retried"}': 1,
      'sandlot_consumer_process_duration_seconds{consumer="auth-counted",outcome="dead"}': 1,
      'sandlot_consumer_redeliveries_total{consumer="auth-counted"}': 1,
      'sandlot_dead_letters_total{consumer="auth-counted"}': 1,
      'sandlot_consumer_pending_messages{consumer="auth-counted"}': 1,
    });
  });

  it('counts runs of reconcilers and the ids that wait for one', async () => {
    const held = Promise.withResolvers<void>();
    const none = async function* () {};
    const reconcile = (id: string) => (id === 'bad' ? Promise.reject(new Error('no')) : held.promise);
    const loop = new ReconcileLoop({ name: 'counted', concurrency: 1, everyMs: 60_000, all: none, onError: () => 60_000, reconcile });
    loop.start();
    await loop.wake('bad').catch(() => undefined);
    const runs = [loop.wake('a'), loop.wake('b'), loop.wake('c')];
    expect((await readMetrics())['sandlot_reconcile_queue_depth{kind="counted"}']).toBe(2);
    held.resolve();
    await Promise.all(runs);
    expect(await readMetrics()).toMatchObject({
      'sandlot_reconcile_queue_depth{kind="counted"}': 0,
      'sandlot_reconcile_duration_seconds{kind="counted",outcome="succeeded"}': 3,
      'sandlot_reconcile_duration_seconds{kind="counted",outcome="failed"}': 1,
    });
    await loop.stop({ graceMs: 0 });
  });
});
