import { Slots, Turns } from './turns.js';

/** Work that ends when told to, and notes when it starts and ends. */
function controlled(notes: string[], name: string) {
  let end = (_error?: Error): void => undefined;
  const work = () =>
    new Promise<void>((resolve, reject) => {
      notes.push(`${name} starts`);
      end = (error) => {
        notes.push(`${name} ends`);
        if (error) reject(error);
        else resolve();
      };
    });
  return { work, end: (error?: Error) => end(error) };
}
const soon = () => new Promise((resolve) => setImmediate(resolve));

describe('turns', () => {
  it('come one after the other for one key, and at once for two', async () => {
    const notes: string[] = [];
    const turns = new Turns();
    const [a1, a2, b] = ['a1', 'a2', 'b'].map((name) => controlled(notes, name)) as [
      ReturnType<typeof controlled>,
      ...ReturnType<typeof controlled>[],
    ];
    const all = [turns.take('a', a1.work), turns.take('a', a2!.work), turns.take('b', b!.work)];
    await soon();
    expect(notes).toEqual(['a1 starts', 'b starts']);
    a1.end();
    await soon();
    expect(notes.slice(2)).toEqual(['a1 ends', 'a2 starts']);
    a2!.end();
    b!.end();
    await Promise.all(all);
  });

  it('go on after one that failed, whose error only its own caller gets', async () => {
    const turns = new Turns();
    const failing = turns.take('a', () => Promise.reject(new Error('no')));
    const next = turns.take('a', async () => 'next');
    await expect(failing).rejects.toThrow('no');
    expect(await next).toBe('next');
    await turns.allDone();
  });
});

describe('slots', () => {
  it('let so many in at once, and the next when one is given back, once', async () => {
    const slots = new Slots(2);
    const first = await slots.take();
    await slots.take();
    const entered: string[] = [];
    void slots.take().then(() => entered.push('third'));
    void slots.take().then(() => entered.push('fourth'));
    await soon();
    expect(entered).toEqual([]);
    first();
    first();
    await soon();
    expect(entered).toEqual(['third']);
  });
});
