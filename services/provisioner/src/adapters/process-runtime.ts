import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { crashPoint, DomainError, systemClock, type Clock, type SandboxId, type UserId } from '@sandlot/kernel';
import { sameQuota, type SandboxAddress, type SandboxSpec } from '@sandlot/contracts';
import type { NamespaceConcern, NamespaceMarks } from '../domain/namespace/concern.js';
import type { Found, FoundConcern, FoundNamespace, FoundVolume, NamespaceAction, Runtime, SandboxAction, SandboxPlace } from '../ports.js';
import { accountFor, probeConfinement, type Confinement } from './process-confinement.js';
import { endFamily, uidsWithProcesses } from './process-family.js';
import { SandboxFolders, type SandboxFolder } from './process-folders.js';
import { own } from './process-owner.js';
import { RestartBackoff, type Backoff } from './restart-backoff.js';
import { SandboxProcess, type Ending } from './sandbox-process.js';
import { Slots, Turns } from './turns.js';

export interface ProcessRuntimeOptions {
  /** Sandboxes are kept below it, in `sandboxes/`. Made when missing. */
  dataDir: string;
  log?: RuntimeLog;
  /** The runtime's program, with Node's flags before it. Default: the built `@sandlot/runtime`. */
  program?: readonly string[];
  /** What sandboxes see of our environment: PATH, LANG, TZ; never anything secret. Default: nothing; the runtime has a PATH of its own. */
  environment?: Record<string, string>;
  /** Starts at the same time; more wait. Default 4. */
  startsAtOnce?: number;
  /** How long a start may take until the sandbox answers, in ms. Default 10 s. */
  startWithinMs?: number;
  /** Between SIGTERM and SIGKILL, in ms. Default 2 s, which is what the runtime itself takes at most to end its commands. */
  graceMs?: number;
  backoff?: Backoff;
  clock?: Clock;
}

export interface RuntimeLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

interface Held extends SandboxFolder {
  backoff: RestartBackoff;
  process?: SandboxProcess;
  /** Why it does not run, when it ended by itself. */
  failure?: { reason: string; message: string; startableAt: number };
  wake?: NodeJS.Timeout;
}

/** Little memory for each of many: young generation of 1 MiB, a heap that is stopped before it hurts, no helper threads of V8. */
const smallNode = ['--max-semi-space-size=1', '--max-old-space-size=128', '--v8-pool-size=0'];
/** What cannot be read is not going to change by itself; people are given time to look. */
const unreadableRetryMs = 60_000;

/**
 * A child process per sandbox, each with its own folder and port on this machine. It isolates nothing: for one machine, development and
 * first contact.
 *
 * It decides nothing: a sandbox that crashed, or that ran when the platform was stopped, is found stopped or failed, and started by whoever
 * asks. Actions on one sandbox are done one after the other; `start` returns before the sandbox answers, `stop` and `delete` when its last
 * process is gone. Processes share the machine's network: the first declared port is the runtime's server, on a port that the kernel chose;
 * the other declared ports are reached as they are, on 127.0.0.1, so two sandboxes cannot both listen on one of them.
 */
export class ProcessRuntime implements Runtime {
  readonly name = 'process';
  /** No machine of one's own, no network of one's own: there is nothing that could be kept apart. The quota is kept as a record. */
  readonly concerns = ['quota'] as const;
  private readonly held = new Map<SandboxId, Held>();
  private readonly watchers: ((sandboxId: SandboxId) => void)[] = [];
  private readonly turns = new Turns();
  private readonly slots: Slots;
  private closing = false;

  private constructor(
    private readonly options: ProcessRuntimeOptions & { program: readonly string[] },
    private readonly folders: SandboxFolders,
    private readonly confinement: Confinement,
    private readonly disown: () => Promise<void>,
  ) {
    this.slots = new Slots(options.startsAtOnce ?? 4);
  }

