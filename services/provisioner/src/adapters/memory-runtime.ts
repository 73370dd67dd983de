import { randomUUID } from 'node:crypto';
import { crashPoint, DomainError, systemClock, unreachable, type Clock, type SandboxId, type UserId } from '@sandlot/kernel';
import { sameQuota, type Quota } from '@sandlot/contracts';
import type { NamespaceConcern, NamespaceMarks } from '../domain/namespace/concern.js';
import type { Found, FoundConcern, FoundNamespace, FoundVolume, NamespaceAction, Runtime, SandboxAction, SandboxPlace } from '../ports.js';
import { RestartBackoff, type Backoff } from './restart-backoff.js';

export interface MemoryRuntimeOptions {
  /** How long a sandbox is on its way to running, in ms. Default 0: it runs when `apply` returns. */
  startMs?: number;
  backoff?: Backoff;
  clock?: Clock;
}

type State =
  | { phase: 'stopped' }
  | { phase: 'starting' | 'running'; since: number; timer?: NodeJS.Timeout }
  | { phase: 'failed'; message: string; startableAt: number; timer: NodeJS.Timeout };

interface Held {
  uid: string;
  place: SandboxPlace;
  state: State;
  backoff: RestartBackoff;
}

/**
 * Sandboxes that are nothing but an entry in a map: for tests of what stands on a runtime, and for measuring without one.
 * Nothing listens at their addresses, and nothing outlives the process.
 */
export class MemoryRuntime implements Runtime {
  readonly name = 'memory';
  readonly concerns = ['quota'] as const;
  private readonly namespaces = new Map<string, { uid: string; owner: UserId; quota: Quota | undefined }>();
  private readonly sandboxes = new Map<SandboxId, Held>();
  private readonly watchers: ((sandboxId: SandboxId) => void)[] = [];
  private readonly startMs: number;
  private readonly backoff: Backoff | undefined;
  private readonly clock: Clock;
  private nextFailure: Error | undefined;

  constructor({ startMs = 0, backoff, clock = systemClock }: MemoryRuntimeOptions = {}) {
    this.startMs = startMs;
    this.backoff = backoff;
    this.clock = clock;
  }

  async findNamespace(name: string, owner: UserId): Promise<FoundNamespace> {
    const held = this.namespaces.get(name);
    return held ? { exists: true, uid: held.uid, ours: held.owner === owner } : { exists: false };
  }

  async findConcern(name: string, _: UserId, wanted: NamespaceConcern | NamespaceMarks): Promise<FoundConcern> {
    const quota = this.namespaces.get(name)?.quota;
    const asWanted = wanted.concern === 'namespace' || (wanted.concern === 'quota' && sameQuota(wanted.quota, quota));
    return { asWanted, drift: [] };
  }

  async applyNamespace(name: string, action: NamespaceAction): Promise<void> {
    this.throwWhenToldTo();
    const held = this.namespaces.get(name);
    if (action.do === 'create') {
      if (!held) this.namespaces.set(name, { uid: randomUUID(), owner: action.owner, quota: undefined });
    } else if (held?.uid === action.uid) {
      if (action.do === 'apply' && action.concern.concern === 'quota') held.quota = action.concern.quota;
      if (action.do === 'delete') this.removeNamespace(name);
    }
    crashPoint('runtime.after-apply');
  }

  async find(sandboxId: SandboxId): Promise<Found> {
    const held = this.sandboxes.get(sandboxId);
    if (!held) return { exists: false };
    const { uid, state, place } = held;
    switch (state.phase) {
      case 'stopped':
        return { exists: true, uid, running: false, seen: { phase: 'stopped' } };
      case 'starting':
        return { exists: true, uid, running: true, seen: { phase: 'pending' } };
      case 'running': {
        const host = `${sandboxId.replace('_', '-')}.invalid`;
        const addresses = place.spec.ports.map(({ name, port }) => ({ ...(name && { name }), port, address: `${host}:${port}` }));
        return { exists: true, uid, running: true, seen: { phase: 'running', addresses } };
      }
      case 'failed': {
        const { message, startableAt } = state;
        return { exists: true, uid, running: false, seen: { phase: 'failed', reason: 'RUNTIME_CRASHED', message }, startableAt };
      }
      default:
        return unreachable(state);
    }
  }

