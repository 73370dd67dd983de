import { DomainError, type ErrorCode } from '@sandlot/kernel';

/** What the API server says of a request that it did not do. */
export interface Status {
  status?: string;
  code?: number;
  reason?: string;
  message?: string;
  details?: { name?: string; kind?: string; retryAfterSeconds?: number; causes?: { reason?: string; message?: string; field?: string }[] };
}

/** Why the cluster refused, as events and people are told it. */
export type RefusalReason =
  | 'CLUSTER_UNAVAILABLE'
  | 'CREDENTIALS_REFUSED'
  | 'NOT_PERMITTED'
  | 'QUOTA_REFUSED'
  | 'ADMISSION_REFUSED'
  | 'NAMESPACE_TERMINATING'
  | 'NAMESPACE_GONE'
  | 'NOT_SERVED'
  | 'NOT_FOUND'
  | 'CONFLICT'
  | 'INVALID';

/** A refusal by the API server in its own words. `details.reason` is a RefusalReason, `details.status` the HTTP status. */
export class ClusterRefusal extends DomainError {
  constructor(
    code: ErrorCode,
    readonly reason: RefusalReason,
    readonly status: number,
    message: string,
    /** Not to be tried again before. */
    readonly retryAfterMs?: number,
    options?: ErrorOptions,
  ) {
    const retry = retryAfterMs === undefined ? {} : { retryAfterMs, retryAfterSeconds: Math.ceil(retryAfterMs / 1_000) };
    super(code, message, { reason, status, ...retry }, options);
  }
}

/** The API could not be had at all: no connection, no answer in time, or ours was cut. */
export function unreachableApi(request: string, cause: unknown, retryAfterMs?: number): ClusterRefusal {
  const words = cause instanceof Error ? ((cause as NodeJS.ErrnoException).code ?? cause.message) : String(cause);
  return new ClusterRefusal(
    'UNAVAILABLE',
    'CLUSTER_UNAVAILABLE',
    0,
    `${request}: the Kubernetes API cannot be reached (${words})`,
    retryAfterMs,
    {
      cause,
    },
  );
}

const unavailable = new Set([408, 429, 500, 502, 503, 504]);

/** One place that knows what the API server's answers mean. The order matters: the server says 403 for four different things. */
export function refusalOf(request: string, code: number, status: Status, retryAfterMs?: number): ClusterRefusal {
  const words = status.message ?? `HTTP status ${code}`;
  const refusal = (errorCode: ErrorCode, reason: RefusalReason, hint = '') =>
    new ClusterRefusal(errorCode, reason, code, `${request}: ${words}${hint}`, retryAfterMs);
  const because = (reason: string) => status.details?.causes?.some((cause) => cause.reason === reason) ?? false;

  if (unavailable.has(code)) return refusal('UNAVAILABLE', 'CLUSTER_UNAVAILABLE');
  if (code === 401)
    return refusal('UNAVAILABLE', 'CREDENTIALS_REFUSED', '; check the kubeconfig or the service account of the provisioner');
  if (because('NamespaceTerminating')) return refusal('CONFLICT', 'NAMESPACE_TERMINATING');
  if (code === 409) return refusal('CONFLICT', 'CONFLICT');
  // A ResourceQuota counts only once its controller has looked at it, a moment after it was made.
  if (code === 403 && /status unknown for quota/.test(words)) return refusal('UNAVAILABLE', 'CLUSTER_UNAVAILABLE');
  if (code === 403 && /exceeded quota|must specify (requests|limits)/.test(words)) return refusal('QUOTA_EXCEEDED', 'QUOTA_REFUSED');
  if (/^admission webhook|violates PodSecurity|ValidatingAdmissionPolicy/.test(words.replace(/^[^:]*is forbidden: /, '')))
    return refusal('FORBIDDEN', 'ADMISSION_REFUSED');
  if (code === 403) return refusal('FORBIDDEN', 'NOT_PERMITTED');
  if (code === 404 && status.details?.kind === 'namespaces') return refusal('NAMESPACE_NOT_FOUND', 'NAMESPACE_GONE');
  if (code === 404) return status.details?.name ? refusal('NOT_FOUND', 'NOT_FOUND') : refusal('NOT_FOUND', 'NOT_SERVED');
  if (code === 410) return refusal('CONFLICT', 'CONFLICT');
  return refusal('VALIDATION_FAILED', 'INVALID');
}

/** `Retry-After` of a response in ms, or what the body says. */
export function retryAfterOf(header: string | undefined, status?: Status): number | undefined {
  const seconds = header === undefined ? status?.details?.retryAfterSeconds : Number(header);
  return seconds !== undefined && Number.isFinite(seconds) && seconds >= 0 ? seconds * 1_000 : undefined;
}
