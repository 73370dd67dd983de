import { propagation, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import type { RecordedEvent } from '@sandlot/event-store';

/** Runs a handler in a span of the trace that its event belongs to. */
export async function withinTraceOf(event: RecordedEvent, durable: string, run: () => Promise<void>): Promise<void> {
  const parent = propagation.extract(ROOT_CONTEXT, { traceparent: event.traceparent });
  const attributes = {
    'messaging.system': 'nats',
    'messaging.operation.type': 'process',
    'messaging.destination.template': `sandlot.${event.aggregate.context}.${event.aggregate.aggregate}.{id}`,
    'messaging.consumer.group.name': durable,
    'messaging.message.id': event.id,
  };
  const tracer = trace.getTracer('@sandlot/consumers');
  await tracer.startActiveSpan(`process ${event.type}`, { kind: SpanKind.CONSUMER, attributes }, parent, async (span) => {
    try {
      await run();
    } catch (error) {
      span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.name : undefined });
      throw error;
    } finally {
      span.end();
    }
  });
}
