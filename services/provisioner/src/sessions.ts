import { aggregateRef, type Sandbox as SandboxView } from '@sandlot/contracts';
import type { Commands, Work } from '@sandlot/event-store';
import { DomainError, systemClock, type Clock, type CommandContext, type SandboxId, type UserId } from '@sandlot/kernel';
import { gone, sandboxDecider, type SandboxCommand } from './domain/sandbox/decide.js';
import { expiryIn } from './domain/sandbox/limits.js';
import { endOf, type KnownSandbox, type Sandbox } from './domain/sandbox/sandbox.js';
import { requireVersion, sandboxView, type SandboxAccepted } from './sandboxes.js';

export interface Meant {
  /** Whose it must be; anybody's without it. */
  userId?: UserId | undefined;
  id: SandboxId;
}

export interface MeantChange extends Meant {
  context: CommandContext;
  expectedVersion?: number | undefined;
}

/** Sandboxes that have a lifetime, by their ids. An id never passes on to another, so what is over can be told from what never was. */
export class Sessions {
  constructor(
    private readonly commands: Commands,
    /** That of `Sandboxes`. */
    private readonly clock: Clock = systemClock,
  ) {}

  async get({ userId, id }: Meant): Promise<SandboxView> {
    const { state, revision } = await this.commands.load(sandboxDecider, aggregateRef('sandbox', id));
    return sandboxView(id, present(state, userId), revision);
  }

  /** From now on; without a time, by the one that it has. */
  extend({ ttlSeconds, ...meant }: MeantChange & { ttlSeconds?: number | undefined }): Promise<SandboxAccepted> {
    return this.change(meant, ({ expiry }) => ({
      type: 'ExtendSandbox',
      expiry: expiryIn(ttlSeconds ?? expiry!.ttlSeconds, this.clock.now()),
    }));
  }

  delete(meant: MeantChange): Promise<SandboxAccepted> {
    return this.change(meant, ({ owner }) => ({ type: 'DeleteSandbox', cause: meant.context.actor.id === owner ? 'user' : 'admin' }));
  }

  private async change(
    { context, userId, id, expectedVersion }: MeantChange,
    commandOn: (sandbox: KnownSandbox) => SandboxCommand,
  ): Promise<SandboxAccepted> {
    const handled = await this.commands.handle(context, async (work: Work) => {
      const sandbox = await work.load(sandboxDecider, aggregateRef('sandbox', id));
      if (work.applied) return sandboxView(id, sandbox.state, sandbox.revision);
      const before = present(sandbox.state, userId);
      requireVersion(sandbox.revision, expectedVersion);
      const changed = sandbox.decide(commandOn(before));
      const { version, time } = sandbox.revision;
      return sandboxView(id, sandbox.state, changed ? { version: version + 1, time: context.at } : { version, time });
    });
    return { position: handled.position, sandbox: handled.result };
  }
}

/** The one that is meant, unless it is over. Somebody else's and one without a lifetime are no sessions of the caller's. */
function present(sandbox: Sandbox, userId: UserId | undefined): KnownSandbox {
  const known = sandbox.status !== 'absent' && sandbox.expiry && (userId === undefined || sandbox.owner === userId);
  if (!known) throw new DomainError('SANDBOX_NOT_FOUND', 'there is no such session');
  const end = endOf(sandbox);
  if (end) throw gone(end);
  if (sandbox.status === 'deleted') throw new DomainError('SANDBOX_GONE', 'This sandbox was deleted', { reason: 'DELETED' });
  return sandbox;
}
