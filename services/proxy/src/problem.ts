import { DomainError, type ErrorCode } from '@sandlot/kernel';
import { httpStatus, problem } from '@sandlot/service-kit';

export interface RefusalExtras {
  /** Where the occasion has a status of its own: 408, 417. */
  status?: number;
  /** Seconds, sent as Retry-After. */
  retryAfter?: number;
  /** Sent as Allow. */
  allow?: readonly string[];
  /** The sandbox's state, shown to its owner. */
  state?: string;
  /** What ended it, shown to its owner. */
  end?: string;
  limitBytes?: number;
  /** The limits that are reached. */
  violated?: readonly string[];
  /** Sent besides: name, value, name, value. */
  headers?: readonly string[];
  /** For the access record only, never for the client: why a key was not accepted, which peer failed. */
  reason?: string;
}

/** A decision not to forward. Returned, not thrown: refusing is an ordinary outcome and must stay cheap under attack. */
export class Refusal {
  constructor(
    readonly code: ErrorCode,
    readonly detail: string,
    readonly extras: RefusalExtras = {},
  ) {}

  get status(): number {
    return this.extras.status ?? httpStatus[this.code];
  }
}

export const badRequest = (detail: string) => new Refusal('MALFORMED_REQUEST', detail);

/** The type that draft-ietf-httpapi-ratelimit-headers has registered, with `violated-policies`. */
const QUOTA_EXCEEDED = 'https://iana.org/assignments/http-problem-types#quota-exceeded';

/** What clients of a proxy look for before they send the key that they have; most know only Basic. */
const PROXY_AUTHENTICATION_REQUIRED = 407;

function proxyChallenge({ 'www-authenticate': _, ...headers }: Readonly<Record<string, string>>): Record<string, string> {
  return { ...headers, 'proxy-authenticate': 'Basic realm="sandlot", Bearer realm="sandlot"' };
}

/**
 * What the client gets: always problem+json (RFC 9457), as from every other part of the platform, never HTML, never a stack. The
 * headers are a flat name-value list, with the body's length.
 */
export function renderProblem(refusal: Refusal, requestId: string): { body: string; headers: string[] } {
  const { code, detail, status, extras } = refusal;
  const { retryAfter: retryAfterSeconds, allow, state, limitBytes, end, violated } = extras;
  const rendered = problem(new DomainError(code, detail, { retryAfterSeconds, allow, state, limitBytes, reason: end }), { requestId });
  const quota = violated && { type: QUOTA_EXCEEDED, 'violated-policies': violated };
  const body = JSON.stringify({ ...rendered.body, status, ...quota });
  const shown = status === PROXY_AUTHENTICATION_REQUIRED ? proxyChallenge(rendered.headers) : rendered.headers;
  const headers = [
    ...Object.entries(shown).flat(),
    ...(extras.headers ?? []),
    'x-request-id',
    requestId,
    'content-length',
    String(Buffer.byteLength(body)),
  ];
  return { body, headers };
}
