import { createHash } from 'node:crypto';
import { ApiError, type TestCluster } from '@sandlot/testbed';
import type { AgentSandboxVersion } from '../agent-sandbox.js';
import type { KubernetesObject, Resource } from '../cluster.js';
import { hasEnded, isReady, type Pod } from '../pod.js';
import { agentSandboxes } from '../sandbox-resources.js';
import { isOwnedBy } from '../workload.js';
import { connect } from './connected.js';
import { unlessGone } from './unless-gone.js';

interface Sandbox extends KubernetesObject {
  spec?: {
    operatingMode?: string;
    replicas?: number;
    service?: boolean;
    podTemplate?: {
      metadata?: { labels?: Record<string, string>; annotations?: Record<string, string> };
      spec?: { containers?: { ports?: { containerPort: number }[] }[] };
    };
  };
  status?: object;
}

const pods: Resource = { apiVersion: 'v1', kind: 'Pod', plural: 'pods', namespaced: true };

/**
 * Plays the controller of agent-sandbox: a pod for each Sandbox that is not suspended, of its own name, a headless Service where it is
 * asked for, and its conditions. Like that one it never replaces a pod that has ended, reports a refused pod as `ReconcilerError`, and leaves
 * deleting to the garbage collector. Up to v0.4.6 (`v1alpha1`) a paused Sandbox is called Ready.
 */
export async function standInAgentSandbox(testbed: TestCluster, version: AgentSandboxVersion): Promise<void> {
  const { cluster } = await connect(testbed.kubeconfigPath);
  const sandboxes = agentSandboxes(version, true);
  const path = ({ metadata }: KubernetesObject, plural: string) => `/api/v1/namespaces/${metadata.namespace}/${plural}`;

  const reconcile = async (sandbox: Sandbox): Promise<void> => {
    if (sandbox.metadata.deletionTimestamp !== undefined) return;
    const running = version === 'v1beta1' ? sandbox.spec?.operatingMode !== 'Suspended' : sandbox.spec?.replicas !== 0;
    const pod = cluster.find(pods, sandbox.metadata) as Pod | undefined;
    const owned = pod && isOwnedBy(pod, sandbox) ? pod : undefined;
    if (!running && owned && owned.metadata.deletionTimestamp === undefined)
      await testbed.request('DELETE', `${path(sandbox, 'pods')}/${owned.metadata.name}`);
    const fault = running && !pod ? await make(sandbox) : undefined;
    await report(sandbox, running, owned, fault);
    if (fault) setTimeout(() => void again(sandbox), 300).unref();
  };

  const make = async (sandbox: Sandbox): Promise<string | undefined> => {
    const { name, uid } = sandbox.metadata;
    const { metadata, spec } = sandbox.spec?.podTemplate ?? {};
    const hash = { 'agents.x-k8s.io/sandbox-name-hash': createHash('sha256').update(name).digest('hex').slice(0, 8) };
    const owner = { apiVersion: sandbox.apiVersion, kind: 'Sandbox', name, uid, controller: true, blockOwnerDeletion: true };
    try {
      await testbed.request('POST', path(sandbox, 'pods'), {
        metadata: { name, labels: { ...metadata?.labels, ...hash }, annotations: metadata?.annotations, ownerReferences: [owner] },
        spec,
      });
      if (sandbox.spec?.service)
        await testbed.request('POST', path(sandbox, 'services'), {
          metadata: { name, labels: hash, ownerReferences: [owner] },
          spec: {
            clusterIP: 'None',
            selector: hash,
            ports: (spec?.containers ?? []).flatMap(({ ports = [] }) =>
              ports.map(({ containerPort: port }) => ({ name: `p-${port}-tcp`, port })),
            ),
          },
        });
      return undefined;
    } catch (error) {
      if (error instanceof ApiError && error.status === 409) return undefined;
      return `Error seen: ${String(error)}`;
    }
  };

  const report = async (sandbox: Sandbox, running: boolean, pod: Pod | undefined, fault: string | undefined) => {
    const lastTransitionTime = new Date().toISOString();
    const [status, reason, message] = fault
      ? ['False', 'ReconcilerError', fault]
      : running
        ? pod && isReady(pod)
          ? ['True', 'DependenciesReady', '']
          : ['False', pod && hasEnded(pod) ? 'PodFailed' : 'DependenciesNotReady', 'Pod exists with phase: Pending']
        : version === 'v1alpha1'
          ? ['True', 'DependenciesReady', 'Pod does not exist, replicas is 0; Service Exists']
          : ['False', 'SandboxSuspended', 'Sandbox is suspended'];
    const body = {
      status: {
        conditions: [{ type: 'Ready', status, reason, message, lastTransitionTime }],
        ...(pod?.status?.podIP && { podIPs: [pod.status.podIP] }),
      },
    };
    const url = `/apis/${sandbox.apiVersion}/namespaces/${sandbox.metadata.namespace}/sandboxes/${sandbox.metadata.name}/status`;
    const before = JSON.stringify(
      (sandbox.status as { conditions?: { status: string; reason: string; message: string }[] })?.conditions?.map((one) => [
        one.status,
        one.reason,
        one.message,
      ]),
    );
    if (before === JSON.stringify([[status, reason, message]])) return;
    await testbed.request('PATCH', url, body, 'application/merge-patch+json');
  };

  const again = async (of: KubernetesObject): Promise<void> => {
    const sandbox = cluster.find(sandboxes, of.metadata);
    if (sandbox) await reconcile(sandbox as Sandbox).catch(unlessGone);
  };
  await Promise.all([cluster.follow(pods), cluster.follow(sandboxes)]);
  await cluster.follow(pods, (pod) => void again(pod));
  await cluster.follow(sandboxes, (sandbox, event) => void (event === 'present' && again(sandbox)));
}
