import { setTimeout as pause } from 'node:timers/promises';
import { crashPoint, DomainError, systemClock, type Clock, type SandboxId } from '@sandlot/kernel';
import type { Found, FoundVolume, Runtime, SandboxAction, SandboxPlace } from '../../ports.js';
import { RestartBackoff, type Backoff } from '../restart-backoff.js';
import type { Cluster, KubernetesObject, Resource } from './cluster.js';
import { diagnosis, troubleOf, volumesAwaitedUntil, type Diagnosis, type Warning } from './diagnosis.js';
import { ClusterRefusal } from './errors.js';
import { heldSandbox, sandboxIdOf, warnedAt, warningsAbout, type HeldSandbox } from './held-sandbox.js';
import { Interruptions } from './interruptions.js';
import { conditionOf, hasEnded, isOnLostNode, isReady, type Pod } from './pod.js';
import type { PodSettings } from './pod-template.js';
import { addressesOf, type RouteBy } from './route-address.js';
import { PODS, SERVICES, VOLUME_CLAIMS, WARNINGS } from './sandbox-resources.js';
import { refusedBecause, SandboxWrites } from './sandbox-writes.js';
import { volumeClaims, volumeOf, type VolumeSettings } from './volume-claims.js';
import { WorkloadKinds, type WorkloadLog } from './workload-kinds.js';
import type { Workload } from './workload.js';

/** What each user has in the cluster besides sandboxes. */
export type NamespaceSide = Pick<Runtime, 'concerns' | 'findNamespace' | 'findConcern' | 'applyNamespace' | 'watchNamespaces'> & {
  /** Resolves when it is in memory. */
  follow(): Promise<void>;
};

export interface KubernetesRuntimeOptions {
  cluster: Cluster;
  namespaces: NamespaceSide;
  workload: 'statefulset' | 'agent-sandbox' | 'auto';
  routeBy: RouteBy;
  pods: PodSettings;
  volumes: VolumeSettings;
  /** Before a pod that has ended for good is replaced. Default: 1 s, then longer and longer. */
  backoff?: Backoff;
  clock?: Clock;
  log?: WorkloadLog;
  /** How long to wait for the cluster at the start, in ms; afterwards it is waited for in the background. Default 10 s. */
  openWithinMs?: number;
}

/** A pod that is still ending so long after its grace is not going to: nobody on its node does it. */
const stuckMs = 60_000;
const openAgainMs = 30_000;

/**
 * Sandboxes in a cluster: for each a workload that keeps one pod, and volume claims of its own.
 *
 * It reads from memory, which watches keep current, and writes single objects, each only to the very object that was seen (its uid), so a
 * second one of these at work does no harm. It decides nothing and waits for nothing: a step returns when the cluster has taken it, and
 * the watch tells of what comes of it. The cluster's own controllers start again what has crashed.
 */
export class KubernetesRuntime implements Runtime {
  private readonly watchers: ((sandboxId: SandboxId) => void)[] = [];
  private readonly kinds: WorkloadKinds;
  private readonly writes: SandboxWrites;
  private readonly interruptions = new Interruptions();
  private readonly replacements = new Map<SandboxId, { backoff: RestartBackoff; pod?: string; startableAt: number }>();
  private readonly timers = new Map<SandboxId, NodeJS.Timeout>();
  private readonly clock: Clock;
  private readonly closing = new AbortController();
  private opened = false;

  constructor(private readonly options: KubernetesRuntimeOptions) {
    this.clock = options.clock ?? systemClock;
    const { cluster, workload, log } = options;
    this.writes = new SandboxWrites(options);
    this.kinds = new WorkloadKinds({
      cluster,
      choice: workload,
      changed: (object) => this.changed(sandboxIdOf(object)),
      ...(log && { log }),
    });
  }

  /** Rejects when the cluster refuses what is needed. While it cannot be reached, the runtime is UNAVAILABLE, and opens when it can. */
  async open(): Promise<void> {
    const opening = this.follow();
    const late = Promise.withResolvers<'late'>();
    const timer = setTimeout(() => late.resolve('late'), this.options.openWithinMs ?? 10_000);
    try {
      if ((await Promise.race([opening, late.promise])) !== 'late') return;
    } finally {
      clearTimeout(timer);
    }
    const { log } = this.options;
    log?.warn({}, 'the Kubernetes API cannot be reached yet; sandboxes are left as they are until it can');
    void this.keepOpening(opening);
  }