  /** Takes over the folder and ends what a predecessor that was killed has left running. Throws while another process has the folder. */
  static async open(options: ProcessRuntimeOptions): Promise<ProcessRuntime> {
    const root = resolve(options.dataDir, 'sandboxes');
    const folders = new SandboxFolders(root);
    const disown = await own(root);
    try {
      await folders.prepare();
      const found = await folders.sandboxes();
      await endLeftovers(found, options);
      const program = options.program ?? [...smallNode, createRequire(import.meta.url).resolve('@sandlot/runtime/main')];
      const confinement = await probeConfinement(program.slice(-1), root);
      options.log?.warn(
        { runtime: 'process', holds: confinement.holds, root: process.getuid?.() === 0 && !confinement.accounts },
        'the process runtime isolates nothing and limits no memory: sandboxes share this machine and its network; only for people who trust each other',
      );
      const runtime = new ProcessRuntime({ ...options, program }, folders, confinement, disown);
      for (const folder of found) runtime.hold(folder);
      return runtime;
    } catch (error) {
      await disown();
      throw error;
    }
  }

  async findNamespace(name: string, owner: UserId): Promise<FoundNamespace> {
    const record = await this.folders.namespace(name);
    if (record === undefined) return { exists: false };
    if (record === 'foreign') return { exists: true, uid: 'unknown', ours: false };
    return { exists: true, uid: record.uid, ours: record.owner === owner };
  }

  async findConcern(name: string, _: UserId, wanted: NamespaceConcern | NamespaceMarks): Promise<FoundConcern> {
    if (wanted.concern === 'namespace') return { asWanted: true, drift: [] };
    const record = await this.folders.namespace(name);
    const quota = typeof record === 'object' ? record.quota : undefined;
    return { asWanted: wanted.concern === 'quota' && sameQuota(wanted.quota, quota), drift: [] };
  }

  async applyNamespace(name: string, action: NamespaceAction): Promise<void> {
    await this.inTurn(name, async () => {
      if (action.do === 'create') return this.folders.createNamespace(name, action.owner, action.username);
      const record = await this.folders.namespace(name);
      if (typeof record !== 'object' || record.uid !== action.uid) return;
      if (action.do === 'apply' && action.concern.concern === 'quota')
        await this.folders.writeNamespace(name, { ...record, quota: action.concern.quota });
      if (action.do === 'delete') await this.folders.removeNamespace(name);
    });
    crashPoint('runtime.after-apply');
  }

  async find(sandboxId: SandboxId): Promise<Found> {
    const held = this.held.get(sandboxId);
    if (!held) return { exists: false };
    const { process, failure, record } = held;
    const uid = uidOf(held);
    if (!record) return { exists: true, uid, running: false, seen: unreadable, startableAt: this.now() + unreadableRetryMs };
    if (process?.address)
      return { exists: true, uid, running: true, seen: { phase: 'running', addresses: addressesOf(record.spec, process.address) } };
    if (process) return { exists: true, uid, running: true, seen: { phase: 'pending' } };
    if (!failure) return { exists: true, uid, running: false, seen: { phase: 'stopped' } };
    const { reason, message, startableAt } = failure;
    return { exists: true, uid, running: false, seen: { phase: 'failed', reason, message }, startableAt };
  }

  async apply(sandboxId: SandboxId, action: SandboxAction): Promise<void> {
    await this.inTurn(sandboxId, async () => {
      if (action.do === 'create') return this.create(sandboxId, action.place, action.running);
      const held = this.held.get(sandboxId);
      if (!held || uidOf(held) !== action.uid) return;
      if (action.do === 'start') this.start(held);
      else await this.stop(held);
      if (action.do === 'delete') await this.remove(held);
    });
    crashPoint('runtime.after-apply');
  }

  /** A sandbox and its work folder are one folder: they come and go together. */
  async findVolumes(sandboxId: SandboxId): Promise<FoundVolume[]> {
    return this.held.has(sandboxId) ? [{ name: 'work' }] : [];
  }

  async list(): Promise<SandboxId[]> {
    return [...this.held.keys()];
  }

  watch(changed: (sandboxId: SandboxId) => void): void {
    this.watchers.push(changed);
  }

  watchNamespaces(): void {
    // The folders are ours alone; the full pass looks at them.
  }

  /** Stops every sandbox, after what was asked for before; files stay. */
  async close(): Promise<void> {
    if (this.closing) return;
    this.closing = true;
    this.watchers.length = 0;
    await this.turns.allDone();
    await Promise.all([...this.held.values()].map((held) => this.stop(held)));
    await this.disown();
  }

