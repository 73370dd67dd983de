import { startCluster } from '@sandlot/testbed';
import { testRuntime } from '../runtime.features.js';
import { runtimeOn } from './testing/runtime-on.js';
import { podOf, standInNode } from './testing/stand-in-node.js';

testRuntime('statefulset', async () => {
  const testbed = await startCluster({ volumes: true });
  const node = await standInNode(testbed);
  const { runtime } = await runtimeOn(testbed, { workload: 'statefulset' });
  return {
    runtime,
    real: false,
    crash: async (sandboxId) => node.crash(await podOf(node, sandboxId)),
    occupyNamespace: async (name) => {
      await testbed.kubectl('create', 'namespace', name);
    },
  };
});
