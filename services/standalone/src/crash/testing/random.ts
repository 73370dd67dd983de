import { randomInt } from 'node:crypto';

/** Pseudo-random numbers (mulberry32): the same seed gives the same choices. */
export class Random {
  constructor(private state: number) {}

  /** From 0 up to 1. */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number, both ends included. */
  between(least: number, most: number): number {
    return least + Math.floor(this.next() * (most - least + 1));
  }

  pick<Item>(items: readonly Item[]): Item | undefined {
    return items[Math.floor(this.next() * items.length)];
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  hex(digits: number): string {
    return Array.from({ length: digits }, () => Math.floor(this.next() * 16).toString(16)).join('');
  }

  /** One of its own for each who draws at his own pace. */
  fork(): Random {
    return new Random(Math.floor(this.next() * 2 ** 32));
  }
}

/** Of this run: SEED, else a new one; printed, because every failure is to be repeated with it. */
export function seedOfRun(): number {
  const seed = process.env['SEED'] ? Number(process.env['SEED']) : randomInt(2 ** 31);
  process.stderr.write(`SEED=${seed}\n`);
  return seed;
}

/** How much longer a run is than in CI: CRASH_ROUNDS, default 1. */
export const rounds = Math.max(1, Number(process.env['CRASH_ROUNDS'] ?? 1));
