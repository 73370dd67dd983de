import { context, isSpanContextValid, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import type { CommandContext } from '@sandlot/kernel';
import { subjectOf } from '@sandlot/contracts';
import type { AppendResult, Write } from './event-store.js';

/** Of the work that is under way, for what becomes an event because of it. Undefined where nobody traces. */
export function activeTraceparent(): string | undefined {
  const span = trace.getSpanContext(context.active());
  if (!span || !isSpanContextValid(span)) return undefined;
  return `00-${span.traceId}-${span.spanId}-${span.traceFlags.toString(16).padStart(2, '0')}`;
}

/** The append as a span, where there is a trace that it belongs to. */
export function tracedAppend(
  { commandId, correlationId }: CommandContext,
  writes: readonly Write[],
  append: () => Promise<AppendResult>,
): Promise<AppendResult> {
  if (!trace.getSpan(context.active())) return append();
  const attributes = {
    'messaging.system': 'nats',
    'messaging.operation.type': 'send',
    'messaging.destination.name': writes.map(({ aggregate }) => subjectOf(aggregate)).join(','),
    'sandlot.command.id': commandId,
    'sandlot.request.id': correlationId,
  };
  const name = `append ${writes.map(({ aggregate }) => aggregate.aggregate).join(', ')}`;
  return trace.getTracer('@sandlot/event-store').startActiveSpan(name, { kind: SpanKind.PRODUCER, attributes }, async (span) => {
    try {
      const result = await append();
      span.setAttribute('sandlot.append.outcome', result.outcome);
      if ('position' in result) span.setAttribute('sandlot.log.position', result.position);
      return result;
    } catch (error) {
      span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.name : undefined });
      throw error;
    } finally {
      span.end();
    }
  });
}