  private async keepOpening(opening: Promise<void>): Promise<void> {
    while (!this.closing.signal.aborted) {
      try {
        return await opening;
      } catch (error) {
        this.options.log?.warn({ error: String(error) }, 'the Kubernetes API refuses what is needed; it is asked again in a while');
        await pause(openAgainMs, undefined, { signal: this.closing.signal, ref: false }).catch(() => undefined);
        opening = this.follow();
      }
    }
  }

  async trouble(): Promise<string | undefined> {
    const trouble = await this.options.cluster.trouble();
    return trouble ?? (this.opened ? undefined : 'what the cluster holds is not known yet');
  }

  get name(): Workload['name'] {
    return this.kinds.name;
  }

  get concerns(): NamespaceSide['concerns'] {
    return this.options.namespaces.concerns;
  }

  findNamespace: NamespaceSide['findNamespace'] = (...asked) => this.options.namespaces.findNamespace(...asked);
  findConcern: NamespaceSide['findConcern'] = (...asked) => this.options.namespaces.findConcern(...asked);
  applyNamespace: NamespaceSide['applyNamespace'] = (...asked) => this.options.namespaces.applyNamespace(...asked);
  watchNamespaces: NamespaceSide['watchNamespaces'] = (changed) => this.options.namespaces.watchNamespaces(changed);

  /** Claims outlast their workload, so that whoever comes next has the files again. */
  async findVolumes(sandboxId: SandboxId, place: SandboxPlace): Promise<readonly FoundVolume[]> {
    this.present();
    return volumeClaims(sandboxId, place, this.options.volumes).flatMap((claim) => {
      const found = this.options.cluster.find(VOLUME_CLAIMS, claim.metadata);
      const again = found && sandboxIdOf(found) === sandboxId && found.metadata.deletionTimestamp === undefined;
      return again ? [{ name: volumeOf(claim) }] : [];
    });
  }

  async find(sandboxId: SandboxId): Promise<Found> {
    const held = this.held(sandboxId);
    if (!held.workload) return this.remainsOf(sandboxId, held);
    const { kind, object } = held.workload;
    const uid = object.metadata.uid!;
    if (object.metadata.deletionTimestamp !== undefined)
      return {
        exists: true,
        uid,
        running: false,
        seen: { phase: 'failed', ...beingDeleted(object) },
        underway: 'delete',
        ...heldUp([object]),
      };
    if (!kind.wantsToRun(object)) return this.pausedAs(uid, held.workload, held.pods[0]);
    const [pod] = held.pods;
    if (pod && isReady(pod)) {
      const addresses = addressesOf(kind, object, pod, this.options.routeBy);
      return { exists: true, uid, running: isComplete(held), seen: { phase: 'running', addresses } };
    }
    return this.troubled(sandboxId, uid, held, held.workload);
  }

  async apply(sandboxId: SandboxId, action: SandboxAction): Promise<void> {
    try {
      if (action.do === 'create') await this.create(sandboxId, action.place, action.running);
      else await this.act(sandboxId, action);
    } catch (error) {
      if (error instanceof ClusterRefusal && error.reason === 'NOT_SERVED') await this.kinds.lookAgain();
      throw refusedBecause(error);
    }
    crashPoint('runtime.after-apply');
  }

  async list(): Promise<SandboxId[]> {
    const resources = [...this.present().map(({ resource }) => resource), PODS, SERVICES, VOLUME_CLAIMS];
    return [...new Set(resources.flatMap((resource) => this.options.cluster.all(resource).flatMap((object) => sandboxIdOf(object) ?? [])))];
  }

  /** Whether anything is left in it that belongs to a sandbox; volumes that were kept do not. */
  holdsSandboxes(namespace: string): boolean {
    const resources = [...this.present().map(({ resource }) => resource), PODS, VOLUME_CLAIMS];
    return resources.some((resource) => this.options.cluster.all(resource, namespace).some((object) => sandboxIdOf(object) !== undefined));
  }

  watch(changed: (sandboxId: SandboxId) => void): void {
    this.watchers.push(changed);
  }

  /** Nothing is stopped: sandboxes do not need us to run. */
  async close(): Promise<void> {
    this.closing.abort();
    this.watchers.length = 0;
    this.kinds.close();
    for (const timer of this.timers.values()) clearTimeout(timer);
    await this.options.cluster.close();
  }

  private async follow(): Promise<void> {
    const { cluster, namespaces } = this.options;
    const wake = (object: KubernetesObject) => this.changed(sandboxIdOf(object));
    for (let known = false; !known;) {
      try {
        await this.kinds.open();
        known = true;
      } catch (error) {
        if (!(error instanceof DomainError) || error.code !== 'UNAVAILABLE' || !(error instanceof ClusterRefusal)) throw error;
        await pause(Math.max(1_000, error.retryAfterMs ?? 0), undefined, { signal: this.closing.signal, ref: false });
      }
    }
    await Promise.all([
      namespaces.follow(),
      cluster.follow(PODS, (object, event) => this.podChanged(object as Pod, event)),
      cluster.follow(SERVICES, wake),
      cluster.follow(VOLUME_CLAIMS, wake),
      cluster.follow(WARNINGS, (object) => this.warned(object as Warning)),
    ]);
    this.opened = true;
    for (const sandboxId of await this.list()) this.changed(sandboxId);
  }

