import { DomainError } from '@sandlot/kernel';
import { addressOf, type ForeignSandbox } from '../../domain/discovery/foreign-sandbox.js';
import type { ForeignSandboxes } from '../../ports.js';
import { agentSandbox, agentSandboxVersions } from './agent-sandbox.js';
import type { Cluster, KubernetesObject, Resource } from './cluster.js';
import { ClusterRefusal } from './errors.js';
import { foreignSandbox, isThere, podNameOf, userOf } from './foreign-sandbox.js';
import { USERNAME } from './namespace.js';
import type { Pod } from './pod.js';
import { USERS_NAMESPACES } from './resources.js';
import { AGENT_SANDBOX_GROUP, FOREIGN_PODS, foreignSandboxes, SANDBOX_DEFINITION } from './sandbox-resources.js';
import type { WorkloadLog } from './workload-kinds.js';
import type { Workload } from './workload.js';

export interface KubernetesForeignSandboxesOptions {
  /** Of its own: it follows other objects than the runtime does. */
  cluster: Cluster;
  /** Whether it looks at the whole cluster. Then users' namespaces are known by their labels; else by their names alone. */
  everywhere: boolean;
  namespacePrefix: string;
  /** Of sandboxes that declare none. */
  defaultPort: number;
  log?: WorkloadLog;
  /** How often to ask again while something is missing, in ms. Default 60 s. */
  askEveryMs?: number;
}

const soonMs = 1_000;

interface Version {
  kind: Workload;
  resource: Resource;
}

/**
 * The Sandbox objects of other makers, in memory, where watches keep them current. It only ever reads. Its start waits for nothing: until all of
 * them are known, it says so.
 */
export class KubernetesForeignSandboxes implements ForeignSandboxes {
  private readonly watchers: ((address: string) => void)[] = [];
  private readonly objects = new Map<string, KubernetesObject>();
  private readonly uidsAt = new Map<string, Set<string>>();
  private readonly following = new Set<Resource>();
  private followed: Version | undefined;
  private looking: Promise<void> | undefined;
  private known = false;
  private refusal: string | undefined;
  private timer: NodeJS.Timeout | undefined;
  private soon: NodeJS.Timeout | undefined;
  private again = false;
  private closed = false;

  constructor(private readonly options: KubernetesForeignSandboxesOptions) {}

  open(): void {
    this.timer = setInterval(() => {
      if (this.refusal !== undefined || !this.following.has(SANDBOX_DEFINITION)) void this.look();
    }, this.options.askEveryMs ?? 60_000).unref();
    void this.look();
  }

  all(): readonly ForeignSandbox[] {
    this.checkKnown();
    return [...this.objects.values()].map((object) => this.view(object));
  }

  at(address: string): readonly ForeignSandbox[] {
    this.checkKnown();
    return [...(this.uidsAt.get(address) ?? [])].map((uid) => this.view(this.objects.get(uid)!));
  }

  trouble(): string | undefined {
    return this.refusal ?? (this.known ? undefined : 'the Kubernetes API has not told yet which Sandboxes there are');
  }

  watch(changed: (address: string) => void): void {
    this.watchers.push(changed);
  }

  async close(): Promise<void> {
    this.closed = true;
    clearInterval(this.timer);
    clearTimeout(this.soon);
    this.watchers.length = 0;
    await this.options.cluster.close();
    await this.looking;
  }

  /** Whoever asks while it looks has it look once more. */
  private look(): Promise<void> {
    this.again = true;
    return (this.looking ??= this.lookWhileAsked().finally(() => (this.looking = undefined)));
  }

  private async lookWhileAsked(): Promise<void> {
    while (this.again && !this.closed) {
      this.again = false;
      await this.follow().catch((error: unknown) => this.failed(error));
    }
  }

  private lookIn(ms: number): void {
    clearTimeout(this.soon);
    if (!this.closed) this.soon = setTimeout(() => void this.look(), ms).unref();
  }

  /** Namespaces and pods first, so that a Sandbox is never judged without them. */
  private async follow(): Promise<void> {
    const { cluster, everywhere } = this.options;
    if (everywhere) await this.followOnce(USERS_NAMESPACES, ({ metadata }) => this.wakeNamespace(metadata.name));
    await this.followOnce(FOREIGN_PODS, (pod) => this.podChanged(pod));
    const served = await cluster.served(AGENT_SANDBOX_GROUP, 'sandboxes');
    const version = agentSandboxVersions.find((each) => served.includes(each));
    const resource = version && foreignSandboxes(version);
    const before = this.followed;
    if (resource?.apiVersion !== before?.resource.apiVersion) {
      const next = version && resource && { kind: agentSandbox(version), resource };
      if (next) await cluster.follow(next.resource, (object, event) => this.changed(next, object, event));
      this.change(next);
      if (before) await cluster.leave(before.resource);
      this.options.log?.info({ before: before?.resource.apiVersion, now: resource?.apiVersion }, 'the API of discovered Sandboxes');
    }
    this.refusal = undefined;
    if (!this.known) {
      this.known = true;
      for (const address of this.uidsAt.keys()) this.wake(address);
    }
    // Without the right to it, it is asked for every minute.
    await this.followOnce(SANDBOX_DEFINITION, () => void this.look()).catch(() => undefined);
    if (this.following.has(SANDBOX_DEFINITION) && this.defined() !== version) this.lookIn(soonMs);
  }

