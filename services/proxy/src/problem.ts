import { errorTable, type ErrorCode } from '@sandlot/kernel';

/**
 * What the proxy itself answers when it does not forward: always problem+json (RFC 9457), never HTML, never a stack.
 * The codes are the platform's own; these are the ones that the door can give, with their usual status.
 */
const STATUS = {
  MALFORMED_REQUEST: 400,
  UNAUTHENTICATED: 401,
  NOT_FOUND: 404,
  SANDBOX_NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  BODY_TOO_LARGE: 413,
  URI_TOO_LONG: 414,
  HEADERS_TOO_LARGE: 431,
  INTERNAL: 500,
  SANDBOX_UNREACHABLE: 502,
  SANDBOX_NOT_READY: 503,
  UNAVAILABLE: 503,
  SANDBOX_TIMEOUT: 504,
} as const satisfies Partial<Record<ErrorCode, number>>;

export type RefusalCode = keyof typeof STATUS;

export interface RefusalExtras {
  /** Where the occasion has a status of its own: 408, 417. */
  status?: number;
  /** Seconds, sent as Retry-After. */
  retryAfter?: number;
  /** Sent as Allow. */
  allow?: string;
  /** The sandbox's state, shown to its owner. */
  state?: string;
  limitBytes?: number;
  /** For the access record only, never for the client: why a key was not accepted, which peer failed. */
  reason?: string;
}

/** A decision not to forward. Returned, not thrown: refusing is an ordinary outcome and must stay cheap under attack. */
export class Refusal {
  constructor(
    readonly code: RefusalCode,
    readonly detail: string,
    readonly extras: RefusalExtras = {},
  ) {}

  get status(): number {
    return this.extras.status ?? STATUS[this.code];
  }
}

export const badRequest = (detail: string) => new Refusal('MALFORMED_REQUEST', detail);

/** The answer's body, and its headers as a flat name-value list without framing headers. */
export function renderProblem(refusal: Refusal, requestId: string): { body: string; headers: string[] } {
  const { code, detail, status } = refusal;
  const { title, retryable, hint } = errorTable[code];
  const { retryAfter, allow, state, limitBytes } = refusal.extras;
  const type = `urn:sandlot:problem:${code.toLowerCase().replaceAll('_', '-')}`;
  const body = JSON.stringify({ type, title, status, detail, code, retryable, hint, requestId, state, limitBytes });
  const headers = ['content-type', 'application/problem+json', 'cache-control', 'no-store', 'x-request-id', requestId];
  if (status === 401) headers.push('www-authenticate', 'Bearer realm="sandlot"');
  if (retryAfter !== undefined) headers.push('retry-after', String(retryAfter));
  if (allow !== undefined) headers.push('allow', allow);
  return { body, headers };
}
