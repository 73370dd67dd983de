import { setTimeout as pause } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { runTwice, waitFor } from '@sandlot/testing';
import { ReconcileLoop, type Reconciled, type ReconcileLoopOptions } from './index.js';

const loops: ReconcileLoop[] = [];
const none = async function* () {};

function loopOf(options: Partial<ReconcileLoopOptions>): ReconcileLoop {
  const defaults = { name: 'thing', concurrency: 4, everyMs: 60_000, all: none, onError: () => 60_000, reconcile: async () => undefined };
  const loop = new ReconcileLoop({ ...defaults, ...options });
  loops.push(loop);
  loop.start();
  return loop;
}

/** A reconciler whose runs end when the test says so. */
function byHand() {
  const runs: { id: string; end: (result?: Reconciled) => void; fail: (error: Error) => void; signal: AbortSignal }[] = [];
  const reconcile = (id: string, signal: AbortSignal) =>
    new Promise<void | Reconciled>((end, fail) => runs.push({ id, end, fail, signal }));
  return { runs, reconcile };
}

async function fails(promise: Promise<unknown>): Promise<string> {
  return promise.then(() => 'succeeded', (error: Error) => error.message); // prettier-ignore
}

describe('a reconcile loop', () => {
  beforeAll(() => Logger.overrideLogger(false));
  afterEach(() => Promise.all(loops.splice(0).map((loop) => loop.stop({ graceMs: 0 }))));

  it('makes one run of the wake-ups that come before it begins', async () => {
    const { runs, reconcile } = byHand();
    const loop = loopOf({ reconcile, concurrency: 1 });
    const busy = loop.wake('busy');
    const wakes = [loop.wake('a'), loop.wake('a'), loop.wake('a')];
    runs[0]!.end();
    await busy;
    await waitFor(() => runs.length === 2);
    runs[1]!.end();
    await Promise.all(wakes);
    expect(runs.map(({ id }) => id)).toEqual(['busy', 'a']);
  });

  it('answers a wake-up during a run by another run after it, and only then', async () => {
    const { runs, reconcile } = byHand();
    const loop = loopOf({ reconcile });
    const first = loop.wake('a');
    let secondDone = false;
    const second = loop.wake('a').then(() => (secondDone = true));
    const third = loop.wake('a');
    expect(runs).toHaveLength(1);
    runs[0]!.end();
    await first;
    await waitFor(() => runs.length === 2);
    expect(secondDone).toBe(false);
    runs[1]!.end();
    await Promise.all([second, third]);
    expect(runs).toHaveLength(2);
  });

  it('never runs one id twice at once, and runs others beside it up to its concurrency', async () => {
    const atWork = new Map<string, number>();
    let overlaps = 0;
    let most = 0;
    const loop = loopOf({
      concurrency: 3,
      reconcile: async (id) => {
        atWork.set(id, (atWork.get(id) ?? 0) + 1);
        if (atWork.get(id)! > 1) overlaps += 1;
        most = Math.max(most, [...atWork.values()].reduce((sum, count) => sum + count, 0)); // prettier-ignore
        await pause(1);
        atWork.set(id, atWork.get(id)! - 1);
      },
    });
    const wakes: Promise<void>[] = [];
    for (let i = 0; i < 300; i += 1) {
      wakes.push(loop.wake(`id-${i % 7}`));
      if (i % 10 === 0) await pause(1);
    }
    await Promise.all(wakes);
    expect({ overlaps, most }).toEqual({ overlaps: 0, most: 3 });
  });

  it('counts a run that a run has woken', async () => {
    let most = 0;
    let active = 0;
    const loop: ReconcileLoop = loopOf({
      concurrency: 1,
      reconcile: async (id) => {
        active += 1;
        most = Math.max(most, active);
        if (id === 'parent') void loop.wake('child');
        await pause(1);
        active -= 1;
      },
    });
    await loop.wake('parent');
    await loop.wake('child');
    expect(most).toBe(1);
  });

  it('tells who waits that the run failed, and tries again by itself until it succeeds', async () => {
    const attempts: number[] = [];
    let runs = 0;
    const loop = loopOf({
      reconcile: async () => {
        runs += 1;
        if (runs <= 3) throw new Error(`no ${runs}`);
      },
      onError: (_error, _id, attempt) => {
        attempts.push(attempt);
        return 1;
      },
    });
    expect(await fails(loop.wake('a'))).toBe('no 1');
    await waitFor(() => runs === 4);
    expect(attempts).toEqual([1, 2, 3]);
  });

  it('counts failures from 1 again after a success', async () => {
    const attempts: number[] = [];
    let runs = 0;
    const loop = loopOf({
      reconcile: async () => {
        runs += 1;
        if (runs !== 3) throw new Error('no');
        return { againAfterMs: 1 };
      },
      onError: (_error, _id, attempt) => {
        attempts.push(attempt);
        return runs < 4 ? 1 : 60_000;
      },
    });
    await fails(loop.wake('a'));
    await waitFor(() => attempts.length === 3);
    expect(attempts).toEqual([1, 2, 1]);
  });

  it('lets a wake-up take the place of the retry that was due later', async () => {
    let runs = 0;
    const loop = loopOf({
      reconcile: async () => {
        runs += 1;
        if (runs < 3) throw new Error('no');
      },
      onError: () => 30,
    });
    await fails(loop.wake('a'));
    await fails(loop.wake('a')); // at once, though the retry is not due
    await waitFor(() => runs === 3);
    await loop.wake('b');
    await pause(80); // would show a second timer
    expect(runs).toBe(4);
  });

  it('looks again after the time that a run asked for', async () => {
    let runs = 0;
    const loop = loopOf({
      reconcile: async () => {
        runs += 1;
        return runs < 3 ? { againAfterMs: 5 } : undefined;
      },
    });
    await loop.wake('a');
    await waitFor(() => runs === 3);
  });

  it('does not mistake a far future for now', async () => {
    let runs = 0;
    const loop = loopOf({ reconcile: async () => ({ againAfterMs: 40 * 24 * 3600_000 * (runs += 1) }) });
    await loop.wake('a');
    await pause(30);
    expect(runs).toBe(1);
  });

  it('S0-30 reports what a full pass changed and what failed', async () => {
    const wrong = new Set(['wrong']);
    const loop = loopOf({
      all: async function* () {
        yield* ['right', 'wrong', 'broken'];
      },
      reconcile: async (id) => {
        if (id === 'broken') throw new Error('the runtime says no');
        return wrong.delete(id) ? { changed: 'started it' } : undefined;
      },
    });
    expect(await loop.wakeAll()).toEqual({
      reconciled: 2,
      changed: [{ id: 'wrong', what: 'started it' }],
      failed: [{ id: 'broken', error: 'the runtime says no' }],
    });
  });

  it('S0-30 reports what an event’s wake-up changed during the pass, before its own turn came', async () => {
    let right = false;
    const loop: ReconcileLoop = loopOf({
      all: async function* () {
        await loop.wake('wrong');
        yield 'wrong';
      },
      reconcile: async () => {
        const changed = right ? {} : { changed: 'started it' };
        right = true;
        return changed;
      },
    });
    expect(await loop.wakeAll()).toEqual({ reconciled: 1, changed: [{ id: 'wrong', what: 'started it' }], failed: [] });
  });

  it('begins with a full pass, makes another every so often, and goes on after one that could not list', async () => {
    let listed = 0;
    const seen: string[] = [];
    loopOf({
      everyMs: 5,
      all: async function* () {
        listed += 1;
        if (listed === 2) throw new Error('no log');
        yield `pass-${listed}`;
      },
      reconcile: async (id) => void seen.push(id),
    });
    await waitFor(() => seen.length >= 3);
    expect(seen.slice(0, 3)).toEqual(['pass-1', 'pass-3', 'pass-4']);
  });

  it('lets other wake-ups through while a long full pass is under way', async () => {
    let passed = 0;
    const loop = loopOf({
      concurrency: 2,
      all: async function* () {
        for (; passed < 1_000; passed += 1) yield `all-${passed}`;
      },
      reconcile: () => pause(2),
    });
    await waitFor(() => passed > 3);
    await loop.wake('urgent');
    expect(passed).toBeLessThan(1_000);
  });

  it('keeps nothing of ids that are done with', async () => {
    const loop = loopOf({});
    await Promise.all(Array.from({ length: 1_000 }, (_, i) => loop.wake(`id-${i}`)));
    await waitFor(() => (loop as unknown as { entries: Map<string, unknown> }).entries.size === 0);
  });

  it('comes to the same end when events reach it twice and out of order', async () => {
    const log = new Map<string, number>();
    const world = new Map<string, number>();
    const loop = loopOf({
      reconcile: async (id) => {
        const wanted = log.get(id)!;
        await pause(1);
        world.set(id, wanted);
      },
    });
    const ids = ['a', 'b', 'c', 'd'];
    const deliveries: string[] = [];
    for (let version = 1; version <= 5; version += 1)
      for (const id of ids) {
        log.set(id, version);
        deliveries.push(id, id);
      }
    deliveries.reverse();
    await runTwice(
      () => Promise.all(deliveries.map((id) => loop.wake(id))),
      undefined,
      () => expect(world).toEqual(log),
    );
    expect(world).toEqual(log);
  });

  it('stops: lets running ones finish, begins nothing, and tells who waits', async () => {
    const { runs, reconcile } = byHand();
    const loop = loopOf({ reconcile, concurrency: 1 });
    const running = loop.wake('running');
    const waiting = fails(loop.wake('waiting'));
    const stop = loop.stop({ graceMs: 5_000 });
    expect(await waiting).toContain('stopping');
    expect(runs[0]!.signal.aborted).toBe(false);
    runs[0]!.end({ againAfterMs: 1 });
    await Promise.all([running, stop]);
    expect(await fails(loop.wake('late'))).toContain('stopping');
    await pause(20);
    expect(runs).toHaveLength(1);
  });

  it('aborts the signal of what outlasts the grace', async () => {
    const loop = loopOf({
      reconcile: (_id, signal) => new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('aborted')))),
    });
    const wake = fails(loop.wake('a'));
    await loop.stop({ graceMs: 5 });
    expect(await wake).toBe('aborted');
  });
});
