import { newId } from '@sandlot/kernel';
import { tempDir } from '@sandlot/testing';
import { SandboxFolders } from './process-folders.js';

describe('the folder of a namespace', () => {
  it('is never taken for somebody else’s while it is being made', async () => {
    const folders = new SandboxFolders(await tempDir());
    const seen = new Set<string>();
    for (let round = 0; round < 150; round += 1) {
      const name = `user-${'abcdefghij'[round % 10]}${round}`;
      let made = false;
      const look = async (): Promise<void> => {
        while (!made) {
          const found = await folders.namespace(name);
          seen.add(typeof found === 'object' ? 'ours' : String(found));
        }
      };
      const making = folders.createNamespace(name, newId('usr'), 'alice').finally(() => (made = true));
      await Promise.all([making, look(), look(), look()]);
    }
    expect([...seen].filter((each) => each !== 'undefined' && each !== 'ours')).toEqual([]);
  });
});
