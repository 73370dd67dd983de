import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** The processes that belong to one command, or to all commands of a runtime. */
export interface ProcessFamily {
  /** Every command's shell leads a session, so its pid is the session's id. */
  sessions: readonly number[];
  /**
   * Beginning of an entry `NAME=value` in the environment. With it the family also has what left the sessions (setsid) but
   * kept the environment, and all descendants. Only Linux can tell; elsewhere a family is its sessions' process groups.
   */
  marker?: string;
}

/** After SIGKILL only a process stuck in the kernel remains; nobody waits longer than this for one. */
const giveUpAfterKillMs = 1_000;

/**
 * Ends a family: SIGTERM, and SIGKILL for what is left after the grace. Looks again until none is found, since a process may
 * fork between look and signal. Returns whether all are gone.
 */
export async function endProcesses(family: ProcessFamily, graceMs: number): Promise<boolean> {
  const killAt = performance.now() + graceMs;
  const asked = new Set<number>();
  for (let pauseMs = 5; ; pauseMs = Math.min(pauseMs * 2, 100)) {
    const pids = findProcesses(family);
    const now = performance.now();
    if (pids.length === 0) return true;
    if (now > killAt + giveUpAfterKillMs) return false;
    for (const pid of pids) {
      if (now >= killAt) signal(pid, 'SIGKILL');
      else if (!asked.has(pid)) signal(pid, 'SIGTERM');
      asked.add(pid);
    }
    await sleep(Math.max(1, now < killAt ? Math.min(pauseMs, killAt - now) : pauseMs));
  }
}

/** What of a family is alive, as targets for `kill`: pids, or negative process groups where /proc cannot be read. */
export function findProcesses(family: ProcessFamily): number[] {
  try {
    if (process.platform === 'linux') return membersOf(family);
  } catch {
    // Out of file descriptors, most likely: the groups can be signalled without any.
  }
  return family.sessions.map((id) => -id).filter((group) => signal(group, 0));
}

function membersOf({ sessions, marker }: ProcessFamily): number[] {
  const table = processTable();
  const members = new Set<number>();
  for (const { pid, session } of table) {
    if (sessions.includes(session) || (marker !== undefined && environmentOf(pid).includes(`\0${marker}`))) members.add(pid);
  }
  if (marker !== undefined) addDescendants(members, table);
  members.delete(process.pid);
  return [...members];
}

interface ProcessRow {
  pid: number;
  parent: number;
  session: number;
}

/** Living processes, zombies left out. */
function processTable(): ProcessRow[] {
  const rows: ProcessRow[] = [];
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid)) continue;
    const stat = readProc(pid, 'stat');
    // The command's name stands in parentheses and may hold anything, parentheses too.
    const [state, parent, , session] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (state && state !== 'Z' && state !== 'X') rows.push({ pid, parent: Number(parent), session: Number(session) });
  }
  return rows;
}

function addDescendants(members: Set<number>, table: readonly ProcessRow[]): void {
  for (let before = -1; before !== members.size;) {
    before = members.size;
    for (const row of table) if (members.has(row.parent)) members.add(row.pid);
  }
}

function environmentOf(pid: number): string {
  return `\0${readProc(pid, 'environ')}`;
}

/** Empty when the process is gone or somebody else's. */
function readProc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1');
  } catch (error) {
    if (!unreadable.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
    return '';
  }
}
const unreadable = new Set(['ENOENT', 'ESRCH', 'EACCES', 'EPERM']);

function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}
