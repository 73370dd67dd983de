/** What is to become of an event whose handler failed. */
export type FailurePolicy = { readonly then: 'retry'; readonly afterMs: number } | { readonly then: 'dead'; readonly reason: string };

/** Hand the event to the handler again, not before `afterMs` milliseconds have passed. The events behind it go on meanwhile. */
export const retry = (afterMs: number): FailurePolicy => ({ then: 'retry', afterMs });

/** Give up: the event becomes a dead letter that an operator can list, replay or discard. `reason` is shown to them; nothing secret in it. */
export const dead = (reason: string): FailurePolicy => ({ then: 'dead', reason });

/**
 * How long to wait after the `attempt`th failure (from 1), in ms: doubles from `firstMs` (default 200) to `maxMs` (default 60,000), of
 * which a random half is taken off, so that what failed together does not come back together.
 */
export function backoff(attempt: number, { firstMs = 200, maxMs = 60_000 }: { firstMs?: number; maxMs?: number } = {}): number {
  const ceiling = Math.min(maxMs, firstMs * 2 ** Math.min(Math.max(attempt, 1) - 1, 52));
  return Math.round(ceiling * (0.5 + Math.random() / 2));
}
