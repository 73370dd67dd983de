import { IDENTITY_HEADER } from '@sandlot/service-kit';
import type { IncomingMessage } from 'node:http';
import { authenticate, type Caller } from './authentication.js';
import type { ClientConnection } from './client-connection.js';
import { DirectoryUnavailable, type Directory } from './directory.js';
import { readRequestHead, type RequestHead } from './header-hygiene.js';
import type { IdentitySigner } from './identity.js';
import { badRequest, Refusal } from './problem.js';
import type { RequestTrail } from './record.js';
import { newTraceparent } from './request-id.js';
import { parseRequestTarget, type ApiTarget, type SandboxTarget } from './request-target.js';
import { findAddress } from './routing.js';

export interface AdmissionOptions {
  directory: Directory;
  signer: IdentitySigner;
  /** `host:port` of the gateway. */
  gatewayAddress: string;
  /** Bytes of a request body to the API. Default 1 MiB, which is all that the gateway takes. Bodies to sandboxes have no limit. */
  apiBodyLimit?: number;
  /** Milliseconds since 1970, for expiry. Default Date.now. */
  now?: () => number;
}

/** A request that may pass: everything that forwarding needs, decided once. */
export interface Admission {
  to: 'sandbox' | 'gateway';
  address: string;
  method: string;
  head: RequestHead;
  /** The request line and header lines to send, without framing fields and the empty line. */
  lines: string;
  /** Bytes of request body at most. */
  bodyLimit: number;
}

/** Named where a method is refused; sandboxes get any other that node:http knows as well. */
export const ALLOWED = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
const DEFAULT_API_BODY_LIMIT = 1024 * 1024;

/**
 * The order for every request: parse the target, read the headers, authenticate, find the route, check the owner. What comes out
 * holds exactly what was checked; nothing downstream looks at the raw request again.
 */
export class Admissions {
  private readonly now: () => number;
  private readonly apiBodyLimit: number;

  constructor(private readonly options: AdmissionOptions) {
    this.now = options.now ?? Date.now;
    this.apiBodyLimit = options.apiBodyLimit ?? DEFAULT_API_BODY_LIMIT;
  }

  async admit(request: IncomingMessage, client: ClientConnection, trail: RequestTrail): Promise<Admission | Refusal> {
    try {
      return await this.decide(request, client, trail);
    } catch (error) {
      if (!(error instanceof DirectoryUnavailable)) throw error;
      trail.reason = error.message;
      return new Refusal('UNAVAILABLE', 'Keys and routes cannot be looked up right now', { retryAfter: 1 });
    }
  }

  private async decide(request: IncomingMessage, client: ClientConnection, trail: RequestTrail): Promise<Admission | Refusal> {
    const method = request.method!;
    const target = parseRequestTarget(request.url!, method);
    if (target instanceof Refusal) return target;
    trail.path = target.path;
    if (target.kind === 'api') trail.kind = 'api';
    if (request.httpVersion !== '1.1' && request.httpVersion !== '1.0') return badRequest('Only HTTP/1.1 and HTTP/1.0 are understood');
    const head = readRequestHead(request.rawHeaders, request.httpVersion);
    if (head instanceof Refusal) return head;
    if (method === 'TRACE') return new Refusal('METHOD_NOT_ALLOWED', 'TRACE is not allowed', { allow: ALLOWED });
    if (target.kind === 'server') return new Refusal('METHOD_NOT_ALLOWED', 'Ask for a path', { allow: ALLOWED });
    if (target.kind === 'unknown') return new Refusal('NOT_FOUND', 'Nothing is served at this path');

    const lines = `${method} ${target.forward} HTTP/1.1\r\n${forwardedLines(head, client, trail)}`;
    if (target.kind === 'api') return this.toGateway(target, method, head, lines, client, trail);
    return this.toSandbox(target, method, head, lines, trail);
  }

  private async toGateway(
    target: ApiTarget,
    method: string,
    head: RequestHead,
    lines: string,
    client: ClientConnection,
    trail: RequestTrail,
  ): Promise<Admission | Refusal> {
    const bodyLimit = this.apiBodyLimit;
    if (typeof head.body === 'number' && head.body > bodyLimit) return tooLarge(bodyLimit);
    const admission: Admission = { to: 'gateway', address: this.options.gatewayAddress, method, head, lines, bodyLimit };
    if (target.public) return admission;
    const caller = await authenticate(this.options.directory, head.credential, this.now(), trail);
    if (caller instanceof Refusal) return caller;
    admission.lines += `${IDENTITY_HEADER}: ${this.assertion(caller, client, trail)}\r\n`;
    return admission;
  }

  private async toSandbox(
    target: SandboxTarget,
    method: string,
    head: RequestHead,
    lines: string,
    trail: RequestTrail,
  ): Promise<Admission | Refusal> {
    const caller = await authenticate(this.options.directory, head.credential, this.now(), trail);
    if (caller instanceof Refusal) return caller;
    const address = await findAddress(this.options.directory, caller, target, trail);
    if (address instanceof Refusal) return address;
    return { to: 'sandbox', address, method, head, lines: `${lines}x-forwarded-prefix: ${target.prefix}\r\n`, bodyLimit: Infinity };
  }

  private assertion({ userId, username, role, keyId }: Caller, { ip }: ClientConnection, { requestId }: RequestTrail): string {
    return this.options.signer.sign({ userId, username, role, keyId, ip, requestId, iat: Math.floor(this.now() / 1000) });
  }
}

export function tooLarge(limitBytes: number): Refusal {
  return new Refusal('BODY_TOO_LARGE', `The body is larger than ${limitBytes} bytes`, { limitBytes });
}

/** The client's own lines that may pass, and ours. HTTP/1.0 may come without a Host; the upstream gets one nevertheless. */
function forwardedLines(head: RequestHead, client: ClientConnection, { requestId }: RequestTrail): string {
  const host = head.host ?? 'localhost';
  return (
    `Host: ${host}\r\n${head.lines}${client.forwardedLines}x-forwarded-host: ${host}\r\n` +
    `x-request-id: ${requestId}\r\ntraceparent: ${head.traceparent ?? newTraceparent()}\r\n`
  );
}
