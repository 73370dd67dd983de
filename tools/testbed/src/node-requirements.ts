import { execFileSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { cgroupsCanBeMade } from './cgroup.js';

/**
 * Why this machine cannot have a node with containers: `containers need root`. Undefined when it can. For tests:
 * `describeUnless(whyNoNode())('…', …)`.
 */
export function whyNoNode(): string | undefined {
  if (process.platform !== 'linux') return 'containers need Linux';
  if (process.getuid?.() !== 0) return 'containers need root';
  for (const program of ['runc', 'ip', 'unshare'])
    if (!onPath(program)) return `${program} is not installed (on Debian: ${PACKAGES[program]})`;
  if (!cgroupsCanBeMade()) return 'cgroups cannot be made: /sys/fs/cgroup is not writable';
  try {
    execFileSync('unshare', ['--mount', '--pid', '--fork', 'true'], { stdio: 'pipe' });
  } catch {
    return 'namespaces cannot be made: unshare is not permitted';
  }
  return undefined;
}

const PACKAGES: Record<string, string> = { runc: 'apt install runc', ip: 'apt install iproute2', unshare: 'apt install util-linux' };

function onPath(program: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((dir) => {
    try {
      accessSync(join(dir, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
