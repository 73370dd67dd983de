import { activityEveryMs, type ActivityReport } from '@sandlot/contracts';

/** Without a word for so long, what a proxy passes on is not known. In ms. */
const silenceMs = 3 * activityEveryMs;
/** A proxy that has said nothing for so long is no more. In ms. */
const lostMs = 10 * 60_000;

/**
 * For how long running sandboxes have not been used, as the proxies tell it. Whatever is not known counts as use: a sandbox that this
 * process has only just begun to watch, and the time in which a proxy, or all of them, were not heard, for they go on without us. So
 * nothing is taken for idle too early, be it after a restart or with NATS away; and since only durations count, nobody's clock matters.
 */
export class Activity {
  private readonly usedAt = new Map<string, number>();
  private readonly heardAt = new Map<string, number>();

  /** @param elapsed ms on a clock that only goes forward */
  constructor(private readonly elapsed: () => number = () => performance.now()) {}

  /** A proxy has reported. Sandboxes that are not watched are passed over. */
  heard({ proxy, used, leaving }: ActivityReport): void {
    const now = this.endSilence();
    if (leaving) this.heardAt.delete(proxy);
    else this.heardAt.set(proxy, now);
    for (const id of used) if (this.usedAt.has(id)) this.usedAt.set(id, now);
  }

  /** In ms. The first time that it is asked for, it begins to watch. */
  idleFor(id: string): number {
    const now = this.endSilence();
    const usedAt = this.usedAt.get(id);
    if (usedAt !== undefined) return now - usedAt;
    this.usedAt.set(id, now);
    return 0;
  }

  forget(id: string): void {
    this.usedAt.delete(id);
  }

  private endSilence(): number {
    const now = this.elapsed();
    let silence = this.heardAt.size === 0;
    for (const [proxy, at] of this.heardAt) {
      if (now - at > silenceMs) silence = true;
      if (now - at > lostMs) this.heardAt.delete(proxy);
    }
    if (silence) for (const id of this.usedAt.keys()) this.usedAt.set(id, now);
    return now;
  }
}
