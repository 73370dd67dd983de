import { aggregateRef } from '@sandlot/contracts';
import { serviceContext, type Commands, type Revision } from '@sandlot/event-store';
import { millisecondsOf, systemClock, type Clock, type SandboxId } from '@sandlot/kernel';
import { ledgerDecider } from '../domain/ledger/ledger.js';
import { decide, sandboxDecider, type Report } from '../domain/sandbox/decide.js';
import type { Sandbox } from '../domain/sandbox/sandbox.js';
import type { Runtime, SandboxPlace } from '../ports.js';
import { planSandbox, reportOf } from './plan.js';
import type { Reconciled } from '@sandlot/consumers';

/**
 * Brings the runtime to what the log says, one sandbox at a time.
 * Woken by the sandbox's events, the runtime's watch, a timer and boot; every wake-up carries only the id and does the same,
 * so missing, repeated and reordered wake-ups are harmless. Two of these may run at once: the runtime's own preconditions (uid)
 * and the log's expected revision decide who wins, and the loser looks again.
 */
export class SandboxReconciler {
  constructor(
    private readonly commands: Commands,
    private readonly runtime: Runtime,
    private readonly clock: Clock = systemClock,
  ) {}

  async reconcile(id: SandboxId): Promise<Reconciled> {
    const { state: sandbox, revision } = await this.commands.load(sandboxDecider, aggregateRef('sandbox', id));
    const found = await this.runtime.find(id);
    await this.report(id, sandbox, revision, reportOf(found));

    const now = this.clock.now().getTime();
    const action = planSandbox(sandbox, found, now);
    if (action?.do === 'create') {
      const obstacle = await this.obstacle(id, action.place, revision);
      if (obstacle) return obstacle;
    }
    if (action) {
      await this.runtime.apply(id, action);
      return { changed: action.do, againAfterMs: 0 };
    }
    const resting = found.exists && found.startableAt !== undefined && found.startableAt > now;
    return resting ? { againAfterMs: found.startableAt! - now } : {};
  }

  /** A sandbox needs its owner's namespace, which another reconciler makes: what to do while it is not there. */
  private async obstacle(id: SandboxId, { namespace, owner }: SandboxPlace, revision: Revision): Promise<Reconciled | undefined> {
    const found = await this.runtime.findNamespace(namespace, owner);
    if (found.exists && found.ours) return undefined;
    if (found.exists) {
      const { state } = await this.commands.load(sandboxDecider, aggregateRef('sandbox', id));
      const message = `the namespace ${namespace} exists, and Sandlot did not make it for this user; remove or rename it`;
      await this.report(id, state, revision, { phase: 'failed', reason: 'NAMESPACE_NOT_OURS', message });
      return { againAfterMs: 30_000 };
    }
    const age = this.clock.now().getTime() - millisecondsOf(id);
    return { againAfterMs: age < 5_000 ? 25 : 2_000 };
  }

  /** Tells the log what the runtime was seen to do. The place in the owner's quota is free in the same moment as the sandbox is gone. */
  private async report(id: SandboxId, sandbox: Sandbox, revision: Revision, seen: Report): Promise<void> {
    if (sandbox.status === 'absent' || decide({ type: 'ReportSandbox', seen }, sandbox).length === 0) return;
    await this.commands.handle(serviceContext('provisioner', revision, this.clock), async (work) => {
      const reported = await work.load(sandboxDecider, aggregateRef('sandbox', id));
      const ledger = await work.load(ledgerDecider, aggregateRef('ledger', sandbox.owner));
      reported.decide({ type: 'ReportSandbox', seen });
      if (reported.state.status === 'deleted') ledger.decide({ type: 'ReleaseSandbox', sandboxId: id });
    });
  }
}