  private present(): readonly Workload[] {
    if (!this.opened) throw new DomainError('UNAVAILABLE', 'the Kubernetes API has not told yet what is in the cluster');
    return this.kinds.all();
  }

  private held(sandboxId: SandboxId): HeldSandbox {
    return heldSandbox(this.options.cluster, this.present(), sandboxId);
  }

  private remainsOf(sandboxId: SandboxId, { pods, services, claims }: HeldSandbox): Found {
    const left = [...pods, ...services, ...claims];
    const [first] = left;
    if (!first) return { exists: false };
    const stuck = pods.some((pod) => this.isStuck(sandboxId, pod));
    const going = !stuck && left.every(({ metadata }) => metadata.deletionTimestamp !== undefined);
    return { exists: false, remains: { uid: first.metadata.uid!, ...(going && { underway: 'delete' }), ...heldUp(left) } };
  }

  private pausedAs(uid: string, { kind, object }: NonNullable<HeldSandbox['workload']>, pod: Pod | undefined): Found {
    if (!pod && kind.isObserved(object)) return { exists: true, uid, running: false, seen: { phase: 'stopped' } };
    const held = pod && isOnLostNode(pod) ? troubleOf({ complaint: undefined, pod, claims: [], warnings: [], workload: uid }) : undefined;
    const seen = held?.failed ? { phase: 'failed' as const, reason: held.reason, message: held.message } : { phase: 'pending' as const };
    return { exists: true, uid, running: false, seen, underway: 'stop' };
  }

  private troubled(sandboxId: SandboxId, uid: string, held: HeldSandbox, { kind, object }: NonNullable<HeldSandbox['workload']>): Found {
    const [pod] = held.pods;
    const since = this.interruptions.since(sandboxId);
    const warnings = warningsAbout(this.options.cluster, [object, ...held.pods, ...held.claims]).filter(
      (warning) => pod || warnedAt(warning) >= since,
    );
    const trouble = troubleOf({ complaint: kind.complaint(object), pod, claims: held.claims, warnings, workload: uid });
    if (!trouble.failed) {
      const { reason, message } = this.interruptions.lastOf(sandboxId) ?? trouble;
      return { exists: true, uid, running: isComplete(held), seen: { phase: 'pending', reason, message } };
    }
    const { reason, message } = trouble;
    const awaited = reason === 'VOLUME_PENDING' ? this.leftUntil(volumesAwaitedUntil({ claims: held.claims, warnings }, message)) : 0;
    if (awaited > 0) {
      this.lookAgain(sandboxId, awaited);
      return { exists: true, uid, running: isComplete(held), seen: { phase: 'pending', reason, message } };
    }
    const seen = { phase: 'failed' as const, reason, message };
    const replaced = pod && hasEnded(pod) && pod.metadata.deletionTimestamp === undefined;
    if (!replaced) return { exists: true, uid, running: isComplete(held), seen };
    return { exists: true, uid, running: false, seen, startableAt: this.replaceableAt(sandboxId, pod) };
  }

  private replaceableAt(sandboxId: SandboxId, pod: Pod): number {
    const known = this.replacements.get(sandboxId) ?? { backoff: new RestartBackoff(this.options.backoff), startableAt: 0 };
    this.replacements.set(sandboxId, known);
    if (known.pod === pod.metadata.uid) return known.startableAt;
    const now = this.clock.now().getTime();
    const readySince = Date.parse(conditionOf(pod, 'ContainersReady')?.lastTransitionTime ?? '') || now;
    known.startableAt = now + known.backoff.failed(Math.max(0, readySince - Date.parse(pod.metadata.creationTimestamp ?? '')));
    known.pod = pod.metadata.uid!;
    return known.startableAt;
  }

  private async create(sandboxId: SandboxId, place: SandboxPlace, running: boolean): Promise<void> {
    if (this.held(sandboxId).workload) return;
    const namespace = await this.findNamespace(place.namespace, place.owner);
    if (!namespace.exists || !namespace.ours)
      throw new DomainError('NAMESPACE_NOT_FOUND', `there is no namespace ${place.namespace} of this user`);
    this.interruptions.startedAt(sandboxId, this.clock.now().getTime());
    await this.writes.ensure(sandboxId, place, this.present()[0]!, running);
  }

