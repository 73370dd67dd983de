import { AsyncLocalStorage } from 'node:async_hooks';
import { randomBytes, randomUUID } from 'node:crypto';

/** What all work done for one request shares: it stands in log lines and goes along with what is asked of other services. */
export interface RequestContext {
  readonly service?: string;
  readonly requestId?: string;
  /** W3C trace context. */
  readonly traceparent?: string;
  /** Who asks, once that is known. */
  readonly userId?: string;
}

const storage = new AsyncLocalStorage<RequestContext>();

/** Runs `work` and everything that it starts within the context. What it leaves out is taken over from the context around it. */
export function withRequestContext<Result>(context: RequestContext, work: () => Result): Result {
  return storage.run({ ...storage.getStore(), ...context }, work);
}

/** For what is left of the request, and what was started for it already. */
export function nameCaller(userId: string): void {
  const context = storage.getStore();
  if (context) Object.assign(context, { userId });
}

export function requestContext(): RequestContext {
  return storage.getStore() ?? {};
}

export const REQUEST_ID_HEADER = 'x-request-id';
export const TRACEPARENT_HEADER = 'traceparent';

/** The caller's id where it is one: at most 64 of `[A-Za-z0-9_-]`, which a UUID is too. Otherwise a new one. */
export function acceptRequestId(header: string | readonly string[] | undefined): string {
  return typeof header === 'string' && /^[A-Za-z0-9_-]{1,64}$/.test(header) ? header : randomUUID();
}

const traceparent = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?=$|-)/;

/** The caller's trace context where it is valid (W3C Trace Context, any version but ff). Otherwise the start of a new trace, not sampled. */
export function acceptTraceparent(header: string | readonly string[] | undefined): string {
  if (typeof header === 'string' && header.length <= 128 && traceparent.test(header)) return header.slice(0, 55);
  return `00-${randomBytes(16).toString('hex')}-${randomBytes(8).toString('hex')}-00`;
}
