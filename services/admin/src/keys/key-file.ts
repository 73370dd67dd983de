import { randomBytes } from 'node:crypto';
import { open, readFile, rename, stat } from 'node:fs/promises';
import { masterKey } from '@sandlot/event-store';
import { Failure } from '../failure.js';

/** Puts a new master key on top of the file, whole or not at all; the others stay below it. Returns its id, never the key. */
export async function addMasterKey(file: string): Promise<string> {
  const key = randomBytes(32);
  const before = await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new Failure(
      'notFound',
      `no master key can be read from ${file} (${cause.code})`,
      { hint: 'Name the file with SANDLOT_MASTER_KEY_PATH.' },
      { cause },
    );
  });
  const { uid, gid } = await stat(file);
  const made = `${file}.new`;
  const handle = await open(made, 'w', 0o600);
  try {
    await handle.writeFile(`${key.toString('base64url')}\n${before}`);
    if (process.geteuid?.() === 0) await handle.chown(uid, gid);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(made, file);
  return masterKey(key).id;
}
