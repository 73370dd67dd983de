import type { CommandId } from '@sandlot/kernel';
import type { Caller } from '@sandlot/service-kit';
import type { FastifyRequest } from 'fastify';

/** A request with what has been found out about it on its way to the route. */
export interface ApiRequest extends FastifyRequest {
  /** Set by the guard on every route that is not public. */
  caller?: Caller;
  /** Set where an Idempotency-Key ties the request to the command of its first sight. */
  commandId?: CommandId;
  /** Which position of the log the answer must know at least. */
  atLeast?: number;
}

/** The header's value; undefined when it is missing or empty. */
export function headerOf(request: FastifyRequest, name: string): string | undefined {
  const value = request.headers[name];
  return (Array.isArray(value) ? value.join(', ') : value)?.trim() || undefined;
}
