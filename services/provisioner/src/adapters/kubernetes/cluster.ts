/** An object as the API server has it. */
export interface KubernetesObject {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
  [field: string]: unknown;
}

export interface ObjectMeta {
  name: string;
  namespace?: string;
  uid?: string;
  resourceVersion?: string;
  generation?: number;
  creationTimestamp?: string;
  deletionTimestamp?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  finalizers?: string[];
  ownerReferences?: { apiVersion: string; kind: string; name: string; uid: string; controller?: boolean }[];
  managedFields?: { manager?: string; operation?: string; time?: string; fieldsV1?: object }[];
}

/** A resource of the API: `{ apiVersion: 'apps/v1', kind: 'StatefulSet', plural: 'statefulsets', namespaced: true }`. */
export interface Resource {
  apiVersion: string;
  kind: string;
  plural: string;
  namespaced: boolean;
  /** Only these are followed, and only these are in memory: `{ label: 'sandlot.dev/sandbox-id' }`, `{ field: 'type=Warning' }`. */
  only?: { label?: string; field?: string };
}

export interface ObjectName {
  name: string;
  /** Absent for what belongs to no namespace. */
  namespace?: string;
}

/**
 * The Kubernetes API as the adapters need it: reads from memory, writes of single objects.
 * What was written is in memory when the write returns, whatever the watch has told so far.
 * Throws ClusterRefusal (errors.ts): UNAVAILABLE when the API cannot be had, with `retryAfterMs` where the server named one.
 */
export interface Cluster {
  /** As it was last seen, or undefined. Only of resources that are followed; UNAVAILABLE until the first list is in memory, as for `select` and `all`. */
  find(resource: Resource, name: ObjectName): KubernetesObject | undefined;

  /** Straight from the server, and into memory where it is followed. For what may be read, but not watched. */
  read(resource: Resource, name: ObjectName): Promise<KubernetesObject | undefined>;

  /** Every object whose label `sandlot.dev/<label>` has the value. By an index, not by looking at all. */
  select(resource: Resource, label: string, value: string): readonly KubernetesObject[];

  /** Every object of a namespace, or of the cluster. */
  all(resource: Resource, namespace?: string): readonly KubernetesObject[];

  /**
   * Server-side apply as the field manager `sandlot`, taking fields over from others. No call when memory shows that nothing would change.
   * With `metadata.uid`, only to that very object: ClusterRefusal CONFLICT when it is gone or another.
   */
  apply(object: KubernetesObject): Promise<KubernetesObject>;

  /** Makes what must not be there yet: nothing that somebody else made is taken over. ClusterRefusal CONFLICT when the name is taken. */
  create(object: KubernetesObject): Promise<KubernetesObject>;

  /** JSON merge patch of one object, only if it still has the uid. Undefined when it is gone or another. */
  patch(resource: Resource, name: ObjectName, uid: string, patch: object): Promise<KubernetesObject | undefined>;

  /** Only if it still has the uid; gone already is done. Dependents go with it, in the background. */
  delete(resource: Resource, name: ObjectName, uid: string, options?: { gracePeriodSeconds?: number }): Promise<void>;

  /** Versions of the group that the server serves with this resource, preferred first: `['v1beta1', 'v1alpha1']`; empty when none. */
  served(group: string, plural: string): Promise<readonly string[]>;

  /**
   * Lists, then watches; calls back for each object that is there, appeared, changed or went. Resolves when the first list is in memory.
   * May be called again for the same resource. Rejects when the resource is not served or not permitted.
   */
  follow(resource: Resource, changed?: (object: KubernetesObject, event: 'present' | 'gone') => void): Promise<void>;

  /** Follows it no more: its version is not served any longer. */
  leave(resource: Resource): Promise<void>;

  /** Why the API cannot be reached; undefined when it can. */
  trouble(): Promise<string | undefined>;

  close(): Promise<void>;
}
