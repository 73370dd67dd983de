import type { Quota } from '@sandlot/contracts';
import type { KubernetesObject } from './cluster.js';

export interface ContainerDefaults {
  requests: { cpu: string; memory: string };
  limits: { cpu: string; memory: string };
}

type Meta = Pick<KubernetesObject['metadata'], 'namespace' | 'labels'>;

/**
 * The ledger is who admits sandboxes, with a reason for whom it refuses; this is the second guard, for whatever else gets into the namespace.
 * Twice as many pods as sandboxes: one that is on its way out still counts when its successor is made.
 */
export function quotaObjects(meta: Meta, quota: Quota, defaults: ContainerDefaults): KubernetesObject[] {
  const { sandboxes, cpu, memory } = quota;
  return [
    {
      apiVersion: 'v1',
      kind: 'ResourceQuota',
      metadata: { ...meta, name: 'sandlot' },
      spec: {
        hard: {
          'requests.cpu': cpu,
          'limits.cpu': cpu,
          'requests.memory': memory,
          'limits.memory': memory,
          pods: String(2 * sandboxes),
          'count/statefulsets.apps': String(sandboxes),
          'count/sandboxes.agents.x-k8s.io': String(sandboxes),
        },
      },
    },
    {
      apiVersion: 'v1',
      kind: 'LimitRange',
      metadata: { ...meta, name: 'sandlot' },
      spec: { limits: [{ type: 'Container', default: { ...defaults.limits }, defaultRequest: { ...defaults.requests } }] },
    },
  ];
}
