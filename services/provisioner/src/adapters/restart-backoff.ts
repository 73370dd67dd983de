export interface Backoff {
  /** After the first failure, in ms; doubled with every further one. Default 1 s. */
  firstMs?: number;
  /** Never longer than this, in ms. Default 60 s. */
  maxMs?: number;
  /** Who has answered for this long, in ms, starts afresh at the first step. Default 60 s. */
  healthyMs?: number;
}

/** When something that fails may be started again. One per sandbox, in memory: a new process of ours gives everybody a new chance. */
export class RestartBackoff {
  private readonly firstMs: number;
  private readonly maxMs: number;
  private readonly healthyMs: number;
  private failures = 0;

  constructor({ firstMs = 1_000, maxMs = 60_000, healthyMs = 60_000 }: Backoff = {}) {
    this.firstMs = firstMs;
    this.maxMs = maxMs;
    this.healthyMs = healthyMs;
  }

  /** Counts a failure and returns the pause before the next start, in ms. */
  failed(healthyForMs: number): number {
    if (healthyForMs >= this.healthyMs) this.failures = 0;
    this.failures += 1;
    return Math.min(this.maxMs, this.firstMs * 2 ** Math.min(this.failures - 1, 30));
  }
}
