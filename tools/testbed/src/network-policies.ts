import { execFile, execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import type { Bridge } from './bridge.js';
import { whyNoNode } from './node-requirements.js';
import { ClusterServer } from './server.js';

/**
 * Why the NetworkPolicies of a cluster cannot be enforced on this machine: `iptables is not installed`. Undefined when they can. For tests:
 * `describeUnless(whyNoNetworkPolicies())('…', …)`.
 */
export function whyNoNetworkPolicies(): string | undefined {
  const reason = whyNoNode();
  if (reason) return reason;
  try {
    execFileSync('iptables', ['--version'], { stdio: 'pipe' });
  } catch {
    return 'iptables is not installed (on Debian: apt install iptables)';
  }
  if (!bridgesAreFiltered()) return 'this kernel does not show the packets of bridges to iptables: modprobe br_netfilter';
  try {
    execFileSync('unshare', ['--net', 'iptables', ...rule('-A', { name: 'any', number: 1 })], { stdio: 'pipe' });
  } catch {
    return 'this kernel cannot leave the verdict on a packet to a program (NFQUEUE)';
  }
  return undefined;
}

export interface EnforcementOptions {
  /** Gets the log. */
  dir: string;
  bridge: Bridge;
  node: string;
  kubeconfigPath: string;
  binary: string;
}

/**
 * From now on a pod's first packet of each connection waits for what the policies say, wherever it goes, the node itself included. Nothing passes
 * when nobody is there to say it. What the machine sends to pods passes, as on every node: its kubelet has to reach them. Answers how to end it.
 */
export async function enforceNetworkPolicies({
  dir,
  bridge,
  node,
  kubeconfigPath,
  binary,
}: EnforcementOptions): Promise<() => Promise<void>> {
  const command = [binary, kubeconfigPath, node, String(bridge.number)];
  const ready = async () => (await queues()).includes(bridge.number);
  const engine = await ClusterServer.start({ name: 'networkpolicies', dir, command, ready });
  await promisify(execFile)('iptables', rule('-A', bridge));
  return async () => {
    await promisify(execFile)('iptables', rule('-D', bridge));
    await engine.kill();
  };
}

/** The same for a shell, in case that we are killed. */
export function removeEnforcementScript(bridge: Bridge): string {
  return `iptables ${rule('-D', bridge).join(' ')} 2>/dev/null`;
}

function rule(what: '-A' | '-D', { name, number }: Pick<Bridge, 'name' | 'number'>): string[] {
  const first = ['-m', 'conntrack', '--ctstate', 'NEW'];
  return ['-w', '-t', 'mangle', what, 'PREROUTING', '-i', name, ...first, '-j', 'NFQUEUE', '--queue-num', String(number)];
}

function bridgesAreFiltered(): boolean {
  try {
    return readFileSync('/proc/sys/net/bridge/bridge-nf-call-iptables', 'utf8').trim() === '1';
  } catch {
    return false;
  }
}

/** Those that a program listens to. */
async function queues(): Promise<number[]> {
  const lines = (await readFile('/proc/net/netfilter/nfnetlink_queue', 'utf8')).trim().split('\n');
  return lines.map((line) => Number(line.trim().split(/\s+/)[0]));
}
