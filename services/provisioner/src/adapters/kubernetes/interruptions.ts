import type { SandboxId } from '@sandlot/kernel';
import { troubleOf, type Diagnosis } from './diagnosis.js';
import { conditionOf, hasEnded, isReady, type Pod } from './pod.js';

/** Two clocks are never the same. */
const skewMs = 2_000;

/**
 * Why the last pod of each sandbox ended: it may be gone, with all that it could have told, before anybody looks. And since when a warning
 * can be about the next one. In memory: who has not seen the end says only that the pod is gone.
 */
export class Interruptions {
  private readonly last = new Map<SandboxId, Diagnosis>();
  private readonly noPodSince = new Map<SandboxId, number>();

  lastOf(sandboxId: SandboxId): Diagnosis | undefined {
    return this.last.get(sandboxId);
  }

  /** In ms since 1970. */
  since(sandboxId: SandboxId): number {
    return (this.noPodSince.get(sandboxId) ?? 0) - skewMs;
  }

  startedAt(sandboxId: SandboxId, now: number): void {
    this.last.delete(sandboxId);
    this.noPodSince.set(sandboxId, now);
  }

  podChanged(sandboxId: SandboxId, pod: Pod, event: 'present' | 'gone', now: number): void {
    this.noPodSince.set(sandboxId, now);
    if (isReady(pod) && event === 'present') this.last.delete(sandboxId);
    else if (hasEnded(pod) || conditionOf(pod, 'DisruptionTarget')?.status === 'True') this.remember(sandboxId, pod);
  }

  forget(sandboxId: SandboxId): void {
    this.last.delete(sandboxId);
    this.noPodSince.delete(sandboxId);
  }

  private remember(sandboxId: SandboxId, pod: Pod): void {
    const trouble = troubleOf({ complaint: undefined, pod, claims: [], warnings: [], workload: '' });
    if (trouble.failed) this.last.set(sandboxId, { reason: trouble.reason, message: trouble.message });
  }
}
