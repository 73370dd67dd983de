import type { Verdict } from '@sandlot/event-store';
import { messageOf } from './stops.js';

export interface LogDamage {
  readonly at: number;
  readonly problem: string;
}

/**
 * Reads the whole log in the background at the start and once a day, for damage that no reader meets because it stands behind all
 * checkpoints. One for the process; every runner is given it and halts on what it finds.
 */
export class LogVerification {
  damage?: LogDamage;
  private timer?: NodeJS.Timeout;
  private running?: Promise<void>;
  private readonly listeners = new Set<() => void>();

  constructor(
    private readonly verify: () => Promise<Verdict>,
    private readonly options: { everyMs?: number; onError?: (message: string) => void } = {},
  ) {}

  start(): void {
    if (this.timer) return;
    this.timer = setInterval(() => void this.run(), this.options.everyMs ?? 24 * 3_600_000);
    this.timer.unref();
    void this.run();
  }

  stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  /** Verifies now; joins a verification that is under way. One that could not be carried out changes nothing. */
  run(): Promise<void> {
    this.running ??= this.confirmed()
      .then(
        (verdict) => {
          const before = this.damage;
          this.damage = verdict.ok ? undefined : { at: verdict.at, problem: verdict.problem };
          if (before || this.damage) for (const listener of this.listeners) listener();
        },
        (error: unknown) => this.options.onError?.(`the log could not be verified: ${messageOf(error)}`),
      )
      .finally(() => (this.running = undefined));
    return this.running;
  }

  /** Damage counts when it is found twice at the same place: to one reading, a server that goes away looks like a missing record. */
  private async confirmed(): Promise<Verdict> {
    const first = await this.verify();
    if (first.ok) return first;
    const second = await this.verify();
    if (second.ok || second.at === first.at) return second;
    throw new Error(`found damage at ${first.at}, then at ${second.at}`);
  }

  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }
}
