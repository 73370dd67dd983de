import type { TestCluster } from '@sandlot/testbed';
import { atEnd, waitFor } from '@sandlot/testing';
import type { Resource } from '../cluster.js';
import { isReady, type ContainerStatus, type Pod, type PodCondition } from '../pod.js';
import { connect } from './connected.js';
import { unlessGone } from './unless-gone.js';

const nodeName = 'stand-in';
const pods: Resource = {
  apiVersion: 'v1',
  kind: 'Pod',
  plural: 'pods',
  namespaced: true,
  only: { field: `spec.nodeName=${nodeName}` },
};

export interface StandInNode {
  name: string;
  /** Ends the container, as a fault of its own would; it is started again, the first time at once. */
  crash(pod: Pod, how?: { exitCode?: number; reason?: string }): Promise<void>;
  /** As the kubelet does when the node runs short. */
  evict(pod: Pod, message?: string): Promise<void>;
  /** Says anything of a pod. */
  say(pod: Pod, status: object): Promise<void>;
  /** Leaves pods as they are from now on: neither started nor ended, until it is called again with `false`. */
  silent(silent?: boolean): void;
  /** The pod of that label, from memory. */
  podOf(sandboxId: string): Pod | undefined;
}

/**
 * Plays the kubelet where no container can be started: a Node that the scheduler takes, on which every pod runs and is ready at once, and
 * is gone when it is to go. Images whose name holds `missing` cannot be pulled.
 */
export async function standInNode(testbed: TestCluster): Promise<StandInNode> {
  const { cluster } = await connect(testbed.kubeconfigPath);
  const addresses = new Map<string, string>();
  const restarts = new Map<string, number>();
  let silent = false;
  await testbed.request('POST', '/api/v1/nodes', { apiVersion: 'v1', kind: 'Node', metadata: { name: nodeName } });
  const resources = { cpu: '1000', memory: '1000Gi', pods: '10000', 'ephemeral-storage': '1000Gi' };
  const node = {
    capacity: resources,
    allocatable: resources,
    conditions: [{ type: 'Ready', status: 'True', reason: 'StandIn', message: '' }],
  };
  const heartbeat = async () => {
    if (silent) return;
    const conditions = node.conditions.map((condition) => ({ ...condition, lastHeartbeatTime: new Date().toISOString() }));
    await testbed.request('PATCH', `/api/v1/nodes/${nodeName}/status`, { status: { ...node, conditions } }, 'application/merge-patch+json');
  };
  await heartbeat();
  const beating = setInterval(() => void heartbeat().catch(() => undefined), 10_000).unref();
  atEnd(() => clearInterval(beating));

  const path = ({ metadata }: Pod) => `/api/v1/namespaces/${metadata.namespace}/pods/${metadata.name}`;
  const say = async (pod: Pod, status: object) => {
    const body = { metadata: { uid: pod.metadata.uid }, status };
    await testbed.request('PATCH', `${path(pod)}/status`, body, 'application/merge-patch+json');
  };
  const addressOf = (pod: Pod) => {
    const uid = pod.metadata.uid!;
    if (!addresses.has(uid)) addresses.set(uid, `10.88.${Math.floor(addresses.size / 250)}.${(addresses.size % 250) + 2}`);
    return addresses.get(uid)!;
  };
  const runs = (pod: Pod, lastState?: ContainerStatus['lastState']) =>
    say(pod, {
      phase: 'Running',
      podIP: addressOf(pod),
      podIPs: [{ ip: addressOf(pod) }],
      conditions: conditions(pod, 'True'),
      containerStatuses: [status(pod, { ready: true, state: { running: { startedAt: new Date().toISOString() } }, lastState })],
    });
  const status = (pod: Pod, rest: Partial<ContainerStatus>) => ({
    name: 'sandbox',
    image: imageOf(pod),
    imageID: '',
    restartCount: restarts.get(pod.metadata.uid!) ?? 0,
    ready: false,
    started: rest.ready ?? false,
    ...rest,
  });

  const act = async (pod: Pod): Promise<void> => {
    if (pod.metadata.deletionTimestamp !== undefined) {
      await testbed.request('DELETE', path(pod), {
        apiVersion: 'v1',
        kind: 'DeleteOptions',
        gracePeriodSeconds: 0,
        preconditions: { uid: pod.metadata.uid },
      });
      return;
    }
    if (pod.status?.phase !== 'Pending' || pod.status.containerStatuses) return;
    if (!imageOf(pod).includes('missing')) return runs(pod);
    const message = `failed to pull and unpack image "${imageOf(pod)}": not found`;
    await say(pod, {
      conditions: conditions(pod, 'False'),
      containerStatuses: [status(pod, { state: { waiting: { reason: 'ErrImagePull', message } } })],
    });
  };
  await cluster.follow(pods, (object, event) => {
    if (!silent && event === 'present') void act(object as Pod).catch(unlessGone);
  });

  return {
    name: nodeName,
    say,
    silent(on = true) {
      silent = on;
      if (!on) for (const pod of cluster.all(pods)) void act(pod as Pod).catch(unlessGone);
    },
    podOf: (sandboxId) => cluster.select(pods, 'sandbox-id', sandboxId)[0] as Pod | undefined,
    evict: (pod, message = 'The node was low on resource: memory.') => say(pod, { phase: 'Failed', reason: 'Evicted', message }),
    async crash(pod, { exitCode = 137, reason = 'Error' } = {}) {
      const now = new Date().toISOString();
      const terminated = { exitCode, reason, startedAt: pod.metadata.creationTimestamp!, finishedAt: now };
      restarts.set(pod.metadata.uid!, (restarts.get(pod.metadata.uid!) ?? 0) + 1);
      await say(pod, {
        conditions: conditions(pod, 'False'),
        containerStatuses: [status(pod, { state: { running: { startedAt: now } }, lastState: { terminated } })],
      });
      const again = setTimeout(() => void runs(pod, { terminated }).catch(() => undefined), 500).unref();
      atEnd(() => clearTimeout(again));
    },
  };
}

const imageOf = (pod: Pod): string => (pod.spec?.containers?.[0] as { image?: string } | undefined)?.image ?? '';

const conditions = (pod: Pod, ready: PodCondition['status']): PodCondition[] => {
  const lastTransitionTime = new Date().toISOString();
  const own = ['Ready', 'ContainersReady'].map((type) => ({ type, status: ready, lastTransitionTime }));
  const rest = (pod.status?.conditions ?? []).filter(({ type }) => type !== 'Ready' && type !== 'ContainersReady');
  return [...rest, ...own];
};

/** The pod of a sandbox, once there is one. */
export const podOf = (node: StandInNode, sandboxId: string): Promise<Pod> =>
  waitFor(() => node.podOf(sandboxId), { describe: `a pod of ${sandboxId}` });

/** The same, once the node has heard from the cluster that it is ready. */
export const readyPodOf = (node: StandInNode, sandboxId: string): Promise<Pod> =>
  waitFor(
    () => node.podOf(sandboxId)!,
    { describe: `a ready pod of ${sandboxId}` },
    (pod) => pod !== undefined && isReady(pod),
  );
