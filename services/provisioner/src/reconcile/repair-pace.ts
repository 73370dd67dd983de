const atOnce = 5;
const withinMs = 60_000;
const thenEveryMs = 10_000;

/** Keeps a fight with somebody who undoes every repair from filling the log: after a few in a minute, one in a while. */
export class RepairPace {
  private readonly repairs = new Map<string, number[]>();

  /** How long to wait before the next repair of this one, in ms; 0 when it may be done, and is counted. */
  next(id: string, now: number): number {
    const lately = (this.repairs.get(id) ?? []).filter((at) => at > now - withinMs);
    const last = lately.at(-1);
    const wait = lately.length < atOnce || last === undefined ? 0 : Math.max(0, last + thenEveryMs - now);
    if (wait === 0) lately.push(now);
    this.repairs.set(id, lately);
    if (this.repairs.size > 10_000) this.repairs.clear(); // of long ago
    return wait;
  }
}
