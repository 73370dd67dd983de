import type { Pool } from 'pg';
import { keptSince } from './projections/access-log.js';

export interface RetentionOptions {
  pool: Pick<Pool, 'query'>;
  /** Days for which records are kept. */
  recordDays: number;
  /** Days for which it is kept what they add up to. */
  usageDays: number;
  /** Milliseconds between looks. Default an hour. */
  everyMs?: number;
  now?: () => number;
  onDropped(days: number): void;
  onError(error: unknown): void;
}

/** Drops the days that are too old, as partitions: no row is deleted one by one. Several instances do it side by side without harm. */
export class AccessRetention {
  private timer: NodeJS.Timeout | undefined;
  private looking: Promise<void> | undefined;

  constructor(private readonly options: RetentionOptions) {}

  /** The first day of which records are kept. */
  get since(): string {
    return keptSince(this.now(), this.options.recordDays);
  }

  start(): void {
    this.timer = setInterval(() => this.look(), this.options.everyMs ?? 3_600_000).unref();
    this.look();
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.looking;
  }

  async apply(): Promise<number> {
    const { rows } = await this.options.pool.query<{ dropped: number }>('select audit.drop_access_days($1, $2) as dropped', [
      this.since,
      keptSince(this.now(), this.options.usageDays),
    ]);
    return rows[0]!.dropped;
  }

  private look(): void {
    this.looking ??= this.apply()
      .then((dropped) => dropped > 0 && this.options.onDropped(dropped), this.options.onError)
      .then(() => (this.looking = undefined));
  }

  private now(): number {
    return (this.options.now ?? Date.now)();
  }
}
