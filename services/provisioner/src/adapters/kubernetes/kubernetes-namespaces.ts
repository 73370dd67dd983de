import type { NamespaceConcernName } from '@sandlot/contracts';
import { crashPoint, DomainError, unreachable, type UserId } from '@sandlot/kernel';
import type { NamespaceConcern, NamespaceMarks } from '../../domain/namespace/concern.js';
import type { FoundConcern, FoundDrift, FoundNamespace, NamespaceAction, Runtime } from '../../ports.js';
import type { Cluster, KubernetesObject, Resource } from './cluster.js';
import { inspect } from './drift.js';
import { ClusterRefusal } from './errors.js';
import { OWNER } from './labels.js';
import { appliedAnnotation, canonical, fieldManager } from './managed-fields.js';
import { labelsIn, namespaceObject, terminating } from './namespace.js';
import { networkPolicies, type NetworkPeers } from './network-policy.js';
import { quotaObjects, type ContainerDefaults } from './quota.js';
import { LIMIT_RANGES, NAMESPACES, NETWORK_POLICIES, RESOURCE_QUOTAS, SERVICE_ACCOUNTS } from './resources.js';
import { serviceAccounts } from './service-account.js';

export interface KubernetesNamespacesOptions {
  podSecurity: 'restricted' | 'baseline';
  peers: NetworkPeers;
  /** Of containers that name no resources. */
  defaults: ContainerDefaults;
  /** The only namespaces to work in, made by an operator. Without it Sandlot makes them. */
  prepared?: readonly string[];
  /** Whether sandboxes are left in a namespace: then it is not deleted. */
  holdsSandboxes: (namespace: string) => boolean;
}

const followed: readonly { resource: Resource; concern?: NamespaceConcernName }[] = [
  { resource: NAMESPACES },
  { resource: RESOURCE_QUOTAS, concern: 'quota' },
  { resource: LIMIT_RANGES, concern: 'quota' },
  { resource: NETWORK_POLICIES, concern: 'network-policy' },
  { resource: SERVICE_ACCOUNTS, concern: 'service-account' },
];
const resources = new Map(followed.map(({ resource }) => [resource.kind, resource]));

/** How long a namespace that may not be watched is taken to be as it was read, in ms. */
const readForMs = 5 * 60_000;

/** A user's namespace and what is in it besides sandboxes. Decides nothing: the reconcilers say what is wanted. */
export class KubernetesNamespaces implements Pick<
  Runtime,
  'concerns' | 'findNamespace' | 'findConcern' | 'applyNamespace' | 'watchNamespaces'
