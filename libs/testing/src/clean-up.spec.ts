import { access } from 'node:fs/promises';
import { atEnd, cleanUp, tempDir } from './index.js';

const order: string[] = [];
let dir: string;

describe('what a test file started', () => {
  it('is undone from the last to the first, whatever fails on the way', async () => {
    const undone: number[] = [];
    atEnd(() => undone.push(1));
    atEnd(() => Promise.reject(new Error('stuck')));
    atEnd(() => undone.push(3));
    await expect(cleanUp()).rejects.toThrow('left something behind');
    expect(undone).toEqual([3, 1]);
  });

  it('has folders that are there until the end', async () => {
    dir = await tempDir();
    atEnd(() => order.push('clean-up'));
    await access(dir);
  });
});

// Registered by the test file itself, so it must come before the library's own.
afterAll(async () => {
  expect(order).toEqual([]);
  await access(dir);
});
