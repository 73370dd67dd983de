const pending: (() => Promise<unknown> | unknown)[] = [];

/** Does this when the test file is through, after its own `afterAll`; what was registered last is done first. */
export function atEnd(undo: () => Promise<unknown> | unknown): void {
  pending.push(undo);
}

/** For programs without jest. A failing step does not keep the others from being done. */
export async function cleanUp(): Promise<void> {
  const failures: unknown[] = [];
  for (let undo = pending.pop(); undo !== undefined; undo = pending.pop()) {
    try {
      await undo();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length > 0) throw new AggregateError(failures, 'the test file left something behind');
}

// jest runs hooks of one level in the order of their registration and takes none once tests run. This module is evaluated before the test
// file that imports it: by the next microtask that one has registered its own hooks, which must find its servers alive.
if (typeof afterAll === 'function') queueMicrotask(() => afterAll(cleanUp, 60_000));
