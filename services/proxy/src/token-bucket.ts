/** Seconds of its rate that a bucket holds: what may come at once after a pause. */
export const BURST_SECONDS = 2;

/**
 * So many per second over time, and twice as many at once after a pause. Times are of performance.now(), in milliseconds. The tokens may
 * be fewer than none: when others have taken them, what was taken too much is waited for.
 */
export class TokenBucket {
  rate = 0;
  /** What may begin now. */
  tokens = 0;
  /** Taken here, and not told to others yet. */
  untold = 0;
  /** As RateLimit-Policy has it (draft-ietf-httpapi-ratelimit-headers). */
  policy = '';
  private capacity = 0;
  private at = 0;

  /**
   * @param name of the policy
   * @param id under which all proxies know it
   */
  constructor(
    readonly name: string,
    readonly id: string,
  ) {}

  /** Another rate, from now on. A bucket is full at first. */
  limitTo(rate: number, now: number): void {
    if (rate === this.rate) return;
    const capacity = rate * BURST_SECONDS;
    this.tokens = this.rate === 0 ? capacity : Math.min(capacity, this.tokens);
    this.rate = rate;
    this.capacity = capacity;
    this.at = now;
    this.policy = `"${this.name}";q=${capacity};w=${BURST_SECONDS}`;
  }

  fill(now: number): void {
    this.tokens = Math.min(this.capacity, this.tokens + ((now - this.at) * this.rate) / 1000);
    this.at = now;
  }

  /** Takes away what passed elsewhere; never more than a bucketful is owed. */
  spend(count: number, now: number): void {
    this.fill(now);
    this.tokens = Math.max(-this.capacity, this.tokens - count);
  }

  /** Whole seconds until one is there. */
  get secondsToNext(): number {
    return Math.max(1, Math.ceil((1 - this.tokens) / this.rate));
  }

  /** As RateLimit has it. */
  get state(): string {
    const left = this.tokens < 1 ? 0 : Math.floor(this.tokens);
    return `"${this.name}";r=${left};t=${left > 0 ? 1 : this.secondsToNext}`;
  }
}
