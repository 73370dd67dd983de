import type { SandboxAddress } from '@sandlot/contracts';
import type { KubernetesObject } from './cluster.js';
import type { Pod } from './pod.js';
import { CONTAINER } from './pod-template.js';
import type { Workload } from './workload.js';

/**
 * `service`: by a name that the cluster's DNS knows, and only while the pod is ready. For a proxy inside the cluster.
 * `pod-ip`: for a proxy outside that reaches the pods' network. An address may be the next tenant's once its pod has gone, so it is only
 * ever taken from a pod that is ready and not being deleted.
 */
export type RouteBy = 'service' | 'pod-ip';

/** Where each declared port of a ready pod answers, in the order in which they were declared. */
export function addressesOf(workload: Workload, object: KubernetesObject, pod: Pod, by: RouteBy): SandboxAddress[] {
  const host = by === 'service' ? workload.serviceHost(object) : hostOf(pod.status!.podIP!);
  const ports = pod.spec?.containers?.find(({ name }) => name === CONTAINER)?.ports ?? [];
  return ports.map(({ name, containerPort }) => ({
    ...(name !== undefined && { name }),
    port: containerPort,
    address: `${host}:${containerPort}`,
  }));
}

export const hostOf = (ip: string): string => (ip.includes(':') ? `[${ip}]` : ip);
