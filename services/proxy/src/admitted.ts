import type { PortProtocol } from '@sandlot/contracts';
import type { RequestHead } from './header-hygiene.js';
import type { RequestTrail } from './record.js';
import type { Isolation } from './response-isolation.js';

/** A request that may pass: everything that forwarding needs, decided once. */
export interface Admission {
  to: 'sandbox' | 'gateway';
  address: string;
  /** What is spoken there; absent: HTTP/1.1. */
  protocol?: PortProtocol | undefined;
  method: string;
  head: RequestHead;
  /** The request line and header lines to send, without framing fields and the empty line. */
  lines: string;
  /** Bytes of request body at most. */
  bodyLimit: number;
  /** What the response may not do to the origin that it comes under; undefined for the API's own. */
  isolation: Isolation | undefined;
}

/**
 * The client's own lines that may pass, and ours; our Via behind those of the proxies before (RFC 9110 §7.6.3). HTTP/1.0 may come without a
 * Host; the upstream gets one nevertheless.
 */
export function forwardedLines(head: RequestHead, { origin, requestId }: RequestTrail, traceparent: string): string {
  const host = head.host ?? 'localhost';
  return (
    `Host: ${host}\r\n${head.lines}via: ${head.httpVersion} sandlot\r\n${origin.forwardedLines}x-forwarded-host: ${host}\r\n` +
    `x-request-id: ${requestId}\r\ntraceparent: ${traceparent}\r\n`
  );
}
