import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tempDir, waitFor } from '@sandlot/testing';
import { withLock } from './lock.js';

describe('a lock between processes', () => {
  it('lets one work at a time, and tells the others who does', async () => {
    const file = join(await tempDir(), 'lock');
    const waits: number[] = [];
    let [inside, most, done] = [0, 0, 0];
    const work = () =>
      withLock(
        file,
        (owner) => waits.push(owner),
        async () => {
          most = Math.max(most, ++inside);
          await waitFor(() => waits.length + done >= 2, { describe: 'the others to have met the lock' });
          inside--;
          done++;
        },
      );
    await Promise.all([work(), work(), work()]);
    expect({ most, done }).toEqual({ most: 1, done: 3 });
    expect(new Set(waits)).toEqual(new Set([process.pid]));
  });

  it('takes over from a process that has ended', async () => {
    const file = join(await tempDir(), 'lock');
    await writeFile(file, JSON.stringify({ pid: process.pid, identity: 'of an earlier process with this pid' }));
    expect(
      await withLock(
        file,
        () => undefined,
        async () => 'done',
      ),
    ).toBe('done');
  });

  it('is free again after a failure', async () => {
    const file = join(await tempDir(), 'lock');
    const failing = withLock(
      file,
      () => undefined,
      () => Promise.reject(new Error('broken')),
    );
    await expect(failing).rejects.toThrow('broken');
    expect(
      await withLock(
        file,
        () => undefined,
        async () => 'done',
      ),
    ).toBe('done');
  });
});
