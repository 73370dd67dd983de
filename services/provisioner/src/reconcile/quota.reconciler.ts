import { aggregateRef, type Quota } from '@sandlot/contracts';
import type { Commands } from '@sandlot/event-store';
import type { Clock, UserId } from '@sandlot/kernel';
import { ledgerDecider } from '../domain/ledger/ledger.js';
import type { NamespaceConcern } from '../domain/namespace/concern.js';
import type { Runtime } from '../ports.js';
import { ConcernReconciler } from './concern.reconciler.js';

/** Gives the user's namespace the quota that the ledger has, or the platform's default. */
export class QuotaReconciler extends ConcernReconciler {
  protected readonly concern = 'quota';

  constructor(
    commands: Commands,
    runtime: Runtime,
    private readonly defaultQuota: Quota,
    clock?: Clock,
  ) {
    super(commands, runtime, clock);
  }

  protected async wanted(userId: UserId): Promise<NamespaceConcern> {
    const { state: ledger } = await this.commands.load(ledgerDecider, aggregateRef('ledger', userId));
    return { concern: 'quota', quota: ledger.quota ?? this.defaultQuota };
  }
}
