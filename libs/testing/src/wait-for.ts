import { inspect } from 'node:util';
import { setTimeout as pause } from 'node:timers/promises';

export interface WaitOptions {
  /** How long at most, in ms. Default 30 s. */
  within?: number;
  /** What is waited for, for the message: `the sandbox runs`. */
  describe?: string;
  /** Pause between two looks, in ms. Default 20. */
  every?: number;
}

/**
 * Looks until what it sees is truthy, and returns that. A look that throws counts as not yet. When the time is over, throws with the last
 * that was seen. To report more than `false`, look with one function and judge with another: `waitFor(read, { ... }, (row) => row.done)`.
 */
export async function waitFor<T>(
  look: () => Promise<T> | T,
  { within = 30_000, describe = 'the expected state', every = 20 }: WaitOptions = {},
  accept: (seen: Awaited<T>) => boolean = Boolean,
): Promise<NonNullable<Awaited<T>>> {
  const deadline = performance.now() + within;
  let last = 'nothing yet: the first look did not return';
  for (;;) {
    const seen = await Promise.race([attempt(look), expiry(deadline)]);
    if (seen !== undefined) {
      if ('value' in seen && accept(seen.value)) return seen.value as NonNullable<Awaited<T>>;
      last = 'value' in seen ? inspect(seen.value, { depth: 6 }) : `an error: ${inspect(seen.error)}`;
    }
    if (performance.now() > deadline) throw new Error(`waited ${within} ms for ${describe}; last seen: ${last}`);
    await pause(every);
  }
}

async function attempt<T>(look: () => Promise<T> | T): Promise<{ value: Awaited<T> } | { error: unknown }> {
  try {
    return { value: await look() };
  } catch (error) {
    return { error };
  }
}

/** A look that hangs must not outlast the deadline. */
async function expiry(deadline: number): Promise<undefined> {
  await pause(Math.max(0, deadline - performance.now()) + 1, undefined, { ref: false });
}
