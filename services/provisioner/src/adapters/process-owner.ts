import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Makes this process the only one that runs sandboxes in a folder, which is made when missing; returns what gives it back. Throws while another has it: a second
 * one would take the first one's processes for leftovers. Without /proc (not Linux) it cannot be told and everybody is let in.
 */
export async function own(folder: string): Promise<() => Promise<void>> {
  const file = join(folder, 'owner.json');
  await mkdir(folder, { recursive: true });
  const me = await identity(process.pid);
  if (me === undefined) return async () => undefined;
  for (;;) {
    try {
      await writeFile(file, JSON.stringify({ pid: process.pid, identity: me }), { flag: 'wx', mode: 0o600 });
      return () => rm(file, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const other = await readOwner(file);
    if (other && (await identity(other.pid)) === other.identity)
      throw new Error(`${folder} is in use by process ${other.pid}; stop that, or choose another folder with SANDLOT_DATA_DIR`);
    await rm(file, { force: true });
  }
}

async function readOwner(file: string): Promise<{ pid: number; identity: string } | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as { pid: number; identity: string };
  } catch {
    return undefined;
  }
}

/** What tells a process from a later one with the same pid: the boot of the machine and when it started. Not of a zombie. */
async function identity(pid: number): Promise<string | undefined> {
  try {
    const [stat, boot] = await Promise.all([
      readFile(`/proc/${pid}/stat`, 'latin1'),
      readFile('/proc/sys/kernel/random/boot_id', 'latin1'),
    ]);
    // The second field, the program's name, may hold spaces and brackets: count from the last bracket on.
    const [state, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return state === 'Z' || state === 'X' ? undefined : `${boot.trim()}:${fields[18]}`;
  } catch {
    return undefined;
  }
}
