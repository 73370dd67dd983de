import { setTimeout as pause } from 'node:timers/promises';

/** Asks until there is an answer; `undefined` when there was none `withinMs` milliseconds later. */
export async function poll<T>(ask: () => Promise<T | undefined> | T | undefined, withinMs: number, everyMs = 10): Promise<T | undefined> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined || performance.now() > deadline) return answer;
    await pause(everyMs);
  }
}
