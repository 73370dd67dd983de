import { PassThrough } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Pump } from './output.js';

/** A pump whose receiver takes one chunk each time that `take` is called. */
function givenSlowReceiver() {
  const stream = new PassThrough();
  const taken: string[] = [];
  let take = (): void => undefined;
  const pump = new Pump(stream, (chunk) => {
    taken.push(String(chunk));
    return new Promise<void>((resolve) => (take = resolve));
  });
  return { stream, taken, pump, take: () => take() };
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await nextTurn();
}

describe('a pump', () => {
  it('hands on no faster than it is taken, and is drained when all has been taken', async () => {
    const { stream, taken, pump, take } = givenSlowReceiver();
    for (const text of ['one', 'two', 'three']) stream.write(text);
    let drained = false;
    const done = pump.drained().then(() => (drained = true));
    for (const expected of [['one'], ['one', 'two'], ['one', 'two', 'three']]) {
      await turns(10);
      expect(taken).toEqual(expected);
      expect(drained).toBe(false);
      take();
    }
    await done;
  });

  it('is drained without an end of its stream, which a background process may hold open', async () => {
    const stream = new PassThrough();
    const taken: string[] = [];
    const pump = new Pump(stream, (chunk) => void taken.push(String(chunk)));
    stream.write('last words');
    await pump.drained();
    expect(taken).toEqual(['last words']);
  });

  it('throws away what comes after it was told to', async () => {
    const { stream, taken, pump, take } = givenSlowReceiver();
    stream.write('wanted');
    await turns(3);
    pump.discard();
    take();
    stream.write('unwanted');
    await turns(10);
    expect(taken).toEqual(['wanted']);
    expect(stream.readableLength).toBe(0);
  });
});
