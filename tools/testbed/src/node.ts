import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { waitFor } from '@sandlot/testing';
import type { NodeBinaries } from './binaries.js';
import { makeBridge, removeBridgeScript, type Bridge } from './bridge.js';
import { makeCgroup, removeCgroup, removeCgroupScript } from './cgroup.js';
import type { ControlPlane } from './control-plane.js';
import { writeImage, type Image } from './image.js';
import { writeKubeconfig } from './kubeconfig.js';
import { removeEnforcementScript } from './network-policies.js';
import { containerdConfig, INIT, kubeletConfig, networkConfig } from './node-config.js';
import { ClusterServer } from './server.js';

const NAME = 'node1';
const PAUSE_IMAGE = 'docker.io/testbed/pause:1';

/** The name of each thing that a node has outside its folder. */
export interface NodePlace {
  dir: string;
  cgroup: string;
  bridge: Bridge;
}

export interface TestNode {
  name: string;
  /** Puts an image where pods find it under its name, with `imagePullPolicy: Never` or `IfNotPresent`. */
  loadImage(image: Image): Promise<void>;
  /** The kubelet stands still: what a lost node looks like. Its containers run on. */
  freeze(): Promise<void>;
  thaw(): Promise<void>;
  /** Ends it with all its containers. */
  kill(): Promise<void>;
}

/** Takes a network and a cgroup, whose names are then known to whoever has to clean up. */
export async function placeNode(dir: string): Promise<NodePlace> {
  const taken = ['/run/', '/var/log/', '/var/lib/', '/opt/'].find((folder) => dir.startsWith(folder));
  if (taken) throw new Error(`the node hides ${taken} from its containers, so its folder cannot be there; set TMPDIR to another place`);
  const bridge = await makeBridge();
  const cgroup = basename(dir);
  await makeCgroup(cgroup);
  return { dir, cgroup, bridge };
}

/** The node's processes end a moment after the first of them. */
export async function removePlace({ cgroup, bridge }: NodePlace): Promise<void> {
  await waitFor(() => removeCgroup(cgroup), { within: 20_000, describe: `all processes in the cgroup ${cgroup} to end` });
  await bridge.remove();
}

/** The same for a shell, in case that we are killed. */
export function removeNodeScript({ cgroup, bridge }: NodePlace): string {
  return `${removeCgroupScript(cgroup)}; ${removeEnforcementScript(bridge)}; ${removeBridgeScript(bridge)}`;
}

/**
 * A node with containerd and a kubelet. Both and all containers live in namespaces of their own for processes and mounts, which end, with
 * all that is in them, when their first process does; what programs write to /run, /var/lib, /var/log and /opt is seen there alone.
 */
export async function startNode(place: NodePlace, plane: ControlPlane, kube: string, binaries: NodeBinaries): Promise<TestNode> {
  const dir = join(place.dir, 'node');
  const socket = join(dir, 'containerd.sock');
  await writeNodeFiles(dir, place, plane, binaries);
  await letNodesRead(plane);
  const init = await ClusterServer.start({
    name: 'node',
    dir,
    command: [
      'unshare',
      '--mount',
      '--pid',
      '--fork',
      '--kill-child',
      '--mount-proc',
      '/bin/sh',
      '-c',
      INIT,
      'node',
      dir,
      binaries.containerd,
      kube,
      NAME,
      place.bridge.address,
    ],
    env: { PATH: `${binaries.containerdFolder}:${process.env.PATH}` },
  });
  const ctr = (...args: string[]) => promisify(execFile)(binaries.ctr, ['--address', socket, '--namespace', 'k8s.io', ...args]);
  const node: TestNode = {
    name: NAME,
    async loadImage(image) {
      const file = join(dir, `image-${Date.now()}-${Math.random().toString(36).slice(2)}.tar`);
      await writeImage(file, image);
      // Without --local containerd asks for a platform to unpack for, and finds none.
      await ctr('images', 'import', '--local', '--snapshotter', await snapshotter(dir), file);
    },
    freeze: () => signalKubelet(init.pid, 'SIGSTOP'),
    thaw: () => signalKubelet(init.pid, 'SIGCONT'),
    kill: () => init.kill(),
  };
  try {
    await waitFor(() => ctr('version'), { within: 30_000, describe: 'containerd to answer' });
    await node.loadImage({ name: PAUSE_IMAGE, command: ['/pause'], files: [{ path: '/pause', from: binaries.pause }] });
    await nodeIsReady(plane);
    return node;
  } catch (error) {
    const logs = await Promise.all(['node.log', 'containerd.log', 'kubelet.log'].map((file) => tail(join(dir, file))));
    await node.kill();
    throw new Error(`${(error as Error).message}\n${logs.join('\n')}`, { cause: error });
  }
}

