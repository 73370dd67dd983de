/**
 * Every refusal that a caller can meet: a stable code, a title that never changes with the occasion, and whether the same
 * request may succeed later. HTTP status numbers live at the edge (service-kit's problem.ts).
 */
export const errorTable = {
  MALFORMED_REQUEST: {
    title: 'The request is malformed',
    retryable: false,
    hint: 'Check the syntax of the body, the path and the headers.',
  },
  VALIDATION_FAILED: {
    title: 'The request is not valid',
    retryable: false,
    hint: 'Each entry of `errors` names a field and what it must be.',
  },
  INVALID_CURSOR: {
    title: 'The cursor is not valid',
    retryable: false,
    hint: 'Start again without `cursor`; cursors come from `nextCursor`.',
  },
  UNAUTHENTICATED: { title: 'No valid API key', retryable: false, hint: 'Send `Authorization: Bearer <API key>`.' },
  FORBIDDEN: { title: 'Not allowed', retryable: false, hint: 'Ask an administrator; this needs a role that the key does not have.' },
  QUOTA_EXCEEDED: {
    title: 'The quota is used up',
    retryable: false,
    hint: 'Delete something that `holders` lists, or ask an administrator for more.',
  },
  NOT_FOUND: { title: 'Not found', retryable: false, hint: 'Check the path; /openapi.json lists every route.' },
  USER_NOT_FOUND: { title: 'User not found', retryable: false, hint: 'GET /api/v1/admin/users lists the users.' },
  KEY_NOT_FOUND: { title: 'API key not found', retryable: false, hint: 'GET /api/v1/me/apikeys lists your keys.' },
  SANDBOX_NOT_FOUND: { title: 'Sandbox not found', retryable: false, hint: 'GET /api/v1/sandboxes lists your sandboxes.' },
  SANDBOX_GONE: {
    title: 'The sandbox is gone',
    retryable: false,
    hint: 'Create a new one; `reason` says what ended it: EXPIRED, IDLE or DELETED.',
  },
  PREVIEW_NOT_FOUND: {
    title: 'Preview not found',
    retryable: false,
    hint: 'GET /api/v1/sandboxes/{name}/previews lists those that are open.',
  },
  PREVIEWS_OFF: {
    title: 'There are no preview addresses',
    retryable: false,
    hint: 'An operator turns them on with SANDLOT_PREVIEW_DOMAIN; docs/how-to/share-a-preview.md.',
  },
  NAMESPACE_NOT_FOUND: { title: 'Namespace not found', retryable: false, hint: 'A namespace is made with the first sandbox of its user.' },
  PROJECTION_NOT_FOUND: { title: 'Projection not found', retryable: false, hint: 'GET /api/v1/admin/projections lists them.' },
  CONSUMER_NOT_FOUND: { title: 'Consumer not found', retryable: false, hint: 'GET /api/v1/admin/consumers lists them.' },
  DEAD_LETTER_NOT_FOUND: { title: 'Dead letter not found', retryable: false, hint: 'GET /api/v1/admin/dead-letters lists them.' },
  METHOD_NOT_ALLOWED: { title: 'Method not allowed', retryable: false, hint: 'The `Allow` header lists the methods of this path.' },
  NOT_ACCEPTABLE: { title: 'Not acceptable', retryable: false, hint: 'Ask for application/json.' },
  USERNAME_TAKEN: {
    title: 'The username is taken',
    retryable: false,
    hint: 'Choose another; a name is never given out twice, not even after its user was deleted.',
  },
  USER_DELETED: { title: 'The user is deleted', retryable: false, hint: 'A deleted user stays deleted; create a new one.' },
  LAST_ADMIN: { title: 'The bootstrap administrator stays', retryable: false, hint: 'This user holds the key of last resort.' },
  KEY_REVOKED: { title: 'The API key is revoked', retryable: false, hint: 'Create a new key.' },
  SANDBOX_EXISTS: { title: 'The sandbox exists already', retryable: false, hint: 'Choose another name, or delete the sandbox first.' },
  SANDBOX_NOT_READY: {
    title: 'Sandbox not ready',
    retryable: true,
    hint: 'Wait until its state is `running`; resume it when it is paused.',
  },
  SANDBOX_UNREACHABLE: {
    title: 'The sandbox did not answer',
    retryable: true,
    hint: 'Look at its state with GET /api/v1/sandboxes/{name}.',
  },
  SANDBOX_TIMEOUT: { title: 'The sandbox took too long', retryable: true, hint: 'Ask for less at a time, or raise the timeout.' },
  VERSION_MISMATCH: { title: 'The resource has changed', retryable: false, hint: 'Get it again and repeat with the new ETag.' },
  CONFLICT: { title: 'Changed by somebody else at the same time', retryable: true, hint: 'Try again.' },
  IDEMPOTENCY_KEY_REUSED: {
    title: 'The Idempotency-Key belongs to another request',
    retryable: false,
    hint: 'Use a new key for a new request.',
  },
  REQUEST_IN_PROGRESS: {
    title: 'The same request is still running',
    retryable: true,
    hint: 'Wait and repeat it with the same Idempotency-Key.',
  },
  BODY_TOO_LARGE: { title: 'The body is too large', retryable: false, hint: 'Send less; `limitBytes` is the limit.' },
  URI_TOO_LONG: { title: 'The URL is too long', retryable: false, hint: 'At most 8 KiB.' },
  HEADERS_TOO_LARGE: { title: 'The headers are too large', retryable: false, hint: 'At most 100 headers and 16 KiB.' },
  UNSUPPORTED_MEDIA_TYPE: { title: 'Unsupported media type', retryable: false, hint: 'Send application/json.' },
  RATE_LIMITED: { title: 'Too many requests', retryable: true, hint: 'Wait for `Retry-After`.' },
  OUTCOME_UNKNOWN: {
    title: 'The outcome is unknown',
    retryable: true,
    hint: 'Repeat the request with the same Idempotency-Key; it takes effect at most once.',
  },
  UNAVAILABLE: { title: 'Temporarily unavailable', retryable: true, hint: 'Try again after `Retry-After`.' },
  POSITION_NOT_REACHED: { title: 'The read model has not caught up yet', retryable: true, hint: 'Try again after `Retry-After`.' },
  NEWER_EVENT: {
    title: 'This version is too old for the log',
    retryable: true,
    hint: 'A newer version has been at work; update this service: docs/how-to/upgrade.md.',
  },
  LOG_DAMAGED: { title: 'The log is damaged', retryable: false, hint: 'See docs/how-to/recover-the-log.md.' },
  INTERNAL: { title: 'Internal error', retryable: false, hint: 'Report it with the request id.' },
} as const satisfies Record<string, { title: string; retryable: boolean; hint: string }>;

export type ErrorCode = keyof typeof errorTable;

/** A refusal that the caller can act on. `details` go to the caller: nothing secret in them. */
export class DomainError extends Error {
  override readonly name = 'DomainError';

  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly details: Record<string, unknown> = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
