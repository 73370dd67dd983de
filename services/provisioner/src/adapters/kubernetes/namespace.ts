import type { UserId } from '@sandlot/kernel';
import type { KubernetesObject } from './cluster.js';
import { MANAGED_BY, OWNER } from './labels.js';

export const USERNAME = 'sandlot.dev/username';

/** What marks a namespace as a user's, and what no pod in it gets past. */
export function namespaceObject(name: string, owner: UserId, username: string, podSecurity: 'restricted' | 'baseline'): KubernetesObject {
  const level = (mode: string, to: string) => ({
    [`pod-security.kubernetes.io/${mode}`]: to,
    [`pod-security.kubernetes.io/${mode}-version`]: 'latest',
  });
  return {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: {
      name,
      labels: {
        [MANAGED_BY]: 'sandlot',
        [OWNER]: owner,
        [USERNAME]: username,
        ...level('enforce', podSecurity),
        ...level('audit', 'restricted'),
        ...level('warn', 'restricted'),
      },
    },
  };
}

export const labelsIn = (owner: UserId): Record<string, string> => ({ [MANAGED_BY]: 'sandlot', [OWNER]: owner });

interface Condition {
  type: string;
  status: string;
  message?: string;
}

/** What Kubernetes puts on objects itself and takes off again when it is time. */
const passing = new Set(['kubernetes.io/pvc-protection', 'kubernetes.io/pv-protection', 'foregroundDeletion', 'orphan']);

/** Why a namespace that is being deleted is still there, in the cluster's words. */
export function terminating(namespace: KubernetesObject): { reason: 'NAMESPACE_TERMINATING' | 'NAMESPACE_STUCK'; message: string } {
  const { name, deletionTimestamp, finalizers = [] } = namespace.metadata;
  const conditions = ((namespace.status as { conditions?: Condition[] } | undefined)?.conditions ?? []).filter(
    ({ status }) => status === 'True',
  );
  const words = conditions.map(({ message }) => message).filter((message) => message !== undefined);
  const stuck = finalizers.length > 0 || conditions.some(holds);
  return {
    reason: stuck ? 'NAMESPACE_STUCK' : 'NAMESPACE_TERMINATING',
    message: [
      `the namespace ${name} is being deleted since ${deletionTimestamp}`,
      ...(finalizers.length > 0 ? [`it is held by ${finalizers.join(', ')}`] : []),
      ...words,
      stuck ? 'what holds it has to let go of it, or be removed by an administrator of the cluster' : 'it is made anew when it is gone',
    ].join('; '),
  };
}

function holds({ type, message = '' }: Condition): boolean {
  if (/DiscoveryFailure|GroupVersionParsingFailure|ContentFailure/.test(type)) return true;
  if (type !== 'NamespaceFinalizersRemaining') return false;
  const finalizers = [...message.matchAll(/([^\s,:]+) in \d+ resource instances/g)].map(([, finalizer]) => finalizer!);
  return finalizers.length === 0 || finalizers.some((finalizer) => !passing.has(finalizer));
}
