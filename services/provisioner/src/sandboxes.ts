import {
  aggregateRef,
  nameOfId,
  type DeletionCause,
  type Quota,
  type Sandbox as SandboxView,
  type SandboxLimits,
  type SandboxSettings,
} from '@sandlot/contracts';
import { loadAsOf, type Commands, type EventStore, type Moment, type Revision, type Work } from '@sandlot/event-store';
import {
  deriveId,
  DomainError,
  millisecondsOf,
  systemClock,
  type Clock,
  type CommandContext,
  type SandboxId,
  type UserId,
} from '@sandlot/kernel';
import { ledgerDecider, sandboxNamed, type Ledger } from './domain/ledger/ledger.js';
import { namespaceDecider } from './domain/namespace/namespace.js';
import { gone, sandboxDecider, type SandboxCommand } from './domain/sandbox/decide.js';
import { limitsOf, type DefaultLimits } from './domain/sandbox/limits.js';
import { endOf, stateOf, type Sandbox } from './domain/sandbox/sandbox.js';
import { specOf, type SettingRules } from './domain/sandbox/settings.js';

export interface SandboxAccepted {
  position: number;
  sandbox: SandboxView;
}

export type SandboxRequest = SandboxSettings &
  SandboxLimits & {
    context: CommandContext;
    owner: { userId: UserId; username: string };
    namespace?: string | undefined;
    /** Without one, it is named by its id. */
    name?: string | undefined;
  };

export interface Named {
  context: CommandContext;
  userId: UserId;
  /** FORBIDDEN when it is not the one that the sandbox is in. */
  namespace?: string | undefined;
  name: string;
  /** Of If-Match: VERSION_MISMATCH when the sandbox is not at this version any more. */
  expectedVersion?: number | undefined;
}

/** What people ask of their sandboxes. Names are found in the owner's ledger, so none of this needs PostgreSQL. */
export class Sandboxes {
  constructor(
    private readonly commands: Commands,
    private readonly store: EventStore,
    private readonly platform: { quota: Quota; rules: SettingRules; limits: DefaultLimits; namespacePrefix: string },
    /** For lifetimes, which are measured here and so must begin here: the command's own time is another machine's. */
    private readonly clock: Clock = systemClock,
  ) {}

  /** Takes the name and a place in the quota, asks for the namespace and for the sandbox: all of it or nothing. */
  async request({
    context,
    owner,
    namespace: named,
    name: chosen,
    ttlSeconds,
    idleTimeoutSeconds,
    onIdle,
    ...asked
  }: SandboxRequest): Promise<SandboxAccepted> {
    const { userId, username } = owner;
    const id = deriveId('sbx', context.commandId, 'sandbox');
    const name = chosen ?? nameOfId(id);
    const handled = await this.commands.handle(context, async (work) => {
      const ledger = await work.load(ledgerDecider, aggregateRef('ledger', userId));
      const namespace = await work.load(namespaceDecider, aggregateRef('namespace', userId));
      const sandbox = await work.create(sandboxDecider, aggregateRef('sandbox', id));
      if (!work.applied) {
        // Not of a command that has taken effect: the operator may have changed the rules since.
        const { state } = namespace;
        const where = state.status === 'absent' ? `${this.platform.namespacePrefix}${username}` : state.name;
        requireNamespace(where, named);
        const spec = specOf(asked, { username, name }, this.platform.rules);
        const limits = limitsOf({ ttlSeconds, idleTimeoutSeconds, onIdle }, this.platform.limits, this.clock.now());
        ledger.decide({ type: 'AdmitSandbox', sandboxId: id, name, holds: spec.resources?.limits, defaultQuota: this.platform.quota });
        namespace.decide({ type: 'RequestNamespace', owner: userId, username, name: where });
        sandbox.decide({ type: 'RequestSandbox', owner: userId, username, namespace: where, name, spec, ...limits });
      }
      return sandboxView(id, sandbox.state, { version: Math.max(1, sandbox.revision.version), time: sandbox.revision.time || context.at });
    });
    return { position: handled.position, sandbox: handled.result };
  }

  pause(named: Named): Promise<SandboxAccepted> {
    return this.change(named, { type: 'PauseSandbox', cause: named.context.actor.id === named.userId ? 'user' : 'admin' });
  }

  resume(named: Named): Promise<SandboxAccepted> {
    return this.change(named, { type: 'ResumeSandbox' });
  }

  delete(named: Named, cause: DeletionCause = named.context.actor.id === named.userId ? 'user' : 'admin'): Promise<SandboxAccepted> {
    return this.change(named, { type: 'DeleteSandbox', cause });
  }

