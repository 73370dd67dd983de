import { readdir, readFile, readlink } from 'node:fs/promises';
import { waitFor } from '@sandlot/testing';

export interface FoundProcess {
  readonly pid: number;
  readonly command: string;
}

/**
 * Every process but this one that has to do with a folder: by its arguments, its environment or where it works. Linux only. Those that
 * are not ours to look at are not found.
 */
export async function processesOf(dir: string): Promise<FoundProcess[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const found = await Promise.all(pids.filter((pid) => pid !== process.pid).map((pid) => look(pid, dir)));
  return found.filter((process) => process !== undefined);
}

async function look(pid: number, dir: string): Promise<FoundProcess | undefined> {
  const read = (name: string) => readFile(`/proc/${pid}/${name}`, 'utf8').catch(() => '');
  const [command, environment, cwd] = await Promise.all([read('cmdline'), read('environ'), readlink(`/proc/${pid}/cwd`).catch(() => '')]);
  if (![command, environment, cwd].some((text) => text.includes(dir))) return undefined;
  return { pid, command: command.replaceAll('\0', ' ').trim() };
}

export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** SIGKILL to all at once, and again to what they have started meanwhile; returns when none is left. */
export async function killAllOf(dir: string): Promise<void> {
  await waitFor(
    async () => {
      const left = await processesOf(dir);
      for (const { pid } of left) signal(pid, 'SIGKILL');
      return left;
    },
    { describe: `no process of ${dir} to be left` },
    (left) => left.length === 0,
  );
}
