import { createHash, randomBytes } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';

/** Wraps the data keys of users. 32 random bytes; the id is part of their hash, so it says nothing about them. */
export interface MasterKey {
  readonly id: string;
  readonly key: Buffer;
}

export function masterKey(key: Uint8Array): MasterKey {
  if (key.length !== 32) throw new RangeError(`a master key has 32 bytes, not ${key.length}`);
  return { id: createHash('sha256').update('sandlot master key').update(key).digest('hex').slice(0, 16), key: Buffer.from(key) };
}

/**
 * Reads the master keys from a file: one key per line, base64url of 32 bytes, the newest first. To rotate, put a new line on top and
 * call `PersonalData.rewrap`; then the old line may go. Throws when others than we may read it.
 * @param create makes a file with one new key, mode 0600, when there is none
 */
export async function loadMasterKeys(file: string, { create = false }: { create?: boolean } = {}): Promise<MasterKey[]> {
  if (create) await createOnce(file);
  const handle = await open(file, 'r').catch((cause: NodeJS.ErrnoException) => {
    throw new Error(`cannot read the master key from ${file}: ${cause.code}`, { cause });
  });
  try {
    const stat = await handle.stat();
    const { mode } = stat;
    if (!isOursAlone(stat, ourselves()))
      throw new Error(`${file} may be read by others (mode ${(mode & 0o777).toString(8)}); do chmod 600 ${file}`);
    return parse(await handle.readFile('utf8'), file);
  } finally {
    await handle.close();
  }
}

/** As whom this process reads. */
export interface Reader {
  readonly uid: number;
  readonly groups: readonly number[];
}

/**
 * Whether nobody but its owner may touch the file; or, where Kubernetes has mounted it from a Secret, nobody but root and the group of the
 * pod (`fsGroup`, which the kubelet lets write too, though the mount does not), which is the only way there to give a file to a process that
 * is not root. Then we own it through the group alone.
 */
export function isOursAlone({ uid, gid, mode }: { uid: number; gid: number; mode: number }, reader: Reader): boolean {
  if ((mode & 0o077) === 0) return true;
  const forGroupAlone = (mode & 0o017) === 0;
  return forGroupAlone && uid === 0 && reader.uid !== 0 && reader.groups.includes(gid);
}

function ourselves(): Reader {
  return { uid: process.geteuid?.() ?? -1, groups: [...(process.getgroups?.() ?? []), process.getegid?.() ?? -1] };
}

async function createOnce(file: string): Promise<void> {
  let handle: FileHandle;
  try {
    handle = await open(file, 'wx', 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return;
    throw error;
  }
  try {
    await handle.writeFile(`${randomBytes(32).toString('base64url')}\n`);
    await handle.sync(); // what is sealed under a key that a power cut takes away is lost
  } finally {
    await handle.close();
  }
}

function parse(text: string, file: string): MasterKey[] {
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);
  if (lines.length === 0) throw new Error(`${file} holds no master key`);
  return lines.map((line, index) => {
    if (!/^[A-Za-z0-9_-]{43}$/.test(line)) throw new Error(`line ${index + 1} of ${file} is not base64url of 32 bytes`);
    return masterKey(Buffer.from(line, 'base64url'));
  });
}
