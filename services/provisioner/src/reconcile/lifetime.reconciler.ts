import { metrics } from '@opentelemetry/api';
import { activityEveryMs, aggregateRef } from '@sandlot/contracts';
import type { Reconciled } from '@sandlot/consumers';
import { serviceContext, type Commands, type Revision } from '@sandlot/event-store';
import { systemClock, unreachable, type Clock, type SandboxId } from '@sandlot/kernel';
import { sandboxDecider, type SandboxCommand } from '../domain/sandbox/decide.js';
import { limitStep } from '../domain/sandbox/limits.js';
import { stateOf, type LiveSandbox } from '../domain/sandbox/sandbox.js';
import { Activity } from './activity.js';
import { Countdown } from './countdown.js';

export interface LifetimeOptions {
  /** How long before its expiry a sandbox is said to be near it, in ms. */
  warnMs: number;
  activity?: Activity;
  countdown?: Countdown;
  clock?: Clock;
}

/**
 * Ends sandboxes whose time is over, says so before, and pauses or ends those that nobody uses. It never looks at the runtime: what follows
 * from the log is the others' to do, and an expiry must not wait behind a slow start.
 * The timers are the loop's, set anew from the log at every look. Several of these may run at once: each command names what its timer was
 * set for, so the second one finds that it is already so.
 */
export class LifetimeReconciler {
  private readonly activity: Activity;
  private readonly countdown: Countdown;
  private readonly clock: Clock;
  private readonly lateness = metrics.getMeter('sandlot').createHistogram('sandlot_sandbox_expiry_lateness_seconds', {
    unit: 's',
    description: 'How long after its time a sandbox was told that it is over',
    advice: { explicitBucketBoundaries: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 30, 300] },
  });

  constructor(
    private readonly commands: Commands,
    private readonly options: LifetimeOptions,
  ) {
    this.activity = options.activity ?? new Activity();
    this.clock = options.clock ?? systemClock;
    this.countdown = options.countdown ?? new Countdown(this.clock);
  }

  async reconcile(id: SandboxId): Promise<Reconciled> {
    const { state: sandbox, revision } = await this.commands.load(sandboxDecider, aggregateRef('sandbox', id));
    const live = sandbox.status === 'live' ? sandbox : undefined;
    const untilExpiry = this.untilExpiry(id, live);
    const idle = this.idleFor(id, live);
    if (!live) return {};
    const step = limitStep(live, { untilExpiry, idle }, { warnMs: this.options.warnMs, idleGraceMs: 2 * activityEveryMs });
    switch (step.do) {
      case 'nothing':
        return {};
      case 'wait':
        return { againAfterMs: step.ms };
      case 'warn':
        return this.give(id, revision, 'warned', { type: 'WarnOfExpiry', expiresAt: live.expiry!.expiresAt });
      case 'expire':
        this.lateness.record(Math.max(0, -untilExpiry!) / 1_000);
        return this.give(id, revision, 'expired', { type: 'ExpireSandbox', expiresAt: live.expiry!.expiresAt });
      case 'end-idle':
        return this.give(id, revision, 'idle', { type: 'EndIdleSandbox', idleSince: this.before(idle!) });
      default:
        return unreachable(step);
    }
  }

  private untilExpiry(id: SandboxId, live: LiveSandbox | undefined): number | undefined {
    if (live?.expiry) return this.countdown.until(id, live.expiry.expiresAt);
    this.countdown.forget(id);
    return undefined;
  }

  /** Of one that does not run nobody can ask anything; when it runs again, its idle time begins anew. */
  private idleFor(id: SandboxId, live: LiveSandbox | undefined): number | undefined {
    if (live?.idle && stateOf(live) === 'running') return this.activity.idleFor(id);
    this.activity.forget(id);
    return undefined;
  }

  /** Only on what was looked at: somebody who has just resumed it must not find it paused again for an older idleness. */
  private async give(id: SandboxId, seen: Revision, changed: string, command: SandboxCommand): Promise<Reconciled> {
    await this.commands.handle(serviceContext('provisioner', seen, this.clock), async (work) => {
      const sandbox = await work.load(sandboxDecider, aggregateRef('sandbox', id));
      if (sandbox.revision.version === seen.version) sandbox.decide(command);
    });
    return { changed, againAfterMs: 0 };
  }

  private before(ms: number): string {
    return new Date(this.clock.now().getTime() - ms).toISOString();
  }
}
