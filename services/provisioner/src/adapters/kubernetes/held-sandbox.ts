import type { SandboxId } from '@sandlot/kernel';
import type { Cluster, KubernetesObject, Resource } from './cluster.js';
import type { Warning } from './diagnosis.js';
import { SANDBOX_ID } from './labels.js';
import type { Pod } from './pod.js';
import { PODS, SERVICES, VOLUME_CLAIMS, WARNINGS } from './sandbox-resources.js';
import { isOwnedBy, type Workload } from './workload.js';

/** Everything of one sandbox that is in the cluster, from memory. */
export interface HeldSandbox {
  /** Absent when only the rest is left. */
  workload?: { kind: Workload; object: KubernetesObject };
  /** Under the same id and in the same namespace, by another kind of workload. Deleted with it, used for nothing. */
  otherWorkloads: readonly { kind: Workload; object: KubernetesObject }[];
  /** Those of the workload, the one that counts first. Without a workload, all that carry the label. */
  pods: readonly Pod[];
  services: readonly KubernetesObject[];
  claims: readonly KubernetesObject[];
}

/**
 * A label is only a way to find things: whoever may write to a namespace may write any label. So one namespace counts, the one of the
 * oldest object (ids are random, nobody can be there first), and of its pods only those that belong to the workload.
 */
export function heldSandbox(cluster: Cluster, kinds: readonly Workload[], id: SandboxId): HeldSandbox {
  const labelled = (resource: Resource) => cluster.select(resource, 'sandbox-id', id);
  const workloads = kinds
    .flatMap((kind) => labelled(kind.resource).map((object) => ({ kind, object })))
    .sort(byAge(({ object }) => object));
  const rest = [PODS, SERVICES, VOLUME_CLAIMS].map(labelled);
  const oldest = workloads[0]?.object ?? rest.flat().sort(byAge((object) => object))[0];
  const here = (object: KubernetesObject) => object.metadata.namespace === oldest?.metadata.namespace;
  const [workload, ...otherWorkloads] = workloads.filter(({ object }) => here(object));
  const [pods, services, claims] = rest.map((objects) => objects.filter(here)) as [Pod[], KubernetesObject[], KubernetesObject[]];
  return {
    ...(workload && { workload }),
    otherWorkloads,
    pods: workload ? pods.filter((pod) => isOwnedBy(pod, workload.object)).sort(countingFirst) : pods,
    services,
    claims,
  };
}

/** What the cluster has complained of about these objects, newest last. */
export function warningsAbout(cluster: Cluster, objects: readonly KubernetesObject[]): Warning[] {
  const uids = new Set(objects.map(({ metadata }) => metadata.uid));
  const namespace = objects[0]?.metadata.namespace;
  if (namespace === undefined) return [];
  return (cluster.all(WARNINGS, namespace) as readonly Warning[])
    .filter(({ involvedObject }) => uids.has(involvedObject?.uid))
    .sort((one, other) => warnedAt(one) - warnedAt(other));
}

/** When it was last observed, in ms since 1970. */
export function warnedAt({ series, lastTimestamp, eventTime, metadata }: Warning): number {
  return Date.parse(series?.lastObservedTime ?? lastTimestamp ?? eventTime ?? metadata.creationTimestamp ?? '') || 0;
}

export const sandboxIdOf = (object: KubernetesObject): SandboxId | undefined =>
  object.metadata.labels?.[SANDBOX_ID] as SandboxId | undefined;

const createdAt = (object: KubernetesObject): string => object.metadata.creationTimestamp ?? '';

function byAge<Thing>(of: (thing: Thing) => KubernetesObject) {
  return (one: Thing, other: Thing) => (createdAt(of(one)) < createdAt(of(other)) ? -1 : 1);
}

function countingFirst(one: Pod, other: Pod): number {
  const ending = Number(one.metadata.deletionTimestamp !== undefined) - Number(other.metadata.deletionTimestamp !== undefined);
  return ending || -byAge<Pod>((pod) => pod)(one, other);
}
