import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EmbeddedServer } from '@sandlot/embedded';
import { atEnd, waitFor } from '@sandlot/testing';
import type { ApiAccess, ApiClient } from './api-client.js';
import { controlPlaneBinaries, networkPoliciesBinary, nodeBinaries } from './binaries.js';
import { startControlPlane, type ControlPlane } from './control-plane.js';
import { hireJanitor } from './janitor.js';
import { writeKubeconfig } from './kubeconfig.js';
import { enforceNetworkPolicies, whyNoNetworkPolicies } from './network-policies.js';
import { whyNoNode } from './node-requirements.js';
import { placeNode, removeNodeScript, removePlace, startNode, type TestNode } from './node.js';
import { provideVolumes } from './volumes.js';

export interface TestCluster {
  /** Of the API server: `https://127.0.0.1:<port>`, the same over all restarts. */
  url: string;
  /** Of an administrator, with everything in it. */
  kubeconfigPath: string;
  /** The same for programs. */
  access: ApiAccess;
  /** A request of the administrator's: `request('GET', '/api/v1/namespaces/default')`. Throws `ApiError`. */
  request: ApiClient['request'];
  /** What kubectl prints; throws with what it complains about. */
  kubectl(...args: string[]): Promise<string>;
  /** `kubectl apply` of these objects, custom resources and their definitions included. */
  apply(...objects: object[]): Promise<void>;
  /** A kubeconfig of a service account that exists, for what is allowed to it alone; through a front when its URL is given. */
  kubeconfigFor(namespace: string, serviceAccount: string, url?: string): Promise<string>;
  apiServer: EmbeddedServer;
  etcd: EmbeddedServer;
  controllerManager: EmbeddedServer;
  scheduler: EmbeddedServer;
  backUp: ControlPlane['backUp'];
  restore: ControlPlane['restore'];
  /** Undefined when the cluster was started without one. */
  node?: TestNode;
  /** Puts an image on the node, as `sandboxImage()` makes one. */
  loadImage: TestNode['loadImage'];
  /** Ends everything and removes every trace; done at the end of the test file if it is not called. */
  stop(): Promise<void>;
}

export interface ClusterOptions {
  /** A node that runs containers; `whyNoNode` tells whether this machine can have one. Without it pods stay pending. */
  node?: boolean;
  /** A default storage class, whose volumes are folders. Default: as `node`. */
  volumes?: boolean;
  /** On the node, enforces NetworkPolicies; `whyNoNetworkPolicies` tells whether this machine can. Without it they are only kept. */
  networkPolicies?: boolean;
}

/** Starts a Kubernetes of this test file's own: etcd, API server, controller manager and scheduler as child processes. */
export async function startCluster({
  node: withNode = false,
  volumes = withNode,
  networkPolicies = false,
}: ClusterOptions = {}): Promise<TestCluster> {
  const reason = withNode ? (networkPolicies ? whyNoNetworkPolicies() : whyNoNode()) : undefined;
  if (reason) throw new Error(`this machine cannot have such a node: ${reason}`);
  const binaries = await controlPlaneBinaries();
  const nodePrograms = withNode ? await nodeBinaries() : undefined;
  const policyEngine = withNode && networkPolicies ? await networkPoliciesBinary() : undefined;
  const dir = await mkdtemp(join(tmpdir(), 'sandlot-testbed-'));
  const place = withNode ? await placeNode(dir) : undefined;
  const dismissJanitor = hireJanitor(dir, place && removeNodeScript(place));
  /** What has been started, newest last. */
  const undo: (() => Promise<unknown> | unknown)[] = [dismissJanitor, () => removeFolder(dir)];
  let stopped: Promise<void> | undefined;
  const stop = () =>
    (stopped ??= (async () => {
      for (const step of undo.reverse()) await step();
    })());
  atEnd(stop);
  try {
    if (place) undo.push(() => removePlace(place));
    const plane = await startControlPlane(dir, binaries, place?.bridge.services);
    undo.push(plane.kill);
    await controllersWork(plane);
    if (volumes) undo.push(await provideVolumes(plane.client, join(dir, 'volumes')));
    const node = place && nodePrograms && (await startNode(place, plane, binaries.kube, nodePrograms));
    if (node) undo.push(node.kill);
    if (node && policyEngine) {
      const { kubeconfigPath } = plane;
      undo.push(await enforceNetworkPolicies({ dir, bridge: place.bridge, node: node.name, kubeconfigPath, binary: policyEngine }));
    }
    return { ...testCluster(dir, binaries.kube, plane, node), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function testCluster(dir: string, kube: string, plane: ControlPlane, node: TestNode | undefined): Omit<TestCluster, 'stop'> {
  const { access, kubeconfigPath, client, etcd, apiServer, controllerManager, scheduler, backUp, restore } = plane;
  return {
    url: access.url,
    access,
    kubeconfigPath,
    request: client.request,
    kubectl: (...args) => kubectl(kube, dir, kubeconfigPath, args),
    async apply(...objects) {
      const list = { apiVersion: 'v1', kind: 'List', items: objects };
      await kubectl(kube, dir, kubeconfigPath, ['apply', '--server-side', '-f', '-'], JSON.stringify(list));
    },
    async kubeconfigFor(namespace, serviceAccount, url = access.url) {
      const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${serviceAccount}/token`;
      const { status } = await client.request('POST', path, { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} });
      const file = join(dir, `${namespace}.${serviceAccount}.kubeconfig`);
      await writeKubeconfig(file, url, access.authority, { token: status.token });
      return file;
    },
    etcd,
    apiServer,
    controllerManager,
    scheduler,
    backUp,
    restore,
    node,
    async loadImage(image) {
      if (!node) throw new Error('this cluster has no node to put an image on; start it with startCluster({ node: true })');
      await node.loadImage(image);
    },
  };
}

async function removeFolder(dir: string): Promise<void> {
  await rm(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
}

/** Pods are refused in a namespace until the controller manager has made its service account. */
async function controllersWork({ client, controllerManager }: ControlPlane): Promise<void> {
  await waitFor(() => client.request('GET', '/api/v1/namespaces/default/serviceaccounts/default'), {
    within: 60_000,
    describe: `the controller manager (process ${controllerManager.pid}) to have made a service account`,
  });
}

function kubectl(kube: string, dir: string, kubeconfigPath: string, args: string[], input?: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const env = { PATH: process.env.PATH, HOME: dir, KUBECONFIG: kubeconfigPath };
    const child = execFile(kube, ['kubectl', ...args], { env, timeout: 60_000, maxBuffer: 64 * 1024 * 1024 }, (cause, stdout, stderr) =>
      cause ? reject(new Error(`kubectl ${args.join(' ')}: ${stderr.trim() || cause.message}`, { cause })) : resolve(stdout),
    );
    child.stdin?.on('error', () => undefined); // it ended without reading: its exit code tells why
    child.stdin?.end(input);
  });
}
