import { systemClock, type Clock } from '@sandlot/kernel';

/**
 * How long it is until moments that the log names. The time of day is asked once for each; from then on it is counted on a clock that
 * nobody sets, so that a step of the time of day neither ends a sandbox early nor keeps it.
 */
export class Countdown {
  private readonly ends = new Map<string, { moment: string; at: number }>();

  /** @param elapsed ms on a clock that only goes forward */
  constructor(
    private readonly clock: Clock = systemClock,
    private readonly elapsed: () => number = () => performance.now(),
  ) {}

  /** In ms, negative when it is over. */
  until(id: string, moment: string): number {
    const known = this.ends.get(id);
    if (known?.moment === moment) return known.at - this.elapsed();
    const left = Date.parse(moment) - this.clock.now().getTime();
    this.ends.set(id, { moment, at: this.elapsed() + left });
    return left;
  }

  forget(id: string): void {
    this.ends.delete(id);
  }
}
