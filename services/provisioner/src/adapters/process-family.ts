import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { endProcesses, markerName } from '@sandlot/runtime';

/*
 * All processes of one sandbox: its server, which has the sandbox's uid in its environment, and its commands, which have it in theirs.
 * The uid is random and stays in files of ours, so nothing else carries it: no pid is taken from a file, and none can be mistaken.
 * Where a sandbox has a user of its own, everything of that user belongs to it too. Without /proc (not Linux) only the server's own
 * cleaning up ends commands.
 */

const serverMarker = 'SANDLOT_RUNTIME_ID';

/** Ends whatever is left of a sandbox. Returns whether nothing is. */
export async function endFamily(uid: string, account: number | undefined, graceMs: number): Promise<boolean> {
  const servers = await endProcesses({ sessions: [], marker: `${serverMarker}=${uid}` }, graceMs);
  const commands = await endProcesses({ sessions: [], marker: `${markerName}=${uid}/` }, graceMs);
  if (account !== undefined) await endAccount(account);
  return servers && commands;
}

/** Which of these sandboxes have processes, though none of ours has started them: the leftovers of a predecessor that was killed. */
export async function uidsWithProcesses(uids: ReadonlySet<string>): Promise<Set<string>> {
  const found = new Set<string>();
  if (uids.size === 0) return found;
  const marker = new RegExp(`(?:^|\\0)(?:${serverMarker}|${markerName})=([A-Za-z0-9_-]+)`, 'g');
  for (const name of await readdir('/proc').catch(() => [])) {
    if (!/^\d+$/.test(name)) continue;
    const environment = await readFile(`/proc/${name}/environ`, 'latin1').catch(() => '');
    for (const [, uid] of environment.matchAll(marker)) if (uid && uids.has(uid)) found.add(uid);
  }
  return found;
}

/** `kill -1` as that user reaches all of its processes and nobody else's, even one that forks faster than we can look. */
async function endAccount(account: number): Promise<void> {
  await promisify(execFile)('/bin/sh', ['-c', 'kill -s KILL -- -1'], { uid: account, gid: account, cwd: '/', env: {} }).catch(
    () => undefined,
  );
}
