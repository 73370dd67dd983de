import { ApplyQueue } from './apply-queue.js';

describe('a queue of items to apply', () => {
  const batches: number[][] = [];
  const queue = ({ apply = () => Promise.resolve(), apartMs = 0 }: { apply?: () => Promise<void>; apartMs?: number } = {}) => {
    const keep = (batch: readonly number[]) => {
      batches.push([...batch]);
      return apply();
    };
    return new ApplyQueue<number>(3, keep, () => undefined, apartMs);
  };
  const turn = () => new Promise((resolve) => setImmediate(resolve));

  beforeEach(() => batches.splice(0));

  it('hands on what has come together as one batch', async () => {
    const items = queue();
    items.add(1);
    items.add(2);
    await items.drained();
    expect(batches).toEqual([[1, 2]]);
  });

  it('gathers what comes shortly after a batch, and waits for no more when the next is full', async () => {
    const items = queue({ apartMs: 60_000 });
    items.add(1);
    await items.drained();
    items.add(2);
    await turn();
    await turn();
    expect(batches).toEqual([[1]]);
    items.add(3);
    items.add(4);
    await turn();
    expect(batches).toEqual([[1], [2, 3, 4]]);
  });

  it('tells whoever drains it why a batch could not be applied, and takes nothing more', async () => {
    const items = queue({ apply: () => Promise.reject(new Error('broken')) });
    items.add(1);
    await expect(items.drained()).rejects.toThrow('broken');
    items.add(2);
    await expect(items.drained()).rejects.toThrow('broken');
    expect(batches).toEqual([[1]]);
  });
});
