import { randomBytes } from 'node:crypto';
import { chmod, mkdir, open, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { loadMasterKeys } from '@sandlot/event-store';
import { formatApiKey } from '@sandlot/kernel';

export interface DataDir {
  readonly path: string;
  readonly masterKeyPath: string;
  readonly adminKeyPath: string;
  /** Only when it was made just now. */
  readonly newAdminKey?: string;
  /** What the proxy and the gateway share. */
  readonly identityKey: string;
}

/** Makes the folder and its keys where they are missing; what is there stays. */
export async function prepareDataDir(dir: string): Promise<DataDir> {
  const path = resolve(dir);
  await mkdir(path, { recursive: true });
  // Others may pass through, not look: PostgreSQL runs as a user of its own when we are root.
  await chmod(path, 0o711);
  const masterKeyPath = join(path, 'master.key');
  const adminKeyPath = join(path, 'admin.key');
  await loadMasterKeys(masterKeyPath, { create: true });
  const made = formatApiKey(randomBytes(32));
  const newAdminKey = await createOnce(adminKeyPath, made);
  const identityKeyPath = join(path, 'identity.key');
  await createOnce(identityKeyPath, randomBytes(32).toString('base64url'));
  const identityKey = (await readFile(identityKeyPath, 'utf8')).trim();
  return { path, masterKeyPath, adminKeyPath, identityKey, ...(newAdminKey && { newAdminKey: made }) };
}

/** Mode 0600. False when the file is there already. */
async function createOnce(path: string, content: string): Promise<boolean> {
  try {
    const file = await open(path, 'wx', 0o600);
    await file.writeFile(`${content}\n`);
    await file.sync();
    await file.close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw new Error(`cannot make ${path}`, { cause: error });
  }
}
