import { aggregateRef, type Quota } from '@sandlot/contracts';
import type { Commands } from '@sandlot/event-store';
import type { CommandContext, UserId } from '@sandlot/kernel';
import { holdersOf, ledgerDecider, usedOf, type Held, type Ledger } from './domain/ledger/ledger.js';

export interface QuotaUsage {
  quota: Quota;
  used: { sandboxes: number; cpu: string; memory: string };
  holders: (Held & { sandboxId: string })[];
}

/** What each user may hold, and what holds it. */
export class Quotas {
  constructor(
    private readonly commands: Commands,
    private readonly defaultQuota: Quota,
  ) {}

  async get(userId: UserId): Promise<QuotaUsage> {
    const { state } = await this.commands.load(ledgerDecider, aggregateRef('ledger', userId));
    return this.usage(state);
  }

  /** What `changes` leaves out stays. A quota below what is in use takes nothing away; it only admits no more. */
  async set(
    userId: UserId,
    changes: { [K in keyof Quota]?: Quota[K] | undefined },
    context: CommandContext,
  ): Promise<{ position: number; usage: QuotaUsage }> {
    const { position, result } = await this.commands.handle(context, async (work) => {
      const ledger = await work.load(ledgerDecider, aggregateRef('ledger', userId));
      const { sandboxes, cpu, memory } = ledger.state.quota ?? this.defaultQuota;
      ledger.decide({
        type: 'SetQuota',
        quota: { sandboxes: changes.sandboxes ?? sandboxes, cpu: changes.cpu ?? cpu, memory: changes.memory ?? memory },
      });
      return this.usage(ledger.state);
    });
    return { position, usage: result };
  }

  private usage(ledger: Ledger): QuotaUsage {
    return { quota: ledger.quota ?? this.defaultQuota, used: usedOf(ledger), holders: holdersOf(ledger) };
  }
}
