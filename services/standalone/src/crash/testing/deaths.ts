import { waitFor } from '@sandlot/testing';
import type { CrashPoint } from '@sandlot/kernel';
import type { Platform } from '../../testing/platform.js';
import type { Random } from './random.js';

/** Which points each process passes. */
export const pointsOf: Readonly<Record<string, readonly CrashPoint[]>> = {
  auth: [
    'append.before-publish',
    'append.after-publish',
    'projection.before-commit',
    'projection.after-commit',
    'consumer.before-ack',
    'kv.after-put',
  ],
  audit: ['projection.before-commit', 'projection.after-commit'],
  provisioner: [
    'append.before-publish',
    'append.after-publish',
    'projection.before-commit',
    'projection.after-commit',
    'consumer.before-ack',
    'runtime.after-apply',
    'kv.after-put',
  ],
};

/** The pass at which a process dies is drawn up to this, so that some die while they start and some in full work. */
const latestPass = 30;
const diesWithinMs = 10_000;

/**
 * Lets processes kill themselves at the named points, again and again, until each point has had as many deaths as wanted; whoever has died
 * is started again at once, armed for the point that lags behind most.
 */
export class Deaths {
  readonly counts = new Map<CrashPoint, number>();
  /** How often one that was armed had to be killed by us, because it did not pass its point. */
  survived = 0;

  constructor(
    private readonly platform: Platform,
    private readonly wanted: number,
    private readonly random: Random,
  ) {}

  get total(): number {
    return [...this.counts.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Leaves the processes dead. */
  async inflict(processes: Readonly<Record<string, readonly CrashPoint[]>>): Promise<void> {
    for (const point of new Set(Object.values(processes).flat())) this.counts.set(point, 0);
    await Promise.all(Object.entries(processes).map(([name, points]) => this.inflictOn(name, points, this.random.fork())));
  }

  private async inflictOn(name: string, points: readonly CrashPoint[], random: Random): Promise<void> {
    await this.platform.kill(name);
    for (let next = this.rarest(points); next; next = this.rarest(points)) {
      const pass = random.between(1, latestPass);
      const ready = await this.platform.restart(name, { SANDLOT_CRASH_AT: `${next}:${pass}` }).then(
        () => true,
        () => false,
      );
      if (ready && !(await this.dies(name))) {
        this.survived += 1;
        await this.platform.kill(name);
      } else this.counts.set(next, this.counts.get(next)! + 1);
    }
  }

  private rarest(points: readonly CrashPoint[]): CrashPoint | undefined {
    const lacking = points.filter((point) => this.counts.get(point)! < this.wanted);
    return lacking.sort((one, other) => this.counts.get(one)! - this.counts.get(other)!)[0];
  }

  private async dies(name: string): Promise<boolean> {
    const dead = async () => !(await this.platform.pids())[name];
    return waitFor(dead, { within: diesWithinMs }).then(
      () => true,
      () => false,
    );
  }
}
