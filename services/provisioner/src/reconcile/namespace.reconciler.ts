import { aggregateRef } from '@sandlot/contracts';
import { serviceContext, type Commands, type Revision } from '@sandlot/event-store';
import { systemClock, type Clock, type UserId } from '@sandlot/kernel';
import { ledgerDecider } from '../domain/ledger/ledger.js';
import { decide, namespaceDecider, type Namespace, type NamespaceReport } from '../domain/namespace/namespace.js';
import type { FoundNamespace, Runtime } from '../ports.js';
import { recordDrift } from './drift-record.js';
import { planNamespace, reportOfNamespace } from './plan.js';
import { RepairPace } from './repair-pace.js';
import type { Reconciled } from '@sandlot/consumers';

const lookAgainMs = 30_000;

/** Makes the user's namespace, keeps it marked as theirs, and takes it away when the user is gone and nothing is left in it. Never touches one that is not ours. */
export class NamespaceReconciler {
  private readonly pace = new RepairPace();

  constructor(
    private readonly commands: Commands,
    private readonly runtime: Runtime,
    private readonly clock: Clock = systemClock,
  ) {}

  async reconcile(userId: UserId): Promise<Reconciled> {
    const { state: namespace, revision } = await this.commands.load(namespaceDecider, aggregateRef('namespace', userId));
    if (namespace.status === 'absent') return {};
    const { state: ledger } = await this.commands.load(ledgerDecider, aggregateRef('ledger', userId));
    const found = await this.runtime.findNamespace(namespace.name, userId, namespace.uid);
    const seen = reportOfNamespace(namespace, ledger, found);
    if (seen) await this.report(userId, namespace, revision, seen);

    const action = planNamespace(namespace, ledger, found);
    if (action) {
      if (action.do === 'create' && namespace.uid) await this.recordLoss(userId, namespace.name, revision);
      await this.runtime.applyNamespace(namespace.name, action);
      return { changed: action.do, againAfterMs: 0 };
    }
    return namespace.status === 'live' ? this.mark(userId, namespace, revision, found) : {};
  }

  /** It was there: somebody has deleted it, with all that was in it. */
  private recordLoss(userId: UserId, name: string, revision: Revision): Promise<void> {
    const drift = { object: `Namespace/${name}`, revision: '', missing: true, differences: [{ path: '' }] };
    return recordDrift(this.commands, userId, 'namespace', [drift], revision, this.clock);
  }

  private async mark(
    userId: UserId,
    namespace: Exclude<Namespace, { status: 'absent' }>,
    revision: Revision,
    found: FoundNamespace,
  ): Promise<Reconciled> {
    if (!found.exists || !found.ours || found.obstacle) return {};
    const marks = { concern: 'namespace', username: namespace.username } as const;
    const { asWanted, drift } = await this.runtime.findConcern(namespace.name, userId, marks);
    if (asWanted) return {};
    const wait = drift.length > 0 ? this.pace.next(userId, this.clock.now().getTime()) : 0;
    if (wait > 0) return { againAfterMs: wait };
    await recordDrift(this.commands, userId, 'namespace', drift, revision, this.clock);
    await this.runtime.applyNamespace(namespace.name, { do: 'apply', uid: found.uid, owner: userId, concern: marks });
    const changed = drift.length > 0 ? `repaired ${drift.map(({ object }) => object).join(', ')}` : 'applied namespace';
    return (await this.runtime.findConcern(namespace.name, userId, marks)).asWanted ? { changed } : { changed, againAfterMs: lookAgainMs };
  }

  private async report(userId: UserId, namespace: Namespace, because: Revision, seen: NamespaceReport): Promise<void> {
    if (decide({ type: 'ReportNamespace', seen }, namespace).length === 0) return;
    await this.commands.handle(serviceContext('provisioner', because, this.clock), async (work) => {
      (await work.load(namespaceDecider, aggregateRef('namespace', userId))).decide({ type: 'ReportNamespace', seen });
    });
  }
}
