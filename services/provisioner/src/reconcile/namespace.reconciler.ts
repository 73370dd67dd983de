import { aggregateRef } from '@sandlot/contracts';
import { serviceContext, type Commands } from '@sandlot/event-store';
import { systemClock, type Clock, type UserId } from '@sandlot/kernel';
import { ledgerDecider } from '../domain/ledger/ledger.js';
import { decide, namespaceDecider } from '../domain/namespace/namespace.js';
import type { Runtime } from '../ports.js';
import { planNamespace, reportOfNamespace } from './plan.js';
import type { Reconciled } from '@sandlot/consumers';

/** Makes the user's namespace, and takes it away when the user is gone and nothing is left in it. Never touches one that is not ours. */
export class NamespaceReconciler {
  constructor(
    private readonly commands: Commands,
    private readonly runtime: Runtime,
    private readonly clock: Clock = systemClock,
  ) {}

  async reconcile(userId: UserId): Promise<Reconciled> {
    const ref = aggregateRef('namespace', userId);
    const { state: namespace, revision } = await this.commands.load(namespaceDecider, ref);
    if (namespace.status === 'absent') return {};
    const { state: ledger } = await this.commands.load(ledgerDecider, aggregateRef('ledger', userId));
    const found = await this.runtime.findNamespace(namespace.name, userId);
    const seen = reportOfNamespace(found);
    if (decide({ type: 'ReportNamespace', seen }, namespace).length > 0)
      await this.commands.handle(serviceContext('provisioner', revision, this.clock), async (work) => {
        (await work.load(namespaceDecider, ref)).decide({ type: 'ReportNamespace', seen });
      });

    const action = planNamespace(namespace, ledger, found);
    if (!action) return {};
    await this.runtime.applyNamespace(namespace.name, action);
    return { changed: action.do, againAfterMs: 0 };
  }
}
