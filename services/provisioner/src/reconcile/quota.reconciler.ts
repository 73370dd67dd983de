import { aggregateRef, type Quota } from '@sandlot/contracts';
import { serviceContext, type Commands } from '@sandlot/event-store';
import { systemClock, type Clock, type UserId } from '@sandlot/kernel';
import { ledgerDecider } from '../domain/ledger/ledger.js';
import { decide, namespaceDecider } from '../domain/namespace/namespace.js';
import type { Runtime } from '../ports.js';
import { planQuota } from './plan.js';
import type { Reconciled } from '@sandlot/consumers';

/** Gives the user's namespace the quota that the ledger has, or the platform's default. */
export class QuotaReconciler {
  constructor(
    private readonly commands: Commands,
    private readonly runtime: Runtime,
    private readonly defaultQuota: Quota,
    private readonly clock: Clock = systemClock,
  ) {}

  async reconcile(userId: UserId): Promise<Reconciled> {
    const ref = aggregateRef('namespace', userId);
    const { state: namespace, revision } = await this.commands.load(namespaceDecider, ref);
    if (namespace.status !== 'live') return {};
    const { state: ledger } = await this.commands.load(ledgerDecider, aggregateRef('ledger', userId));
    const quota = ledger.quota ?? this.defaultQuota;
    const found = await this.runtime.findNamespace(namespace.name, userId);
    const action = planQuota(namespace, quota, found);
    if (action) {
      await this.runtime.applyNamespace(namespace.name, action);
      return { changed: action.do, againAfterMs: 0 };
    }
    const applied = found.exists && found.ours;
    if (applied && decide({ type: 'ReportQuota', quota }, namespace).length > 0)
      await this.commands.handle(serviceContext('provisioner', revision, this.clock), async (work) => {
        (await work.load(namespaceDecider, ref)).decide({ type: 'ReportQuota', quota });
      });
    return {};
  }
}
