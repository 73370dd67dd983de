import { sandboxImage, startAgentSandbox, startCluster, whyNoNode, type TestCluster } from '@sandlot/testbed';
import { describeUnless } from '@sandlot/testing';
import type { Found } from '../../ports.js';
import { testRuntime, type RuntimeUnderTest } from '../runtime.features.js';
import { podSettings, runtimeOn } from './testing/runtime-on.js';

// The one suite again, with containers that run and the controller of agent-sandbox itself.

async function withContainers(
  workload: 'statefulset' | 'agent-sandbox',
  prepare: (testbed: TestCluster) => Promise<void>,
): Promise<RuntimeUnderTest> {
  const testbed = await startCluster({ node: true });
  const image = await sandboxImage();
  await testbed.loadImage(image);
  await prepare(testbed);
  const pods = { ...podSettings, imagePullPolicy: 'Never' as const, runtimeImage: image.name };
  const { runtime } = await runtimeOn(testbed, { workload, pods });
  const addressOf = (found: Found) => (found.exists && found.seen.phase === 'running' ? found.seen.addresses[0]!.address : undefined);
  return {
    runtime,
    real: true,
    image: image.name,
    async crash(sandboxId) {
      const address = addressOf(await runtime.find(sandboxId));
      await fetch(`http://${address}/execute`, { method: 'POST', body: '{"command":"kill -9 $PPID"}' }).catch(() => undefined);
    },
    occupyNamespace: async (name) => {
      await testbed.kubectl('create', 'namespace', name);
    },
  };
}

describeUnless(whyNoNode())('with containers', () => {
  testRuntime('statefulset', () => withContainers('statefulset', async () => undefined));

  testRuntime('agent-sandbox', () => withContainers('agent-sandbox', startAgentSandbox));
});
