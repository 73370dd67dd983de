import { startAgentSandbox, startCluster, type TestCluster } from '@sandlot/testbed';
import { waitFor } from '@sandlot/testing';
import { testRuntime } from '../runtime.features.js';
import type { AgentSandboxVersion } from './agent-sandbox.js';
import { agentSandboxDefinition } from './testing/agent-sandbox-definition.js';
import { runtimeOn } from './testing/runtime-on.js';
import { standInAgentSandbox } from './testing/stand-in-agent-sandbox.js';
import { podOf, standInNode } from './testing/stand-in-node.js';

const standIn = (version: AgentSandboxVersion) => async (testbed: TestCluster) => {
  await testbed.apply(agentSandboxDefinition([version]));
  await waitFor(() => testbed.request('GET', `/apis/agents.x-k8s.io/${version}/sandboxes`), { describe: 'Sandboxes to be served' });
  await testbed.controllerManager.restart(); // or it would count Sandboxes half a minute later
  await standInAgentSandbox(testbed, version);
};

// Its own controller, and a stand-in for those of older versions, which tells what a newer one does not.
for (const [name, start] of [
  ['v1beta1, its own controller', startAgentSandbox],
  ['v1beta1', standIn('v1beta1')],
  ['v1alpha1', standIn('v1alpha1')],
] as const)
  testRuntime(`S4-07 S4-16 agent-sandbox (${name})`, async () => {
    const testbed = await startCluster({ volumes: true });
    const node = await standInNode(testbed);
    await start(testbed);
    const { runtime } = await runtimeOn(testbed, { workload: 'agent-sandbox' });
    return {
      runtime,
      real: false,
      crash: async (sandboxId) => node.crash(await podOf(node, sandboxId)),
      occupyNamespace: async (name) => {
        await testbed.kubectl('create', 'namespace', name);
      },
    };
  });
