import { context, propagation, SpanKind, SpanStatusCode, trace, type Context, type Span } from '@opentelemetry/api';
import { requestContext, TRACEPARENT_HEADER } from './request-context.js';

// Through the API alone, which does nothing until an endpoint is set and telemetry.ts has loaded the SDK.

const tracer = trace.getTracer('sandlot');

/** Runs `work` in a span of its own, which carries its failure. */
export function inSpan<Result>(name: string, kind: SpanKind, work: () => Promise<Result>, parent?: Context): Promise<Result> {
  return tracer.startActiveSpan(name, { kind }, parent ?? context.active(), async (span) => {
    try {
      return await work();
    } catch (error) {
      span.setStatus({ code: SpanStatusCode.ERROR, message: (error as Error).message });
      throw error;
    } finally {
      span.end();
    }
  });
}

/** A span for work that ends elsewhere: the caller ends it. */
export function startSpan(name: string, kind: SpanKind, traceparent: string | undefined): { span: Span; within: Context } {
  const parent = traceparent ? propagation.extract(context.active(), { traceparent }) : context.active();
  const span = tracer.startSpan(name, { kind }, parent);
  return { span, within: trace.setSpan(parent, span) };
}

/** Of a span that is kept; undefined where nobody traces. */
export function traceparentOf(span: Span): string | undefined {
  if (!span.isRecording()) return undefined;
  const { traceId, spanId, traceFlags } = span.spanContext();
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`;
}

/** The trace that goes along with a message: the active span's, or the one that came with the request. */
export function injectTrace(set: (name: string, value: string) => void): void {
  const carrier: Record<string, string> = {};
  propagation.inject(context.active(), carrier);
  const traceparent = carrier[TRACEPARENT_HEADER] ?? requestContext().traceparent;
  if (traceparent) set(TRACEPARENT_HEADER, traceparent);
}

export { SpanKind };