  private async create(sandboxId: SandboxId, place: SandboxPlace, running: boolean): Promise<void> {
    if (this.held.has(sandboxId)) return;
    const accounts = new Set([...this.held.values()].flatMap(({ record }) => record?.account ?? []));
    const account = this.confinement.accounts ? accountFor(sandboxId, accounts) : undefined;
    const folder = await this.inTurn(place.namespace, async () => {
      const namespace = await this.folders.namespace(place.namespace);
      if (typeof namespace !== 'object' || namespace.owner !== place.owner)
        throw new DomainError('NAMESPACE_NOT_FOUND', `there is no namespace ${place.namespace} of this user`);
      return this.folders.createSandbox(sandboxId, place, account);
    });
    const held = this.hold(folder);
    if (running) this.start(held);
  }

  private hold(folder: SandboxFolder): Held {
    const held = { ...folder, backoff: new RestartBackoff(this.options.backoff) };
    this.held.set(folder.sandboxId, held);
    return held;
  }

  private start(held: Held): void {
    if (held.process || !held.record) return;
    const { startWithinMs = 10_000, graceMs = 2_000, program, environment = {} } = this.options;
    const { uid, account, spec } = held.record;
    const limits = this.confinement.script;
    const env = spec.env ?? {};
    const launch = { path: held.path, uid, account, limits, program, environment, env, startWithinMs, graceMs };
    const process = new SandboxProcess(launch, this.slots, () => this.changed(held));
    this.clearFailure(held);
    held.process = process;
    void process.ended.then((ending) => {
      held.process = undefined;
      if (!ending.asked) this.failed(held, ending);
      this.changed(held);
    });
  }

  private failed(held: Held, { reason, message, healthyForMs }: Extract<Ending, { asked: false }>): void {
    const pauseMs = held.backoff.failed(healthyForMs);
    held.failure = { reason, message, startableAt: this.now() + pauseMs };
    held.wake = setTimeout(() => this.changed(held), pauseMs).unref();
    this.options.log?.warn({ sandboxId: held.sandboxId, reason, fault: message, pauseMs }, 'a sandbox has ended by itself');
  }

  private async stop(held: Held): Promise<void> {
    await held.process?.stop();
    this.clearFailure(held);
  }

  private async remove(held: Held): Promise<void> {
    await this.folders.removeSandbox(held);
    this.held.delete(held.sandboxId);
  }

  private clearFailure(held: Held): void {
    clearTimeout(held.wake);
    held.failure = undefined;
  }

  private changed({ sandboxId }: Held): void {
    for (const watcher of this.watchers) watcher(sandboxId);
  }

  private inTurn<Result>(key: string, work: () => Promise<Result>): Promise<Result> {
    if (this.closing) throw new DomainError('UNAVAILABLE', 'the runtime is being stopped');
    return this.turns.take(key, work);
  }

  private now(): number {
    return (this.options.clock ?? systemClock).now().getTime();
  }
}

const unreadable = {
  phase: 'failed',
  reason: 'RUNTIME_RECORD_UNREADABLE',
  message:
    'sandbox.json in the folder of this sandbox is missing or damaged; its files are left alone until it is repaired or the sandbox is deleted',
} as const;

/** The folder's name stands in where the record is lost: no other sandbox can have it, and deleting must always be possible. */
const uidOf = ({ record, sandboxId }: SandboxFolder): string => record?.uid ?? `unreadable-${sandboxId}`;

function addressesOf({ ports }: SandboxSpec, server: string): SandboxAddress[] {
  return ports.map(({ name, port }, index) => ({ ...(name && { name }), port, address: index === 0 ? server : `127.0.0.1:${port}` }));
}

async function endLeftovers(folders: readonly SandboxFolder[], { graceMs = 2_000, log }: ProcessRuntimeOptions): Promise<void> {
  const records = new Map(folders.flatMap(({ record }) => (record ? [[record.uid, record] as const] : [])));
  const left = await uidsWithProcesses(new Set(records.keys()));
  if (left.size === 0) return;
  log?.info({ sandboxes: left.size }, 'ending what a killed predecessor has left running');
  await Promise.all([...left].map((uid) => endFamily(uid, records.get(uid)?.account, graceMs)));
}
