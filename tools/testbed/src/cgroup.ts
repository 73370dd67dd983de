import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { mkdir, readdir, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const ROOT = '/sys/fs/cgroup';
const UNIFIED = existsSync(join(ROOT, 'cgroup.controllers'));

/** One folder with version 2; with version 1 one per hierarchy. */
function hierarchies(): string[] {
  if (UNIFIED) return [ROOT];
  return readdirSync(ROOT, { withFileTypes: true })
    .filter((entry) => entry.isDirectory()) // links are second names
    .map((entry) => join(ROOT, entry.name))
    .filter((folder) => existsSync(join(folder, 'cgroup.procs')));
}

export function cgroupsCanBeMade(): boolean {
  try {
    const roots = hierarchies();
    for (const root of roots) accessSync(root, constants.W_OK);
    return roots.length > 0;
  } catch {
    return false;
  }
}

/** For all pods of a node, so that they can be told from other nodes' and removed. Answers the name that the kubelet wants. */
export async function makeCgroup(name: string): Promise<string> {
  // What version 2 does not delegate to us, the kubelet will name.
  if (UNIFIED)
    for (const one of ['cpuset', 'cpu', 'memory', 'pids', 'io', 'hugetlb'])
      await writeFile(join(ROOT, 'cgroup.subtree_control'), `+${one}`).catch(() => undefined);
  for (const root of hierarchies()) await mkdir(join(root, name), { recursive: true });
  return `/${name}`;
}

/** Whether it is gone: it stays as long as a process in it is not. */
export async function removeCgroup(name: string): Promise<boolean> {
  const done = await Promise.all(hierarchies().map((root) => removeTree(join(root, name))));
  return done.every(Boolean);
}

async function removeTree(folder: string): Promise<boolean> {
  try {
    for (const entry of await readdir(folder, { withFileTypes: true })) if (entry.isDirectory()) await removeTree(join(folder, entry.name));
    await rmdir(folder);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT';
  }
}

/** The same for a shell, in case that we are killed. */
export function removeCgroupScript(name: string): string {
  return `find ${hierarchies()
    .map((root) => join(root, name))
    .join(' ')} -depth -type d -exec rmdir {} + 2>/dev/null`;
}