  private async act(sandboxId: SandboxId, action: Exclude<SandboxAction, { do: 'create' }>): Promise<void> {
    const held = this.held(sandboxId);
    const { workload, pods } = held;
    if (action.do === 'delete') return this.delete(sandboxId, held, action.uid);
    if (workload?.object.metadata.uid !== action.uid) return;
    if (action.do === 'stop') return this.writes.pause(workload);
    const [pod] = pods;
    if (pod && hasEnded(pod)) await this.writes.end(PODS, pod);
    this.interruptions.startedAt(sandboxId, this.clock.now().getTime());
    await this.writes.ensure(sandboxId, action.place, workload.kind, true, workload.object);
  }

  private async delete(sandboxId: SandboxId, held: HeldSandbox, uid: string): Promise<void> {
    const { workload, pods, services, claims } = held;
    const known = [workload?.object, ...pods, ...services, ...claims].some((object) => object?.metadata.uid === uid);
    if (!known || (workload && workload.object.metadata.uid !== uid)) return;
    await this.writes.delete(sandboxId, held, (pod) => this.isStuck(sandboxId, pod));
    this.interruptions.forget(sandboxId);
    this.replacements.delete(sandboxId);
  }

  /** On a node that is lost nobody ends it. Where that is only guessed from the time, looks again when the time has come. */
  private isStuck(sandboxId: SandboxId, pod: Pod): boolean {
    if (pod.metadata.deletionTimestamp === undefined) return false;
    if (isOnLostNode(pod)) return true;
    const leftMs = this.leftUntil(Date.parse(pod.metadata.deletionTimestamp) + stuckMs);
    if (leftMs <= 0) return true;
    this.lookAgain(sandboxId, leftMs);
    return false;
  }

  private leftUntil(time = 0): number {
    return time - this.clock.now().getTime();
  }

  private lookAgain(sandboxId: SandboxId, afterMs: number): void {
    clearTimeout(this.timers.get(sandboxId));
    this.timers.set(sandboxId, setTimeout(() => this.changed(sandboxId), afterMs + 100).unref());
  }

  private podChanged(pod: Pod, event: 'present' | 'gone'): void {
    const sandboxId = sandboxIdOf(pod);
    if (!sandboxId) return;
    this.interruptions.podChanged(sandboxId, pod, event, this.clock.now().getTime());
    if (isReady(pod)) clearTimeout(this.timers.get(sandboxId));
    this.changed(sandboxId);
  }

  /** An event names what it is about; whose sandbox that is, its object knows. */
  private warned({ involvedObject }: Warning): void {
    if (!this.opened || !involvedObject?.name) return;
    const { kind, name, namespace } = involvedObject;
    const resources: Resource[] = [...this.kinds.all().map(({ resource }) => resource), PODS, VOLUME_CLAIMS];
    const resource = resources.find((one) => one.kind === kind);
    const object = resource && this.options.cluster.find(resource, { name, ...(namespace !== undefined && { namespace }) });
    if (object) this.changed(sandboxIdOf(object));
  }

  private changed(sandboxId: SandboxId | undefined): void {
    if (sandboxId) for (const watcher of this.watchers) watcher(sandboxId);
  }
}

/** A Service that somebody has deleted is made again by `start`. Those of agent-sandbox are its controller's. */
function isComplete({ workload, services }: HeldSandbox): boolean {
  return workload?.kind.name !== 'statefulset' || services.some(({ metadata }) => metadata.name === workload.object.metadata.name);
}

function beingDeleted({ kind, metadata }: KubernetesObject): Diagnosis {
  const { finalizers = [], name } = metadata;
  const held = finalizers.length > 0 ? `, held by the finalizers ${finalizers.join(', ')}` : '';
  return diagnosis('WORKLOAD_TERMINATING', `the ${kind} ${name} is being deleted${held}`);
}

/** By finalizers that are not Kubernetes' own: those are taken off without anybody's doing. */
function heldUp(objects: readonly KubernetesObject[]): { obstacle?: Diagnosis } {
  for (const { kind, metadata } of objects) {
    const finalizers = (metadata.finalizers ?? []).filter((each) => !ownFinalizer.test(each));
    if (metadata.deletionTimestamp === undefined || finalizers.length === 0) continue;
    return { obstacle: diagnosis('DELETION_HELD', `the ${kind} ${metadata.name} is held by the finalizers ${finalizers.join(', ')}`) };
  }
  return {};
}

const ownFinalizer = /^(foregroundDeletion|orphan|kubernetes\.io\/.*)$/;
