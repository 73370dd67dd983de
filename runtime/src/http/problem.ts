/** What can go wrong, as clients see it: codes are stable, and those of the platform's API mean the same here. */
const problems = {
  MALFORMED_REQUEST: { status: 400, title: 'The request is malformed' },
  INVALID_PATH: { status: 400, title: 'The path is not valid' },
  OUTSIDE_WORK_FOLDER: { status: 403, title: 'The path leads out of the work folder' },
  FORBIDDEN: { status: 403, title: 'Not allowed' },
  NOT_FOUND: { status: 404, title: 'Not found' },
  METHOD_NOT_ALLOWED: { status: 405, title: 'Method not allowed' },
  REQUEST_TIMEOUT: { status: 408, title: 'The request took too long' },
  NOT_A_FILE: { status: 409, title: 'Not a file' },
  NOT_A_DIRECTORY: { status: 409, title: 'Not a directory' },
  NOT_EMPTY: { status: 409, title: 'The directory is not empty' },
  BODY_TOO_LARGE: { status: 413, title: 'The body is too large' },
  VALIDATION_FAILED: { status: 422, title: 'The request is not valid' },
  RATE_LIMITED: { status: 429, title: 'Too many requests' },
  HEADERS_TOO_LARGE: { status: 431, title: 'The headers are too large' },
  INTERNAL: { status: 500, title: 'Internal error' },
  UNAVAILABLE: { status: 503, title: 'Temporarily unavailable' },
  STORAGE_FULL: { status: 507, title: 'The storage is full' },
} as const;

export type ProblemCode = keyof typeof problems;

/** A field of the body that is not valid: a JSON Pointer and what it must be. */
export interface FieldError {
  pointer: string;
  detail: string;
}

/** A refusal that the caller can act on. Everything in it goes to the caller. */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly code: ProblemCode;
  readonly headers: Record<string, string>;
  readonly errors: readonly FieldError[] | undefined;

  constructor(code: ProblemCode, detail: string, more: { headers?: Record<string, string>; errors?: readonly FieldError[] } = {}) {
    super(detail);
    this.code = code;
    this.headers = more.headers ?? {};
    this.errors = more.errors;
  }

  get status(): number {
    return problems[this.code].status;
  }

  /** The body of the answer, application/problem+json (RFC 9457). */
  toJSON() {
    const { status, title } = problems[this.code];
    return { type: 'about:blank', title, status, detail: this.message, code: this.code, ...(this.errors && { errors: this.errors }) };
  }
}

const byErrno: Record<string, { code: ProblemCode; detail: string }> = {
  ENOENT: { code: 'NOT_FOUND', detail: 'There is no such file or directory.' },
  ENOTDIR: { code: 'NOT_A_DIRECTORY', detail: 'A part of the path is not a directory.' },
  EISDIR: { code: 'NOT_A_FILE', detail: 'The path is a directory.' },
  ENOTEMPTY: { code: 'NOT_EMPTY', detail: 'The directory is not empty; add ?recursive=true to delete it with all that it holds.' },
  EACCES: { code: 'FORBIDDEN', detail: 'The file system does not allow this.' },
  EPERM: { code: 'FORBIDDEN', detail: 'The file system does not allow this.' },
  EROFS: { code: 'FORBIDDEN', detail: 'The file system is read-only.' },
  ELOOP: { code: 'OUTSIDE_WORK_FOLDER', detail: 'The path has a symbolic link that cannot be followed.' },
  ENAMETOOLONG: { code: 'INVALID_PATH', detail: 'The path or a name in it is too long.' },
  ENOSPC: { code: 'STORAGE_FULL', detail: 'No space is left in the work folder.' },
  EDQUOT: { code: 'STORAGE_FULL', detail: 'The quota of the work folder is used up.' },
};
const outOfResources = new Set(['EAGAIN', 'EMFILE', 'ENFILE', 'ENOMEM']);

/** The problem that an error of the operating system means to the caller; undefined when it is a fault of ours. */
export function problemOf(error: unknown): Problem | undefined {
  if (error instanceof Problem) return error;
  const errno = (error as NodeJS.ErrnoException | undefined)?.code ?? '';
  const known = byErrno[errno];
  if (known) return new Problem(known.code, known.detail);
  if (!outOfResources.has(errno)) return undefined;
  return new Problem('UNAVAILABLE', 'The sandbox is out of processes, files or memory.', { headers: { 'retry-after': '1' } });
}
