import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { processIdentity } from '@sandlot/embedded';

interface Owner {
  pid: number;
  identity: string;
}

/**
 * Does the work while no other process holds the lock. One whose owner has ended, however that came about, is taken over. `waiting` is told
 * once who holds it.
 */
export async function withLock<T>(file: string, waiting: (owner: number) => void, work: () => Promise<T>): Promise<T> {
  const own = `${file}.${process.pid}-${Math.random().toString(36).slice(2)}`;
  const me: Owner = { pid: process.pid, identity: (await processIdentity(process.pid)) ?? '' };
  await writeFile(own, JSON.stringify(me));
  try {
    for (let told = false; !(await taken(own, file)); await pause(100)) {
      const owner = await readOwner(file);
      if (owner === undefined) continue;
      if ((await processIdentity(owner.pid)) !== owner.identity) {
        await discard(file, owner);
        continue;
      }
      if (!told) waiting(owner.pid);
      told = true;
    }
    try {
      return await work();
    } finally {
      await rm(file, { force: true });
    }
  } finally {
    await rm(own, { force: true });
  }
}

/** A link is made by one alone, and never seen half written. */
async function taken(own: string, file: string): Promise<boolean> {
  return link(own, file).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'EEXIST') return false;
      throw error;
    },
  );
}

/** Moved away first: of several who find the same dead owner, one moves it; who by then moved a living owner's lock puts it back. */
async function discard(file: string, dead: Owner): Promise<void> {
  const aside = `${file}.stale-${process.pid}-${Math.random().toString(36).slice(2)}`;
  try {
    await rename(file, aside);
  } catch {
    return; // somebody else was quicker
  }
  const moved = await readOwner(aside);
  if (moved && moved.identity !== dead.identity) await link(aside, file).catch(() => undefined);
  await rm(aside, { force: true });
}

async function readOwner(file: string): Promise<Owner | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Owner;
  } catch {
    return undefined;
  }
}
