import { DomainError, errorTable, type ErrorCode } from '@sandlot/kernel';

/** Which HTTP status each refusal has (RFC 9110). The only place that knows. */
export const httpStatus: Record<ErrorCode, number> = {
  MALFORMED_REQUEST: 400,
  INVALID_CURSOR: 400,
  VALIDATION_FAILED: 422,
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  QUOTA_EXCEEDED: 403,
  NOT_FOUND: 404,
  USER_NOT_FOUND: 404,
  KEY_NOT_FOUND: 404,
  SANDBOX_NOT_FOUND: 404,
  PREVIEW_NOT_FOUND: 404,
  PREVIEWS_OFF: 404,
  NAMESPACE_NOT_FOUND: 404,
  PROJECTION_NOT_FOUND: 404,
  CONSUMER_NOT_FOUND: 404,
  DEAD_LETTER_NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  NOT_ACCEPTABLE: 406,
  USERNAME_TAKEN: 409,
  LAST_ADMIN: 409,
  KEY_REVOKED: 409,
  SANDBOX_EXISTS: 409,
  CONFLICT: 409,
  REQUEST_IN_PROGRESS: 409,
  USER_DELETED: 410,
  SANDBOX_GONE: 410,
  VERSION_MISMATCH: 412,
  BODY_TOO_LARGE: 413,
  URI_TOO_LONG: 414,
  UNSUPPORTED_MEDIA_TYPE: 415,
  IDEMPOTENCY_KEY_REUSED: 422,
  RATE_LIMITED: 429,
  HEADERS_TOO_LARGE: 431,
  INTERNAL: 500,
  LOG_DAMAGED: 500,
  SANDBOX_UNREACHABLE: 502,
  SANDBOX_NOT_READY: 503,
  OUTCOME_UNKNOWN: 503,
  UNAVAILABLE: 503,
  POSITION_NOT_REACHED: 503,
  NEWER_EVENT: 503,
  SANDBOX_TIMEOUT: 504,
};

/** One field that failed validation. */
export interface FieldError {
  /** JSON Pointer (RFC 6901) into what `in` names. */
  readonly pointer: string;
  readonly in?: 'body' | 'query' | 'path';
  readonly detail: string;
  readonly code: string;
}

/** The body of a refusal (RFC 9457); the refusal's own details stand beside these members. */
export interface ProblemBody {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly instance: string;
  readonly code: ErrorCode;
  readonly requestId: string;
  readonly retryable: boolean;
  readonly hint: string;
  readonly errors?: readonly FieldError[];
  readonly [detail: string]: unknown;
}

export interface Problem {
  readonly status: number;
  /** Lower-case names; always content-type and cache-control. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: ProblemBody;
}

const defaultRetryAfterSeconds = 1;

/**
 * What a caller is told of an error. Anything but a DomainError is INTERNAL, of which the caller learns no more than the request id.
 * Details that turn into headers: `retryAfterSeconds` (default 1 where the status calls for it) and `allow`, the methods of the path.
 */
export function problem(error: unknown, { requestId }: { requestId: string }): Problem {
  const { code, message, details } = toDomainError(error);
  const status = httpStatus[code];
  const { title, retryable, hint } = errorTable[code];
  const headers: Record<string, string> = { 'content-type': 'application/problem+json', 'cache-control': 'no-store' };
  if (status === 401) headers['www-authenticate'] = 'Bearer realm="sandlot"';
  if (Array.isArray(details.allow)) headers.allow = details.allow.join(', ');
  if (status === 429 || status === 503 || code === 'REQUEST_IN_PROGRESS') {
    const seconds = typeof details.retryAfterSeconds === 'number' ? details.retryAfterSeconds : defaultRetryAfterSeconds;
    headers['retry-after'] = String(Math.max(1, Math.ceil(seconds)));
  }
  const members = {
    type: problemType(code),
    title,
    status,
    detail: message,
    instance: `/requests/${requestId}`,
    code,
    requestId,
    retryable,
    hint,
  };
  return { status, headers, body: { ...details, ...members } };
}

/** Where docs say more: `/problems/sandbox-not-ready`. */
export const problemType = (code: ErrorCode): string => `/problems/${code.toLowerCase().replaceAll('_', '-')}`;

/** The error as a refusal. What is not one becomes INTERNAL, with the error as its cause and none of its words. */
export function toDomainError(error: unknown): DomainError {
  if (error instanceof DomainError && error.code !== 'INTERNAL') return error;
  return new DomainError('INTERNAL', 'Something went wrong on our side.', {}, { cause: error });
}

/** The fields that a Standard Schema found fault with, as VALIDATION_FAILED. */
export function validationFailed(issues: readonly SchemaIssue[], where?: FieldError['in']): DomainError {
  const errors = issues.flatMap((issue) => fieldErrors(issue, where));
  const named = errors.slice(0, 3).map(({ pointer, detail }) => (pointer ? `${pointer.slice(1)}: ${detail}` : detail));
  return new DomainError('VALIDATION_FAILED', named.join('; '), { errors: errors.slice(0, 100) });
}

/** An issue as every Standard Schema library gives it; `code`, `keys` and `expected` are zod's. */
export interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[];
  readonly code?: string;
  readonly keys?: readonly string[];
  readonly expected?: string;
}

function fieldErrors(issue: SchemaIssue, where: FieldError['in']): FieldError[] {
  const path = (issue.path ?? []).map((segment) => String(typeof segment === 'object' ? segment.key : segment));
  const missing = issue.code === 'invalid_type' && issue.message.endsWith('received undefined');
  const unknownKeys = issue.code === 'unrecognized_keys' ? (issue.keys ?? []) : [];
  const entry = (at: string[], detail: string, code: string): FieldError => ({
    pointer: pointer(at),
    ...(where && { in: where }),
    detail,
    code,
  });
  if (unknownKeys.length > 0) return unknownKeys.map((key) => entry([...path, key], 'is not a field of this request', 'UNRECOGNIZED_KEY'));
  if (missing) return [entry(path, path.length > 0 ? 'is required' : 'a JSON body is required', 'REQUIRED')];
  return [
    entry(
      path,
      issue.code === 'invalid_type' && issue.expected ? mustBe(issue.expected) : issue.message,
      (issue.code ?? 'invalid').toUpperCase(),
    ),
  ];
}

const mustBe = (type: string): string => (type === 'int' ? 'must be an integer' : `must be ${/^[aeio]/.test(type) ? 'an' : 'a'} ${type}`);

function pointer(path: readonly string[]): string {
  return path.map((segment) => `/${segment.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}