  async apply(sandboxId: SandboxId, action: SandboxAction): Promise<void> {
    this.throwWhenToldTo();
    if (action.do === 'create') this.create(sandboxId, action.place, action.running);
    else {
      const held = this.sandboxes.get(sandboxId);
      if (held?.uid === action.uid) this.act(sandboxId, held, action.do);
    }
    crashPoint('runtime.after-apply');
  }

  /** What it does not hold has left nothing behind. */
  async findVolumes(sandboxId: SandboxId): Promise<FoundVolume[]> {
    return this.sandboxes.has(sandboxId) ? [{ name: 'work' }] : [];
  }

  async list(): Promise<SandboxId[]> {
    return [...this.sandboxes.keys()];
  }

  watch(changed: (sandboxId: SandboxId) => void): void {
    this.watchers.push(changed);
  }

  watchNamespaces(): void {
    // Nobody else has their hands in this memory.
  }

  async close(): Promise<void> {
    this.watchers.length = 0;
    for (const held of this.sandboxes.values()) stop(held);
  }

  /** The next action, on a sandbox or a namespace, throws this and does nothing. */
  failNext(error: Error = new DomainError('UNAVAILABLE', 'the runtime was told to fail')): void {
    this.nextFailure = error;
  }

  /** Ends a sandbox as a fault of its own would. */
  crash(sandboxId: SandboxId): void {
    const held = this.sandboxes.get(sandboxId);
    if (held?.state.phase !== 'running' && held?.state.phase !== 'starting') return;
    const now = this.clock.now().getTime();
    const { phase, since } = held.state;
    stop(held);
    const pauseMs = held.backoff.failed(phase === 'running' ? now - since : 0);
    const timer = setTimeout(() => this.changed(sandboxId), pauseMs).unref();
    held.state = { phase: 'failed', message: 'it was told to crash', startableAt: now + pauseMs, timer };
    this.changed(sandboxId);
  }

  private create(sandboxId: SandboxId, place: SandboxPlace, running: boolean): void {
    if (this.sandboxes.has(sandboxId)) return;
    if (this.namespaces.get(place.namespace)?.owner !== place.owner)
      throw new DomainError('NAMESPACE_NOT_FOUND', `there is no namespace ${place.namespace} of this user`);
    const held: Held = { uid: randomUUID(), place, state: { phase: 'stopped' }, backoff: new RestartBackoff(this.backoff) };
    this.sandboxes.set(sandboxId, held);
    if (running) this.start(sandboxId, held);
  }

  private act(sandboxId: SandboxId, held: Held, what: 'start' | 'stop' | 'delete'): void {
    if (what === 'start') {
      if (held.state.phase === 'running' || held.state.phase === 'starting') return;
      stop(held);
      this.start(sandboxId, held);
      return;
    }
    stop(held);
    if (what === 'delete') this.sandboxes.delete(sandboxId);
  }

  private start(sandboxId: SandboxId, held: Held): void {
    const run = () => {
      held.state = { phase: 'running', since: this.clock.now().getTime() };
      this.changed(sandboxId);
    };
    if (this.startMs === 0) run();
    else held.state = { phase: 'starting', since: 0, timer: setTimeout(run, this.startMs) };
  }

  private removeNamespace(name: string): void {
    if ([...this.sandboxes.values()].some(({ place }) => place.namespace === name))
      throw new DomainError('CONFLICT', `the namespace ${name} still holds sandboxes`);
    this.namespaces.delete(name);
  }

  private changed(sandboxId: SandboxId): void {
    for (const watcher of this.watchers) watcher(sandboxId);
  }

  private throwWhenToldTo(): void {
    const error = this.nextFailure;
    this.nextFailure = undefined;
    if (error) throw error;
  }
}

function stop(held: Held): void {
  if ('timer' in held.state) clearTimeout(held.state.timer);
  held.state = { phase: 'stopped' };
}
