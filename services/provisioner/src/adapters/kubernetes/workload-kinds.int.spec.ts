import { startCluster, type TestCluster } from '@sandlot/testbed';
import { waitFor } from '@sandlot/testing';
import type { AgentSandboxVersion } from './agent-sandbox.js';
import { agentSandboxDefinition } from './testing/agent-sandbox-definition.js';
import { givenSandboxes } from './testing/given-sandboxes.js';
import { runtimeOn } from './testing/runtime-on.js';
import { standInAgentSandbox } from './testing/stand-in-agent-sandbox.js';
import { podOf, standInNode, type StandInNode } from './testing/stand-in-node.js';

const serve = async (testbed: TestCluster, versions: readonly AgentSandboxVersion[], options = {}) => {
  await testbed.apply(agentSandboxDefinition(versions, options));
  const served = async () =>
    (await testbed.request('GET', '/apis/agents.x-k8s.io')).versions.map(({ version }: { version: string }) => version);
  await waitFor(
    served,
    { describe: `${String(versions)} to be served` },
    (now) => versions.every((version) => now.includes(version)) && now.length === versions.length,
  );
  await testbed.controllerManager.restart(); // or it would count Sandboxes half a minute later
};

describe('the kind of workload', () => {
  let testbed: TestCluster;
  let node: StandInNode;
  beforeEach(async () => {
    testbed = await startCluster({ volumes: true });
    node = await standInNode(testbed);
  }, 120_000);
  afterEach(() => testbed.stop());

  it('is the one that was chosen, or the cluster is said not to have it', async () => {
    await expect(runtimeOn(testbed, { workload: 'agent-sandbox' })).rejects.toThrow(
      /serves no sandboxes\.agents\.x-k8s\.io in v1beta1 or v1alpha1: install agent-sandbox, or set SANDLOT_RUNTIME=statefulset/,
    );
    expect((await runtimeOn(testbed, { workload: 'auto' })).runtime.name).toBe('statefulset');
  });

  it('S4-07 S4-16 stays what a sandbox was made as, when the cluster has got the other one', async () => {
    const before = await runtimeOn(testbed, { workload: 'auto' });
    const old = await givenSandboxes(before.runtime).given();
    await old.seen('running');
    await before.runtime.close();

    await serve(testbed, ['v1beta1']);
    await standInAgentSandbox(testbed, 'v1beta1');
    const { runtime } = await runtimeOn(testbed, { workload: 'auto' });
    expect(runtime.name).toBe('agent-sandbox');
    const found = await runtime.find(old.id);
    expect(found).toMatchObject({ exists: true, running: true, seen: { phase: 'running' } });
    const young = await givenSandboxes(runtime).given();
    await young.seen('running');
    expect(await testbed.kubectl('get', 'sandboxes.agents.x-k8s.io,statefulsets', '-A', '-o', 'name')).toBe(
      'sandbox.agents.x-k8s.io/s1\nstatefulset.apps/s1\n',
    );
    if (found.exists) await runtime.apply(old.id, { do: 'stop', uid: found.uid });
    await waitFor(
      () => runtime.find(old.id),
      { describe: 'the old one to stop' },
      (now) => now.exists && now.seen.phase === 'stopped',
    );
    await young.deleted();
  });

  it('S1-06 is found again when its definition is changed under us, also when the old version is not served any more', async () => {
    await serve(testbed, ['v1alpha1']);
    await standInAgentSandbox(testbed, 'v1alpha1');
    const { runtime } = await runtimeOn(testbed, { workload: 'agent-sandbox' });
    const sandbox = await givenSandboxes(runtime).given();
    const { uid } = await sandbox.seen('running');

    await serve(testbed, ['v1alpha1', 'v1beta1']);
    // What the storage migration does: an object is stored in the version that it was last written in.
    const path = (version: AgentSandboxVersion) => `/apis/agents.x-k8s.io/${version}/namespaces/${sandbox.place.namespace}/sandboxes/s1`;
    const rewritten = { metadata: { annotations: { rewritten: 'yes' } } };
    await testbed.request('PATCH', path('v1beta1'), rewritten, 'application/merge-patch+json');
    const definition = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/sandboxes.agents.x-k8s.io';
    await testbed.request('PATCH', `${definition}/status`, { status: { storedVersions: ['v1beta1'] } }, 'application/merge-patch+json');
    await serve(testbed, ['v1beta1']);
    await standInAgentSandbox(testbed, 'v1beta1');
    await waitFor(
      () => runtime.apply(sandbox.id, { do: 'stop', uid }).then(() => runtime.find(sandbox.id)),
      { describe: 'a pause in the new words' },
      (found) => found.exists && found.uid === uid && found.seen.phase === 'stopped',
    );
    const { spec } = await testbed.request('GET', path('v1beta1'));
    expect(spec).toMatchObject({ operatingMode: 'Suspended' });
  }, 60_000);

  it('is asked for a Service only where the definition has such a field', async () => {
    await serve(testbed, ['v1alpha1'], { service: false });
    await standInAgentSandbox(testbed, 'v1alpha1');
    const { runtime } = await runtimeOn(testbed, { workload: 'agent-sandbox', routeBy: 'service' });
    const sandbox = await givenSandboxes(runtime).given();
    const { uid, seen } = await sandbox.seen('running');
    expect(seen).toMatchObject({ addresses: [{ address: `s1.${sandbox.place.namespace}.svc:8888` }] });
    await runtime.apply(sandbox.id, { do: 'stop', uid });
    await sandbox.seen('stopped');
    await runtime.apply(sandbox.id, { do: 'start', uid, place: sandbox.place });
    await sandbox.seen('running');
  });

  it('S4-20 has its evicted pod replaced where its controller never does that', async () => {
    await serve(testbed, ['v1beta1']);
    await standInAgentSandbox(testbed, 'v1beta1');
    const { runtime } = await runtimeOn(testbed, { workload: 'agent-sandbox' });
    const sandbox = await givenSandboxes(runtime).given();
    const { uid } = await sandbox.seen('running');
    const before = await podOf(node, sandbox.id);
    await node.evict(before);
    const failed = await sandbox.seen('failed', 'EVICTED');
    expect(failed).toMatchObject({ running: false, startableAt: expect.any(Number) });
    await runtime.apply(sandbox.id, { do: 'start', uid, place: sandbox.place });
    await sandbox.seen('running');
    expect((await podOf(node, sandbox.id)).metadata.uid).not.toBe(before.metadata.uid);
  });
});