async function writeNodeFiles(dir: string, { cgroup, bridge }: NodePlace, plane: ControlPlane, binaries: NodeBinaries): Promise<void> {
  await mkdir(join(dir, 'cni'), { recursive: true });
  await mkdir(join(dir, 'logs'));
  const files = {
    'cni/10-bridge.conflist': JSON.stringify(networkConfig(dir, bridge)),
    'containerd.toml': containerdConfig(dir, { pauseImage: PAUSE_IMAGE, cniFolder: binaries.cniFolder }),
    'kubelet.json': JSON.stringify(
      kubeletConfig(dir, { cgroup: `/${cgroup}`, address: bridge.address, dns: bridge.services.replace('0/24', '10') }),
    ),
    'authority.crt': plane.authority.certificate,
  };
  for (const [file, content] of Object.entries(files)) await writeFile(join(dir, file), content);
  const identity = plane.authority.issue({ commonName: `system:node:${NAME}`, organization: 'system:nodes' });
  await writeKubeconfig(join(dir, 'kubelet.kubeconfig'), plane.access.url, plane.access.authority, identity);
}

/**
 * What a pod on it needs, by role. By its relation to the pod alone, a kubelet on a busy machine asks before the API server knows of that, and
 * tries again no sooner than ten seconds later.
 */
async function letNodesRead({ client }: ControlPlane): Promise<void> {
  const rbac = 'rbac.authorization.k8s.io';
  await client.request('POST', `/apis/${rbac}/v1/clusterrolebindings`, {
    apiVersion: `${rbac}/v1`,
    kind: 'ClusterRoleBinding',
    metadata: { name: 'testbed:nodes' },
    roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: 'system:node' },
    subjects: [{ apiGroup: rbac, kind: 'Group', name: 'system:nodes' }],
  });
}

async function nodeIsReady({ client }: ControlPlane): Promise<void> {
  await waitFor(
    () => client.request('GET', `/api/v1/nodes/${NAME}`),
    { within: 60_000, describe: 'the node to be ready for pods', every: 50 },
    ({ status, spec }) =>
      !spec.taints &&
      status.conditions?.some(({ type, status: is }: { type: string; status: string }) => type === 'Ready' && is === 'True'),
  );
}

async function snapshotter(dir: string): Promise<string> {
  return (await readFile(join(dir, 'snapshotter'), 'utf8')).trim();
}

/** It is the child of the node's first process, which is the child of `unshare`. */
async function signalKubelet(unshare: number, signal: NodeJS.Signals): Promise<void> {
  for (const init of await childrenOf(unshare))
    for (const pid of await childrenOf(init)) {
      const [, part] = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0');
      if (part === 'kubelet') return void process.kill(pid, signal);
    }
  throw new Error('the kubelet does not run any more; its log has gone with it');
}

async function childrenOf(pid: number): Promise<number[]> {
  return (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).trim().split(' ').filter(Boolean).map(Number);
}

async function tail(file: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch((error: Error) => error.message);
  return `${basename(file)}: ${text.trimEnd().split('\n').slice(-8).join('\n')}`;
}
