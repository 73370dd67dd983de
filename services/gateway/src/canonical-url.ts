const apiPrefix = /^\/(?:api\/v1|api|v1)(?=[/?]|$)/;
const servedAtTheRoot = /^\/(?:health|openapi\.(?:json|yaml)|docs|problems)(?=[/?]|$)/;

/**
 * The one rule of which paths are the same: `/api/…` and `/v1/…` are `/api/v1/…`; what describes the service is at the root and under
 * every prefix; `/audit` is short for `/audit-logs`. Everything after this sees canonical paths only.
 */
export function canonicalUrl(url: string): string {
  if (!apiPrefix.test(url)) return url;
  const rest = url.replace(apiPrefix, '');
  if (servedAtTheRoot.test(rest)) return rest;
  return `/api/v1${rest.replace(/^\/audit(?=[/?]|$)/, '/audit-logs')}`;
}
