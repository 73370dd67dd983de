import type { KubernetesObject } from './cluster.js';

export const sandboxServiceAccount = 'sandlot-sandbox';

type Meta = Pick<KubernetesObject['metadata'], 'namespace' | 'labels'>;

/** Who sandboxes are in the cluster: no token, no right. The namespace's `default` account gives none away either, should a pod name no other. */
export function serviceAccounts(meta: Meta, annotations: Readonly<Record<string, string>>): KubernetesObject[] {
  const account = (name: string, more: object): KubernetesObject => ({
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { ...meta, name, ...more },
    automountServiceAccountToken: false,
  });
  const annotated = Object.keys(annotations).length > 0 ? { annotations: { ...annotations } } : {};
  return [account(sandboxServiceAccount, annotated), account('default', {})];
}
