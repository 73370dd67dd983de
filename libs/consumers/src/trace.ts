import { propagation, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, type Attributes, type Context } from '@opentelemetry/api';
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
  await inSpan(`process ${event.type}`, { kind: SpanKind.CONSUMER, attributes }, parent, run);
}

/** Runs work in a span of the trace of whoever asked for it; work that nobody's trace asked for makes none. */
export function withinTrace<Result>(name: string, parent: Context, work: () => Promise<Result>): Promise<Result> {
  if (!trace.getSpan(parent)) return work();
  return inSpan(name, { kind: SpanKind.INTERNAL, attributes: {} }, parent, work);
}

function inSpan<Result>(
  name: string,
  options: { kind: SpanKind; attributes: Attributes },
  parent: Context,
  work: () => Promise<Result>,
): Promise<Result> {
  return trace.getTracer('@sandlot/consumers').startActiveSpan(name, options, parent, async (span) => {
    try {
      return await work();
    } catch (error) {
      span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.name : undefined });
      throw error;
    } finally {
      span.end();
    }
  });
}
