import { aggregateRef, type DeletionCause, type Quota, type Sandbox as SandboxView, type SandboxSpec } from '@sandlot/contracts';
import { loadAsOf, type Commands, type EventStore, type Moment, type Revision, type Work } from '@sandlot/event-store';
import { deriveId, DomainError, millisecondsOf, type CommandContext, type SandboxId, type UserId } from '@sandlot/kernel';
import { ledgerDecider, sandboxNamed, type Ledger } from './domain/ledger/ledger.js';
import { namespaceDecider } from './domain/namespace/namespace.js';
import { sandboxDecider, type SandboxCommand } from './domain/sandbox/decide.js';
import { stateOf, type Sandbox } from './domain/sandbox/sandbox.js';
import { namespaceOf } from './reconcile/plan.js';

export interface SandboxAccepted {
  position: number;
  sandbox: SandboxView;
}

export interface Named {
  context: CommandContext;
  userId: UserId;
  name: string;
  /** Of If-Match: VERSION_MISMATCH when the sandbox is not at this version any more. */
  expectedVersion?: number | undefined;
}

/** What people ask of their sandboxes. Names are found in the owner's ledger, so none of this needs PostgreSQL. */
export class Sandboxes {
  constructor(
    private readonly commands: Commands,
    private readonly store: EventStore,
    private readonly defaults: { quota: Quota; image: string },
  ) {}

  /** Takes the name and a place in the quota, asks for the namespace and for the sandbox: all of it or nothing. */
  async request(request: {
    context: CommandContext;
    owner: { userId: UserId; username: string };
    name: string;
    image?: string | undefined;
    ports: SandboxSpec['ports'];
  }): Promise<SandboxAccepted> {
    const { context, owner, name, ports } = request;
    const { userId, username } = owner;
    const id = deriveId('sbx', context.commandId, 'sandbox');
    const handled = await this.commands.handle(context, async (work) => {
      const ledger = await work.load(ledgerDecider, aggregateRef('ledger', userId));
      const namespace = await work.load(namespaceDecider, aggregateRef('namespace', userId));
      const sandbox = await work.create(sandboxDecider, aggregateRef('sandbox', id));
      ledger.decide({ type: 'AdmitSandbox', sandboxId: id, name, defaultQuota: this.defaults.quota });
      namespace.decide({ type: 'RequestNamespace', owner: userId, username, name: namespaceOf(username) });
      sandbox.decide({
        type: 'RequestSandbox',
        owner: userId,
        username,
        name,
        spec: { image: request.image ?? this.defaults.image, ports },
      });
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
    const id = named(ledger, name);
    const { state, revision } = await this.commands.load(sandboxDecider, aggregateRef('sandbox', id));
    if (state.status === 'deleted') throw notFound(); // since the ledger was read, which has given the name free
    return sandboxView(id, state, revision);
  }

  private async getAsOf(userId: UserId, name: string, asOf: Moment): Promise<SandboxView> {
    const { state: ledger } = await loadAsOf(this.store, ledgerDecider, aggregateRef('ledger', userId), asOf);
    const id = named(ledger, name);
    const { state, revision } = await loadAsOf(this.store, sandboxDecider, aggregateRef('sandbox', id), asOf);
    return sandboxView(id, state, revision);
  }

  private async change({ context, userId, name, expectedVersion }: Named, command: SandboxCommand): Promise<SandboxAccepted> {
    const handled = await this.commands.handle(context, async (work: Work) => {
      const { state: ledger } = await work.load(ledgerDecider, aggregateRef('ledger', userId));
      for (const former of couldBeMeant(ledger, name, context)) {
        const predecessor = await work.load(sandboxDecider, aggregateRef('sandbox', former));
        if (work.applied) return sandboxView(former, predecessor.state, predecessor.revision);
      }
      const id = named(ledger, name);
      const sandbox = await work.load(sandboxDecider, aggregateRef('sandbox', id));
      if (!work.applied && expectedVersion !== undefined && sandbox.revision.version !== expectedVersion)
        throw new DomainError('VERSION_MISMATCH', `the sandbox is at version ${sandbox.revision.version}`, {
          version: sandbox.revision.version,
        });
      const changed = sandbox.decide(command);
      const { version, time } = sandbox.revision;
      return sandboxView(id, sandbox.state, changed ? { version: version + 1, time: context.at } : { version, time });
    });
    return { position: handled.position, sandbox: handled.result };
  }
}

/** A state in which nothing is on its way any more. */
export const settled = ({ state }: SandboxView): boolean => ['running', 'paused', 'failed', 'deleted'].includes(state);

export function sandboxView(id: SandboxId, sandbox: Sandbox, { version, time }: Pick<Revision, 'version' | 'time'>): SandboxView {
  if (sandbox.status === 'absent') throw notFound();
  const { owner, username, name, spec } = sandbox;
  const running = sandbox.status === 'live' && sandbox.seen.phase === 'running' ? sandbox.seen : undefined;
  const failure = sandbox.status === 'live' && sandbox.seen.phase === 'failed' ? sandbox.seen : undefined;
  return {
    id,
    name,
    owner,
    username,
    namespace: namespaceOf(username),
    state: stateOf(sandbox),
    reason: failure?.reason ?? null,
    message: failure?.message ?? null,
    image: spec.image,
    ports: spec.ports,
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

/** Which sandboxes of the past a command may have taken effect on: none when the one that has the name now was there before the command. */
function couldBeMeant(ledger: Ledger, name: string, { commandId }: CommandContext): readonly SandboxId[] {
  const holder = sandboxNamed(ledger, name);
  const wasThere = holder !== undefined && millisecondsOf(holder) < millisecondsOf(commandId);
  return wasThere ? [] : (ledger.former.get(name) ?? []);
}

const notFound = (): DomainError => new DomainError('SANDBOX_NOT_FOUND', 'Sandbox not found');
