import { metrics } from '@opentelemetry/api';
import { millisecondsOf, type SandboxId } from '@sandlot/kernel';
import { stateOf, type KnownSandbox } from '../domain/sandbox/sandbox.js';

const meter = () => metrics.getMeter('@sandlot/provisioner');

/** What becomes of sandboxes in the runtime, as their reconciler reports it. Made with the reconciler, after telemetry has started. */
export class SandboxMetrics {
  private readonly created = meter().createHistogram('sandlot_sandbox_create_duration_seconds', {
    unit: 's',
    description: 'From the request for a sandbox until it first ran, or first failed',
    advice: { explicitBucketBoundaries: [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600] },
  });
  private readonly transitions = meter().createCounter('sandlot_sandbox_transitions_total', {
    description: 'Changes of state that the runtime has brought about, with the code of the reason where it failed',
  });
  private readonly lifetimes = meter().createHistogram('sandlot_sandbox_lifetime_seconds', {
    unit: 's',
    description: 'From the request for a sandbox until it was gone',
    advice: { explicitBucketBoundaries: [60, 300, 900, 3_600, 14_400, 86_400, 604_800, 2_592_000] },
  });

  reported(id: SandboxId, before: KnownSandbox, after: KnownSandbox, now: number): void {
    const [from, to] = [stateOf(before), stateOf(after)];
    if (from === to) return;
    const seen = after.status === 'live' ? after.seen : undefined;
    this.transitions.add(1, { from, to, reason: seen?.phase === 'failed' ? seen.reason : '' });
    const seconds = Math.max(0, now - millisecondsOf(id)) / 1_000;
    if (to === 'deleted') this.lifetimes.record(seconds);
    // It was looked for in vain before, where it had not been made: that is still its first start.
    if (from === 'starting' && (to === 'running' || to === 'failed')) this.created.record(seconds, { start: 'cold', outcome: to });
  }
}
