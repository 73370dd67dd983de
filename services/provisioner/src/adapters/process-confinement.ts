import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chown, mkdir, rm } from 'node:fs/promises';
import { setPriority } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { SandboxId } from '@sandlot/kernel';

/*
 * What keeps a sandbox's process from harming the machine, as far as that goes without a container: a user of its own when we are root
 * and that user can reach what it must run, limits of the shell, and a lower priority. Each is tried once, at the start of the
 * platform; what does not work here is left out, and never keeps a sandbox from starting.
 */

export interface Confinement {
  /** Whether sandboxes can have users of their own. */
  accounts: boolean;
  /** Shell commands that set the limits. */
  script: string;
  /** For people: what holds. */
  holds: string[];
}

/** Far above what people and distributions give out, and below 2^31. */
const firstAccount = 2_000_000;
const accountCount = 2_000_000_000;

const limits = [
  { name: '4096 open files', set: 'ulimit -n 4096' },
  { name: 'files of at most 4 GiB', set: 'ulimit -f 8388608' }, // in blocks of 512 bytes
  { name: 'no core dumps', set: 'ulimit -c 0' },
];
/** Counted per user: where the sandboxes are the same user as we are, it would stop everybody. dash calls it -p. */
const processLimit = { name: '256 processes', set: '{ ulimit -u 256 || ulimit -p 256; }' };
const niceness = 5;

/** Finds out what works here. `canRun` are files that a sandbox's user must be able to read, `root` is where its folders will be. */
export async function probeConfinement(canRun: readonly string[], root: string): Promise<Confinement> {
  const accounts = process.getuid?.() === 0 && (await accountWorks(canRun, root));
  const account = accounts ? firstAccount : undefined;
  const holding: typeof limits = [];
  for (const limit of accounts ? [...limits, processLimit] : limits) if (await runs(limit.set, account)) holding.push(limit);
  const holds = [...(accounts ? ['a user of its own'] : []), ...holding.map(({ name }) => name), `niceness ${niceness}`];
  return { accounts, script: holding.map(({ set }) => `${set} 2>/dev/null\n`).join(''), holds };
}

/** The user of a new sandbox: the same for the same sandbox, and nobody else's. */
export function accountFor(sandboxId: SandboxId, taken: ReadonlySet<number>): number {
  let offset = createHash('sha256').update(sandboxId).digest().readUInt32BE() % accountCount;
  while (taken.has(firstAccount + offset)) offset = (offset + 1) % accountCount;
  return firstAccount + offset;
}

export function lowerPriority(pid: number): void {
  try {
    setPriority(pid, niceness);
  } catch {
    // It has just ended, or is not ours to slow down.
  }
}

async function accountWorks(canRun: readonly string[], root: string): Promise<boolean> {
  const folder = join(root, '.new-probe');
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await chown(folder, firstAccount, firstAccount);
    const look = 'process.argv.slice(1).forEach((path) => require("node:fs").accessSync(path, 4))';
    await promisify(execFile)(process.execPath, ['-e', look, ...canRun, folder], {
      uid: firstAccount,
      gid: firstAccount,
      cwd: '/',
      env: {},
      timeout: 10_000,
    });
    return true;
  } catch {
    return false;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function runs(command: string, account: number | undefined): Promise<boolean> {
  const as = account === undefined ? {} : { uid: account, gid: account };
  return promisify(execFile)('/bin/sh', ['-c', command], { ...as, cwd: '/', env: {}, timeout: 10_000 }).then(
    () => true,
    () => false,
  );
}
