import { SpanKind, startSpan } from '@sandlot/service-kit';
import type { RequestTrail } from './record.js';

/** One span per request, where traces are on; otherwise nobody makes them, and nothing is paid for them. */
export class RequestSpans {
  /** @returns the traceparent to pass on */
  begin(trail: RequestTrail, traceparent: string | undefined): string {
    const { span } = startSpan(trail.method, SpanKind.SERVER, traceparent);
    trail.span = {
      end: (record) => {
        span.setAttributes({
          'http.request.method': record.method,
          'http.response.status_code': record.status,
          'url.path': record.path,
          'client.address': record.ip,
          'sandlot.request.id': record.requestId,
          'sandlot.kind': record.kind,
          ...(record.userId !== undefined && { 'sandlot.user.id': record.userId }),
          ...(record.sandboxId !== undefined && { 'sandlot.sandbox.id': record.sandboxId }),
          ...(record.code !== undefined && { 'error.type': record.code }),
        });
        span.end();
      },
    };
    const { traceId, spanId, traceFlags } = span.spanContext();
    return `00-${traceId}-${spanId}-0${traceFlags & 1}`;
  }
}
