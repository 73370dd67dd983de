import type { Resource } from './cluster.js';
import { OWNER } from './labels.js';

// What a user's namespace consists of, besides sandboxes. Namespaces are all followed, to know those that are not ours.
const only = { label: 'app.kubernetes.io/managed-by=sandlot' };

export const NAMESPACES: Resource = { apiVersion: 'v1', kind: 'Namespace', plural: 'namespaces', namespaced: false };
/** Those that Sandlot has made or was handed. */
export const USERS_NAMESPACES: Resource = { ...NAMESPACES, only: { label: OWNER } };
export const RESOURCE_QUOTAS: Resource = { apiVersion: 'v1', kind: 'ResourceQuota', plural: 'resourcequotas', namespaced: true, only };
export const LIMIT_RANGES: Resource = { apiVersion: 'v1', kind: 'LimitRange', plural: 'limitranges', namespaced: true, only };
export const SERVICE_ACCOUNTS: Resource = { apiVersion: 'v1', kind: 'ServiceAccount', plural: 'serviceaccounts', namespaced: true, only };
export const NETWORK_POLICIES: Resource = {
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  plural: 'networkpolicies',
  namespaced: true,
  only,
};

/** Where a resource is found: `/apis/apps/v1/namespaces/user-alice/statefulsets`. */
export function pathOf({ apiVersion, plural, namespaced }: Resource, namespace?: string, name?: string): string {
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const place = namespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  return `${root}${place}/${plural}${name === undefined ? '' : `/${encodeURIComponent(name)}`}`;
}
