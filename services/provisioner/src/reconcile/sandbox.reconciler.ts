import { aggregateRef } from '@sandlot/contracts';
import { serviceContext, type Commands, type Revision } from '@sandlot/event-store';
import { millisecondsOf, systemClock, type Clock, type SandboxId } from '@sandlot/kernel';
import { ledgerDecider } from '../domain/ledger/ledger.js';
import { namespaceDecider, type Namespace } from '../domain/namespace/namespace.js';
import { decide, sandboxDecider, type Report } from '../domain/sandbox/decide.js';
import type { Sandbox } from '../domain/sandbox/sandbox.js';
import { inSpan, SpanKind } from '@sandlot/service-kit';
import { ActionRefused, type Runtime, type SandboxAction, type SandboxPlace } from '../ports.js';
import { obstacleInNamespace, planSandbox, reportOf } from './plan.js';
import { SandboxMetrics } from './sandbox-metrics.js';
import type { Reconciled } from '@sandlot/consumers';

type KnownNamespace = Exclude<Namespace, { status: 'absent' }>;

/**
 * Brings the runtime to what the log says, one sandbox at a time.
 * Woken by the sandbox's events, the runtime's watch, a timer and boot; every wake-up carries only the id and does the same,
 * so missing, repeated and reordered wake-ups are harmless. Two of these may run at once: the runtime's own preconditions (uid)
 * and the log's expected revision decide who wins, and the loser looks again.
 */
export class SandboxReconciler {
  private readonly metrics = new SandboxMetrics();

  constructor(
    private readonly commands: Commands,
    private readonly runtime: Runtime,
    private readonly clock: Clock = systemClock,
  ) {}

  async reconcile(id: SandboxId): Promise<Reconciled> {
    const { state: sandbox, revision } = await this.commands.load(sandboxDecider, aggregateRef('sandbox', id));
    const found = await this.runtime.find(id);
    await this.report(id, sandbox, revision, reportOf(sandbox, found));

    const now = this.clock.now().getTime();
    const namespace = await this.namespaceOf(sandbox);
    const action = planSandbox(sandbox, found, now, namespace?.name);
    if (action?.do === 'create') {
      const obstacle = await this.obstacle(id, action.place, namespace, revision);
      if (obstacle) return obstacle;
    }
    if (action) return (await this.refused(id, action, revision)) ?? { changed: action.do, againAfterMs: 0 };
    const resting = found.exists && found.startableAt !== undefined && found.startableAt > now;
    return resting ? { againAfterMs: found.startableAt! - now } : {};
  }

  /** Does it. What the runtime refuses becomes the sandbox's state, in the runtime's words. */
  private async refused(id: SandboxId, action: SandboxAction, revision: Revision): Promise<Reconciled | undefined> {
    try {
      await inSpan(`runtime ${action.do}`, SpanKind.CLIENT, () => this.runtime.apply(id, action));
      return undefined;
    } catch (error) {
      if (!(error instanceof ActionRefused)) throw error;
      const { state } = await this.commands.load(sandboxDecider, aggregateRef('sandbox', id));
      await this.report(id, state, revision, { phase: 'failed', reason: error.reason, message: error.message });
      return { againAfterMs: 30_000 };
    }
  }

  /** Where the owner's sandboxes are: a namespace that exists keeps its name, whatever names are made of by now. */
  private async namespaceOf(sandbox: Sandbox): Promise<KnownNamespace | undefined> {
    if (sandbox.status === 'absent') return undefined;
    const { state } = await this.commands.load(namespaceDecider, aggregateRef('namespace', sandbox.owner));
    return state.status === 'absent' ? undefined : state;
  }

  /** A sandbox needs its owner's namespace and what isolates it there, which other reconcilers make: what to do while it is not in place. */
  private async obstacle(
    id: SandboxId,
    { namespace, owner }: SandboxPlace,
    known: KnownNamespace | undefined,
    revision: Revision,
  ): Promise<Reconciled | undefined> {
    const found = await this.runtime.findNamespace(namespace, owner, known?.uid);
    const obstacle = obstacleInNamespace(known ?? { status: 'absent' }, found, this.runtime.concerns);
    if (obstacle === undefined) return undefined;
    if (obstacle === 'wait') {
      const age = this.clock.now().getTime() - millisecondsOf(id);
      return { againAfterMs: age < 5_000 ? 25 : 2_000 };
    }
    const { state } = await this.commands.load(sandboxDecider, aggregateRef('sandbox', id));
    const { reason, message } = obstacle;
    await this.report(id, state, revision, { phase: 'failed', reason, message });
    return { againAfterMs: 5_000 };
  }

  /** Tells the log what the runtime was seen to do. The place in the owner's quota is free in the same moment as the sandbox is gone. */
  private async report(id: SandboxId, sandbox: Sandbox, revision: Revision, seen: Report): Promise<void> {
    if (sandbox.status === 'absent' || decide({ type: 'ReportSandbox', seen }, sandbox).length === 0) return;
    let after = sandbox as Sandbox;
    await this.commands.handle(serviceContext('provisioner', revision, this.clock), async (work) => {
      const reported = await work.load(sandboxDecider, aggregateRef('sandbox', id));
      const ledger = await work.load(ledgerDecider, aggregateRef('ledger', sandbox.owner));
      reported.decide({ type: 'ReportSandbox', seen });
      after = reported.state;
      if (reported.state.status === 'deleted') ledger.decide({ type: 'ReleaseSandbox', sandboxId: id });
    });
    if (after.status !== 'absent') this.metrics.reported(id, sandbox, after, this.clock.now().getTime());
  }
}