  async get(userId: UserId, name: string, asOf?: Moment): Promise<SandboxView> {
    if (asOf !== undefined) return this.getAsOf(userId, name, asOf);
    const { state: ledger } = await this.commands.load(ledgerDecider, aggregateRef('ledger', userId));
    const id = lastNamed(ledger, name);
    const { state, revision } = await this.commands.load(sandboxDecider, aggregateRef('sandbox', id));
    requirePresent(state);
    return sandboxView(id, state, revision);
  }

  private async getAsOf(userId: UserId, name: string, asOf: Moment): Promise<SandboxView> {
    const { state: ledger } = await loadAsOf(this.store, ledgerDecider, aggregateRef('ledger', userId), asOf);
    const id = named(ledger, name);
    const { state, revision } = await loadAsOf(this.store, sandboxDecider, aggregateRef('sandbox', id), asOf);
    return sandboxView(id, state, revision);
  }

  private async change({ context, userId, namespace, name, expectedVersion }: Named, command: SandboxCommand): Promise<SandboxAccepted> {
    const handled = await this.commands.handle(context, async (work: Work) => {
      const { state: ledger } = await work.load(ledgerDecider, aggregateRef('ledger', userId));
      for (const former of couldBeMeant(ledger, name, context)) {
        const predecessor = await work.load(sandboxDecider, aggregateRef('sandbox', former));
        if (work.applied) return sandboxView(former, predecessor.state, predecessor.revision);
      }
      const id = lastNamed(ledger, name);
      const sandbox = await work.load(sandboxDecider, aggregateRef('sandbox', id));
      if (!work.applied) requirePresent(sandbox.state);
      if (!work.applied && sandbox.state.status !== 'absent') requireNamespace(sandbox.state.namespace, namespace);
      if (!work.applied) requireVersion(sandbox.revision, expectedVersion);
      const changed = sandbox.decide(command);
      const { version, time } = sandbox.revision;
      return sandboxView(id, sandbox.state, changed ? { version: version + 1, time: context.at } : { version, time });
    });
    return { position: handled.position, sandbox: handled.result };
  }
}

export function requireVersion({ version }: Pick<Revision, 'version'>, expected: number | undefined): void {
  if (expected === undefined || version === expected) return;
  throw new DomainError('VERSION_MISMATCH', `the sandbox is at version ${version}`, { version });
}

/** A state in which nothing is on its way any more. */
export const settled = ({ state }: SandboxView): boolean => ['running', 'paused', 'failed', 'deleted'].includes(state);

export function sandboxView(id: SandboxId, sandbox: Sandbox, { version, time }: Pick<Revision, 'version' | 'time'>): SandboxView {
  if (sandbox.status === 'absent') throw notFound();
  const { owner, username, namespace, name, spec, expiry, idle } = sandbox;
  const running = sandbox.status === 'live' && sandbox.seen.phase === 'running' ? sandbox.seen : undefined;
  const failure = sandbox.status === 'live' ? (sandbox.seen.phase === 'failed' ? sandbox.seen : undefined) : sandbox.heldUp;
  return {
    id,
    name,
    owner,
    username,
    namespace,
    state: stateOf(sandbox),
    reason: failure?.reason ?? null,
    message: failure?.message ?? null,
    ...spec,
    ...(expiry && expiry),
    ...(idle && { idleTimeoutSeconds: idle.timeoutSeconds, onIdle: idle.then }),
    ...(running && { service: running.addresses[0]!.address.replace(/:\d+$/, '') }),
    createdAt: new Date(millisecondsOf(id)).toISOString(),
    updatedAt: time,
    version,
  };
}

function named(ledger: Ledger, name: string): SandboxId {
  const id = sandboxNamed(ledger, name);
  if (!id) throw notFound();
  return id;
}

/** The one that has the name, or had it last. */
function lastNamed(ledger: Ledger, name: string): SandboxId {
  const id = sandboxNamed(ledger, name) ?? ledger.former.get(name)?.[0];
  if (!id) throw notFound();
  return id;
}

function requirePresent(sandbox: Sandbox): void {
  const end = endOf(sandbox);
  if (end) throw gone(end);
  if (sandbox.status === 'deleted') throw notFound();
}

/** Which sandboxes of the past a command may have taken effect on: none when the one that has the name now was there before the command. */
function couldBeMeant(ledger: Ledger, name: string, { commandId }: CommandContext): readonly SandboxId[] {
  const holder = sandboxNamed(ledger, name);
  const wasThere = holder !== undefined && millisecondsOf(holder) < millisecondsOf(commandId);
  return wasThere ? [] : (ledger.former.get(name) ?? []);
}

/** The older form of the API names a namespace. A user has exactly one, so any other is refused. */
function requireNamespace(own: string, named: string | undefined): void {
  if (named === undefined || named === own) return;
  throw new DomainError('FORBIDDEN', `The namespace ${named} is not the one of the sandbox; leave it out, or name ${own}.`);
}

const notFound = (): DomainError => new DomainError('SANDBOX_NOT_FOUND', 'Sandbox not found');
