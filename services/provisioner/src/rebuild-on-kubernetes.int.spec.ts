import { startCluster, type KubernetesObject } from '@sandlot/testbed';
import { waitFor } from '@sandlot/testing';
import { runtimeOn } from './adapters/kubernetes/testing/runtime-on.js';
import { standInNode } from './adapters/kubernetes/testing/stand-in-node.js';
import { context, platform } from './rebuild.fixture.js';

const claim = '/api/v1/namespaces/user-alice/persistentvolumeclaims';

async function cluster() {
  const testbed = await startCluster({ volumes: true });
  await standInNode(testbed);
  return testbed;
}

/** What a backup brings back: the object without what the API server gave it. */
const restored = ({ apiVersion, kind, metadata, spec }: KubernetesObject) => {
  const { name, namespace, labels, annotations: { 'sandlot.dev/on-delete': onDelete } = {} } = metadata;
  const { volumeName: _, ...wanted } = (spec ?? {}) as { volumeName?: string };
  return {
    apiVersion,
    kind,
    metadata: { name, namespace, labels, ...(onDelete && { annotations: { 'sandlot.dev/on-delete': onDelete } }) },
    spec: kind === 'Namespace' ? {} : wanted,
  };
};

it('a rebuild fills an empty cluster, and gives sandboxes the volumes again that a backup has brought back', async () => {
  const lost = await cluster();
  const { now, request, on, types } = platform((await runtimeOn(lost)).runtime);
  const [first, second] = [await request('s1'), await request('s2')];
  for (const id of [first, second])
    await waitFor(
      async () => (await now.settle(id), now.runtime.find(id)),
      { within: 30_000, describe: 'the sandbox runs' },
      (found) => found.exists && found.seen.phase === 'running',
    );
  const copies = [restored(await lost.request('GET', '/api/v1/namespaces/user-alice')), restored(await lost.request('GET', `${claim}/s1`))];
  await now.runtime.close();
  await lost.stop();

  const testbed = await cluster();
  for (const copy of copies) await testbed.apply(copy);
  const { metadata: kept } = await testbed.request('GET', `${claim}/s1`);
  const { rebuild, runtime } = on((await runtimeOn(testbed)).runtime);
  const plan = await rebuild.plan();
  expect(plan).toMatchObject({
    runtime: 'statefulset',
    namespaces: [{ name: 'user-alice', outcome: 'comes-back', concerns: ['quota', 'network-policy', 'service-account'] }],
  });
  expect(plan.sandboxes).toMatchObject([
    { id: first, outcome: 'comes-back', as: 'running', volumes: [{ name: 'work', outcome: 're-attaches' }] },
    { id: second, outcome: 'comes-back', as: 'running', volumes: [{ name: 'work', outcome: 'is-made-anew' }] },
  ]);
  await rebuild.start(context(), 'the cluster is lost');
  await waitFor(() => types().includes('runtime.rebuild-completed.v1'), { within: 20_000 });
  for (const id of [first, second])
    await waitFor(
      () => runtime.find(id),
      { within: 30_000, describe: 'the sandbox runs again' },
      (found) => found.exists && found.seen.phase === 'running',
    );
  expect((await testbed.request('GET', `${claim}/s1`)).metadata.uid).toBe(kept.uid);
  expect((await rebuild.status()).plan).toMatchObject({ namespaces: [], sandboxes: [] });
}, 120_000);
