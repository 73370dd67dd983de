import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { tempDir } from '@sandlot/testing';
import { FolderStore } from './folder-store.js';
import { testBackupStore } from './store.features.js';

describe('a folder for backups', () => {
  let folder: string;
  testBackupStore(async () => new FolderStore((folder = join(await tempDir(), 'backups'))));

  it('may be read by its owner alone', async () => {
    await new FolderStore(folder).put('mine/part', Buffer.from('x'));
    expect((await stat(join(folder, 'mine/part'))).mode & 0o777).toBe(0o600);
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
  });
});