> {
  readonly concerns = ['quota', 'network-policy', 'service-account'] as const;
  /** By namespace, of all that were asked for: whom a change in it concerns. */
  private readonly owners = new Map<string, UserId>();
  /** The uids that the log knows. */
  private readonly known = new Map<string, string>();
  private readonly listeners: ((owner: UserId, concern?: NamespaceConcernName) => void)[] = [];
  private readonly lastSeen = new Map<string, { mark: string | undefined; fields: object | undefined; leaving: string | undefined }>();
  private readonly readAt = new Map<string, { at: number; object: KubernetesObject | undefined }>();

  constructor(
    private readonly cluster: Cluster,
    private readonly options: KubernetesNamespacesOptions,
  ) {}

  /** Resolves when all of it is in memory; until then everything throws UNAVAILABLE. */
  async follow(): Promise<void> {
    const { prepared } = this.options;
    const watched = followed.filter(({ resource }) => resource !== NAMESPACES || !prepared);
    await Promise.all(
      watched.map(({ resource, concern }) => this.cluster.follow(resource, (object, event) => this.changed(object, event, concern))),
    );
  }

  async findNamespace(name: string, owner: UserId, uid?: string): Promise<FoundNamespace> {
    this.owners.set(name, owner);
    if (uid !== undefined) this.known.set(name, uid);
    const { prepared } = this.options;
    if (prepared && !prepared.includes(name)) return { exists: false, obstacle: notPrepared(name) };
    const namespace = await this.namespace(name);
    if (!namespace) return prepared ? { exists: false, obstacle: notPrepared(name) } : { exists: false };
    const marked = namespace.metadata.labels?.[OWNER];
    const found = {
      exists: true as const,
      uid: namespace.metadata.uid!,
      ours: namespace.metadata.uid === uid || marked === owner || (prepared !== undefined && marked === undefined),
      ...(prepared && { kept: true }),
    };
    return namespace.metadata.deletionTimestamp ? { ...found, obstacle: terminating(namespace) } : found;
  }

  async findConcern(name: string, owner: UserId, wanted: NamespaceConcern | NamespaceMarks): Promise<FoundConcern> {
    const drift: FoundDrift[] = [];
    let asWanted = true;
    for (const object of this.objectsOf(name, owner, wanted)) {
      const found = this.cluster.find(resourceOf(object), object.metadata);
      const inspection = inspect(object, found);
      if (inspection.state === 'as-wanted') continue;
      asWanted = false;
      // A namespace is marked in a second step after it was made or handed over: until then nothing of it can have drifted.
      const marked = wanted.concern !== 'namespace' || found?.metadata.annotations?.[appliedAnnotation] !== undefined;
      if (inspection.state === 'drifted' && marked) drift.push(inspection.drift);
    }
    return { asWanted, drift };
  }

  async applyNamespace(name: string, action: NamespaceAction): Promise<void> {
    if (action.do === 'apply') {
      if ((await this.namespace(name))?.metadata.uid !== action.uid) return;
      await Promise.all(this.objectsOf(name, action.owner, action.concern).map((object) => this.cluster.apply(object)));
    } else if (this.options.prepared) {
      return; // those are the operator's to make and to delete
    } else if (action.do === 'create') {
      await this.create(name, action.owner, action.username);
    } else await this.delete(name, action.uid);
    crashPoint('runtime.after-apply');
  }

  watchNamespaces(changed: (owner: UserId, concern?: NamespaceConcernName) => void): void {
    this.listeners.push(changed);
  }

  private async create(name: string, owner: UserId, username: string): Promise<void> {
    try {
      await this.cluster.create(namespaceObject(name, owner, username, this.options.podSecurity));
    } catch (error) {
      // Somebody was faster: who it is, the next look tells.
      if (!(error instanceof ClusterRefusal) || error.reason !== 'CONFLICT') throw error;
    }
  }

  private async delete(name: string, uid: string): Promise<void> {
    const namespace = await this.namespace(name);
    if (namespace?.metadata.uid !== uid) return;
    if (namespace.metadata.labels?.[OWNER] === undefined && this.known.get(name) !== uid) return;
    if (this.options.holdsSandboxes(name)) throw new DomainError('CONFLICT', `the namespace ${name} still holds sandboxes`);
    await this.cluster.delete(NAMESPACES, { name }, uid);
  }

  private objectsOf(name: string, owner: UserId, wanted: NamespaceConcern | NamespaceMarks): KubernetesObject[] {
    const meta = { namespace: name, labels: labelsIn(owner) };
    switch (wanted.concern) {
      case 'namespace':
        // What an operator has made, the operator marks.
        return this.options.prepared ? [] : [namespaceObject(name, owner, wanted.username, this.options.podSecurity)];
      case 'quota':
        return quotaObjects(meta, wanted.quota, this.options.defaults);
      case 'network-policy':
        return networkPolicies(meta, wanted.egress, this.options.peers);
      case 'service-account':
        return serviceAccounts(meta, wanted.annotations);
      default:
        return unreachable(wanted);
    }
  }

  private async namespace(name: string): Promise<KubernetesObject | undefined> {
    if (!this.options.prepared) return this.cluster.find(NAMESPACES, { name });
    const before = this.readAt.get(name);
    if (before && performance.now() - before.at < readForMs) return before.object;
    const object = await this.cluster.read(NAMESPACES, { name });
    this.readAt.set(name, { at: performance.now(), object });
    return object;
  }

  /** Status is written all the time, as by the quota controller for each pod: only what could be ours to repair wakes anybody. */
  private changed(object: KubernetesObject, event: 'present' | 'gone', concern: NamespaceConcernName | undefined): void {
    const { kind, metadata } = object;
    const key = `${kind}/${metadata.namespace ?? ''}/${metadata.name}`;
    if (event === 'gone') this.lastSeen.delete(key);
    else {
      const before = this.lastSeen.get(key);
      const now = {
        mark: metadata.annotations?.[appliedAnnotation],
        fields: metadata.managedFields?.find(({ manager, operation }) => manager === fieldManager && operation === 'Apply')?.fieldsV1,
        // How far a deletion has come stands in the status.
        leaving: metadata.deletionTimestamp && canonical([metadata.finalizers, object.status]),
      };
      if (before && before.mark === now.mark && before.fields === now.fields && before.leaving === now.leaving) return;
      this.lastSeen.set(key, now);
    }
    const owner = this.owners.get(metadata.namespace ?? metadata.name);
    if (owner) for (const listener of this.listeners) listener(owner, concern);
  }
}

function resourceOf({ kind }: KubernetesObject): Resource {
  return resources.get(kind)!;
}

const notPrepared = (name: string) => ({
  reason: 'NAMESPACE_NOT_PREPARED',
  message: `Sandlot may work in prepared namespaces only, and ${name} is not there or not among them; an operator makes it and adds it to SANDLOT_KUBERNETES_NAMESPACES`,
});
