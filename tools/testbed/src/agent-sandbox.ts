import { dirname } from 'node:path';
import { atEnd, waitFor } from '@sandlot/testing';
import { agentSandboxFiles } from './binaries.js';
import type { TestCluster } from './cluster.js';
import { ClusterServer } from './server.js';

const DEFINITION = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/sandboxes.agents.x-k8s.io';

/**
 * The controller of kubernetes-sigs/agent-sandbox and its definition of Sandbox, in `v1beta1` alone: what converts to and from an older
 * version is a webhook, which a control plane without a network of Services cannot call.
 */
export async function startAgentSandbox({ kubeconfigPath, kubectl, request, controllerManager }: TestCluster): Promise<void> {
  const { controller, definition } = await agentSandboxFiles();
  await kubectl('apply', '--server-side', '-f', definition);
  const { spec } = await request('GET', DEFINITION);
  const versions = spec.versions.filter(({ name }: { name: string }) => name === 'v1beta1');
  const alone = { spec: { conversion: { strategy: 'None', webhook: null }, versions } };
  await request('PATCH', DEFINITION, alone, 'application/merge-patch+json');
  await waitFor(() => request('GET', '/apis/agents.x-k8s.io/v1beta1/sandboxes'), { describe: 'Sandboxes to be served' });
  await controllerManager.restart(); // or the garbage collector would know Sandboxes half a minute later
  const server = await ClusterServer.start({
    name: 'agent-sandbox-controller',
    dir: dirname(kubeconfigPath),
    command: [
      controller,
      `--kubeconfig=${kubeconfigPath}`,
      '--enable-webhook=false',
      '--leader-elect=false',
      '--metrics-bind-address=0',
      '--health-probe-bind-address=0',
    ],
  });
  atEnd(() => server.kill());
}
