import { aggregateRef, type NamespaceConcernName } from '@sandlot/contracts';
import { serviceContext, type Commands, type Revision } from '@sandlot/event-store';
import { DomainError, systemClock, type Clock, type UserId } from '@sandlot/kernel';
import type { NamespaceConcern } from '../domain/namespace/concern.js';
import { decide, namespaceDecider, type ConcernReport, type Namespace } from '../domain/namespace/namespace.js';
import type { Runtime } from '../ports.js';
import { recordDrift } from './drift-record.js';
import { planConcern } from './plan.js';
import { RepairPace } from './repair-pace.js';
import type { Reconciled } from '@sandlot/consumers';

const lookAgainMs = 30_000;
/** The API cannot be had, or has moved on since: nothing to tell anybody, only to be tried again. */
const passing = new Set(['UNAVAILABLE', 'CONFLICT', 'NAMESPACE_NOT_FOUND', 'OUTCOME_UNKNOWN']);

/**
 * Keeps one thing in every user's namespace as it is wanted. What is right stays untouched; what somebody has changed is recorded and put back.
 * Where the runtime has no such thing, nothing is done and nothing is claimed.
 */
export abstract class ConcernReconciler {
  protected abstract readonly concern: NamespaceConcernName;
  private readonly pace = new RepairPace();

  constructor(
    protected readonly commands: Commands,
    private readonly runtime: Runtime,
    private readonly clock: Clock = systemClock,
  ) {}

  protected abstract wanted(userId: UserId): Promise<NamespaceConcern> | NamespaceConcern;

  async reconcile(userId: UserId): Promise<Reconciled> {
    if (!this.runtime.concerns.includes(this.concern)) return {};
    const { state: namespace, revision } = await this.commands.load(namespaceDecider, aggregateRef('namespace', userId));
    if (namespace.status !== 'live') return {};
    const found = await this.runtime.findNamespace(namespace.name, userId, namespace.uid);
    if (!found.exists || !found.ours || found.obstacle) return {}; // the namespace's own reconciler says why
    const wanted = await this.wanted(userId);
    const seen = await this.runtime.findConcern(namespace.name, userId, wanted);
    // What is in a namespace that the log does not know yet is told when it does: that event wakes us.
    const known = namespace.uid === found.uid;
    const plan = planConcern(wanted, namespace, seen, known);
    if (plan.do === 'nothing') {
      if (known) await this.report(userId, namespace, revision, { applied: wanted });
      return {};
    }
    const wait = plan.drift.length > 0 ? this.pace.next(userId, this.clock.now().getTime()) : 0;
    if (wait > 0) return { againAfterMs: wait };
    await recordDrift(this.commands, userId, this.concern, plan.drift, revision, this.clock);
    try {
      await this.runtime.applyNamespace(namespace.name, { do: 'apply', uid: found.uid, owner: userId, concern: wanted });
    } catch (error) {
      if (!known || !(error instanceof DomainError) || passing.has(error.code)) throw error;
      const reason = typeof error.details.reason === 'string' ? error.details.reason : error.code;
      await this.report(userId, namespace, revision, { failed: this.concern, reason, message: error.message });
      return { againAfterMs: lookAgainMs };
    }
    const now = await this.runtime.findConcern(namespace.name, userId, wanted);
    if (known && now.asWanted) {
      const after = await this.commands.load(namespaceDecider, aggregateRef('namespace', userId));
      await this.report(userId, after.state, after.revision, { applied: wanted });
    }
    const changed = plan.drift.length > 0 ? `repaired ${plan.drift.map(({ object }) => object).join(', ')}` : `applied ${this.concern}`;
    // Something in the cluster, like a webhook, changes what is applied in the same moment: not to be tried without end.
    return now.asWanted ? { changed } : { changed, againAfterMs: lookAgainMs };
  }

  private async report(userId: UserId, namespace: Namespace, because: Revision, seen: ConcernReport): Promise<void> {
    if (decide({ type: 'ReportConcern', seen }, namespace).length === 0) return;
    await this.commands.handle(serviceContext('provisioner', because, this.clock), async (work) => {
      (await work.load(namespaceDecider, aggregateRef('namespace', userId))).decide({ type: 'ReportConcern', seen });
    });
  }
}
