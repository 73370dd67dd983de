import { access, constants, mkdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { build, type BuildOptions } from './build.js';
import { withLock } from './lock.js';
import { agentSandbox, controlPlaneParts, folderOf, helm, helm3, networkPolicies, nodeParts, prometheus, type Part } from './parts.js';

export interface ControlPlaneBinaries {
  /** `kube controller-manager`, `kube scheduler`, `kube kubelet`, `kube kubectl`. */
  kube: string;
  etcd: string;
  /** The command line that starts an API server. */
  apiServer: readonly string[];
}

export interface NodeBinaries {
  containerd: string;
  ctr: string;
  pause: string;
  /** Folders: of containerd and its shim, and of the CNI plugins. */
  containerdFolder: string;
  cniFolder: string;
}

interface Search {
  env?: NodeJS.ProcessEnv;
  /** Gets a line per step that a waiting person wants to know of. Default: stderr. */
  log?: BuildOptions['log'];
}

/**
 * The programs of a control plane: kube-apiserver and etcd from `KUBEBUILDER_ASSETS` where that is set, everything else from the cache, and
 * built into it when it is not there.
 */
export async function controlPlaneBinaries(search: Search = {}): Promise<ControlPlaneBinaries> {
  const assets = (search.env ?? process.env).KUBEBUILDER_ASSETS;
  const [kubernetes, etcd] = controlPlaneParts;
  const kube = join(await partFolder(kubernetes, search), 'kube');
  if (!assets) return { kube, etcd: join(await partFolder(etcd, search), 'etcd'), apiServer: [kube, 'apiserver'] };
  for (const program of ['kube-apiserver', 'etcd'])
    if (!(await canRun(join(assets, program))))
      throw new Error(
        `KUBEBUILDER_ASSETS is ${assets}, which has no ${program} that can be run; correct it, or unset it to have the testbed build its own`,
      );
  return { kube, etcd: join(assets, 'etcd'), apiServer: [join(assets, 'kube-apiserver')] };
}

export async function nodeBinaries(search: Search = {}): Promise<NodeBinaries> {
  const folders: string[] = [];
  for (const part of nodeParts) folders.push(await partFolder(part, search)); // one by one: each build takes all cores
  const [containerd, cni, pause] = folders as [string, string, string];
  return {
    containerd: join(containerd, 'containerd'),
    ctr: join(containerd, 'ctr'),
    pause: join(pause, 'pause'),
    containerdFolder: containerd,
    cniFolder: cni,
  };
}

/** The path of what enforces NetworkPolicies on a node. */
export async function networkPoliciesBinary(search: Search = {}): Promise<string> {
  return join(await partFolder(networkPolicies, search), 'networkpolicies');
}

/** The controller of agent-sandbox, and the definition of its Sandbox. */
export async function agentSandboxFiles(search: Search = {}): Promise<{ controller: string; definition: string }> {
  const folder = await partFolder(agentSandbox, search);
  return { controller: join(folder, 'agent-sandbox-controller'), definition: join(folder, 'agents.x-k8s.io_sandboxes.yaml') };
}

/** The path of helm, for tests of charts. */
export async function helmBinary(search: Search = {}): Promise<string> {
  return join(await partFolder(helm, search), 'helm');
}

/** The path of Helm 3, which the chart is for as well. */
export async function helm3Binary(search: Search = {}): Promise<string> {
  return join(await partFolder(helm3, search), 'helm');
}

/** The paths of Prometheus and of promtool, for tests of metrics, alerts and dashboards. */
export async function prometheusBinaries(search: Search = {}): Promise<{ prometheus: string; promtool: string }> {
  const folder = await partFolder(prometheus, search);
  return { prometheus: join(folder, 'prometheus'), promtool: join(folder, 'promtool') };
}

async function partFolder(part: Part, { env = process.env, log = logToStderr }: Search): Promise<string> {
  const cache = join(env.XDG_CACHE_HOME || join(env.HOME || homedir(), '.cache'), 'sandlot', 'testbed');
  const folder = join(cache, folderOf(part));
  if (await complete(folder, part)) return folder;
  await mkdir(cache, { recursive: true });
  await withLock(
    `${folder}.lock`,
    (owner) => log(`waiting for process ${owner}, which builds ${part.name} ${part.version} ...`),
    async () => {
      if (!(await complete(folder, part))) await build(part, folder, { log, env });
    },
  );
  return folder;
}

async function complete(folder: string, { programs }: Part): Promise<boolean> {
  return (await Promise.all(programs.map((program) => canRun(join(folder, program))))).every(Boolean);
}

async function canRun(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

function logToStderr(line: string): void {
  process.stderr.write(`${line}\n`);
}