  /** What is served follows its definition a moment later, and nobody tells when. */
  private defined(): string | undefined {
    const [definition] = this.options.cluster.all(SANDBOX_DEFINITION);
    const { versions = [] } = (definition?.spec ?? {}) as { versions?: { name: string; served: boolean }[] };
    return agentSandboxVersions.find((each) => versions.some(({ name, served }) => name === each && served));
  }

  private async followOnce(resource: Resource, changed: (object: KubernetesObject) => void): Promise<void> {
    if (this.following.has(resource)) return;
    await this.options.cluster.follow(resource, changed);
    this.following.add(resource);
  }

  /** What may not be read is not there; what cannot be had just now is not known. */
  private failed(error: unknown): void {
    if (!(error instanceof ClusterRefusal) || error.code === 'UNAVAILABLE') {
      this.lookIn(Math.max(soonMs, error instanceof ClusterRefusal ? (error.retryAfterMs ?? 0) : 0));
      return;
    }
    const refusal = `Sandboxes of other makers may not be read: ${error.message}`;
    if (refusal !== this.refusal)
      this.options.log?.warn(
        { error: error.message },
        'no sandboxes are discovered: the provisioner needs the rights of deploy/rbac/discovery.yaml',
      );
    this.refusal = refusal;
    this.known = true;
  }

  private checkKnown(): void {
    if (!this.known) throw new DomainError('UNAVAILABLE', this.trouble()!);
  }

  private view(object: KubernetesObject): ForeignSandbox {
    const { cluster, namespacePrefix, everywhere, defaultPort } = this.options;
    const namespace = object.metadata.namespace!;
    const pod = cluster.find(FOREIGN_PODS, { namespace, name: podNameOf(object) }) as Pod | undefined;
    const marked = everywhere ? cluster.find(USERS_NAMESPACES, { name: namespace })?.metadata.labels?.[USERNAME] : undefined;
    const tenant = marked ?? (namespace.startsWith(namespacePrefix) ? namespace.slice(namespacePrefix.length) : undefined);
    return foreignSandbox(this.followed!.kind, object, pod, { tenant, defaultPort });
  }

  private changed(version: Version, object: KubernetesObject, event: 'present' | 'gone'): void {
    if (version !== this.followed) return; // not yet, or no more
    const before = this.take(object.metadata.uid!);
    if (event === 'present') this.put(object);
    const after = addressIn(object);
    if (before !== undefined && before !== after) this.wake(before);
    if (after !== undefined) this.wake(after);
  }

  private podChanged({ metadata }: KubernetesObject): void {
    for (const { uid } of metadata.ownerReferences ?? []) {
      const owner = this.objects.get(uid);
      const address = owner && addressIn(owner);
      if (address !== undefined) this.wake(address);
    }
  }

  private wakeNamespace(namespace: string): void {
    for (const object of this.objects.values()) {
      const address = object.metadata.namespace === namespace ? addressIn(object) : undefined;
      if (address !== undefined) this.wake(address);
    }
  }

  /** From one version of the API to another: what goes in between, nobody tells. */
  private change(next: Version | undefined): void {
    const before = [...this.uidsAt.keys()];
    this.objects.clear();
    this.uidsAt.clear();
    this.followed = next;
    for (const object of next ? this.options.cluster.all(next.resource) : []) this.put(object);
    for (const address of new Set([...before, ...this.uidsAt.keys()])) this.wake(address);
  }

  private put(object: KubernetesObject): void {
    if (!isThere(object)) return;
    const uid = object.metadata.uid!;
    this.objects.set(uid, object);
    const address = addressIn(object);
    if (address !== undefined) this.uidsAt.set(address, (this.uidsAt.get(address) ?? new Set()).add(uid));
  }

  /** @returns the address that it had */
  private take(uid: string): string | undefined {
    const object = this.objects.get(uid);
    this.objects.delete(uid);
    const address = object && addressIn(object);
    const uids = address === undefined ? undefined : this.uidsAt.get(address);
    if (uids?.delete(uid) && uids.size === 0) this.uidsAt.delete(address!);
    return address;
  }

  private wake(address: string): void {
    if (this.known) for (const watcher of this.watchers) watcher(address);
  }
}

const addressIn = (object: KubernetesObject): string | undefined => addressOf({ user: userOf(object), name: object.metadata.name });
