import { sandboxImage, startAgentSandbox, startCluster, whyNoNode, type TestCluster } from '@sandlot/testbed';
import { describeUnless, waitFor } from '@sandlot/testing';
import { startPlatform, type Platform } from './testing/platform.js';
import { refused, succeeded } from './testing/problems.js';
import { newTenant, run, type Tenant } from './testing/tenants.js';

const wait = { prefer: 'wait=30' };

// docs/how-to/run-on-kubernetes.md, as it is typed.
describeUnless(whyNoNode())('the platform on Kubernetes', () => {
  describe.each(['statefulset', 'agent-sandbox'] as const)('with SANDLOT_RUNTIME=%s', session);
});

function session(runtime: 'statefulset' | 'agent-sandbox'): void {
  let testbed: TestCluster;
  let platform: Platform;
  let alice: Tenant;
  const [plural, workload] =
    runtime === 'statefulset' ? ['statefulsets', 'statefulset.apps/s1'] : ['sandboxes.agents.x-k8s.io', 'sandbox.agents.x-k8s.io/s1'];
  const inNamespace = (...what: string[]) => testbed.kubectl('get', what.join(), '-n', 'user-alice', '-o', 'name');

  beforeAll(async () => {
    testbed = await startCluster({ node: true, volumes: true });
    const image = await sandboxImage();
    await testbed.loadImage(image);
    if (runtime === 'agent-sandbox') await startAgentSandbox(testbed);
    platform = await startPlatform({
      mode: 'standalone',
      runtime,
      env: {
        SANDLOT_KUBECONFIG: testbed.kubeconfigPath,
        SANDLOT_DEFAULT_IMAGE: image.name,
        SANDLOT_IMAGE_PULL_POLICY: 'Never',
        SANDLOT_STOP_GRACE_SECONDS: '1',
      },
    });
    alice = await newTenant(platform.admin, 'alice');
  }, 180_000);
  afterAll(async () => {
    await platform?.stop();
    await testbed?.stop();
  });

  it('S0-06 S0-27 gives a user a namespace of her own and a container in it, which answers through the proxy', async () => {
    succeeded(await alice.api.post('/api/sandboxes', { name: 's1' }, wait), 201);
    expect(await run(alice.api, 's1', 'echo kept > file; id -u')).toBe('1000\n');
    const objects = await inNamespace(plural, 'services', 'persistentvolumeclaims', 'networkpolicies', 'resourcequotas');
    for (const object of [workload, 'service/s1', 'persistentvolumeclaim/s1', 'sandlot-default-deny', 'resourcequota/sandlot'])
      expect(objects).toContain(object);
  }, 60_000);

  it('S0-30 S0-31 S2-04 S2-25 S2-35 pauses it, with no pod left, and resumes it with its file', async () => {
    expect(succeeded(await alice.api.post('/api/sandboxes/s1/pause', undefined, wait), 200).json()).toMatchObject({ state: 'paused' });
    expect(await inNamespace('pods')).toBe('');
    expect(succeeded(await alice.api.post('/api/sandboxes/s1/resume', undefined, wait), 200).json()).toMatchObject({ state: 'running' });
    expect(await run(alice.api, 's1', 'cat file')).toBe('kept\n');
  }, 60_000);

  it('S2-31 gives out its files as tar, and takes them in again', async () => {
    const { bytes } = succeeded(await alice.api.get('/api/v1/sandboxes/s1/workspace'), 200);
    await run(alice.api, 's1', 'rm file');
    expect(succeeded(await alice.api.put('/api/v1/sandboxes/s1/workspace', bytes), 200).json()).toMatchObject({ files: 1 });
    expect(await run(alice.api, 's1', 'cat file')).toBe('kept\n');
  }, 60_000);

  it('says why a sandbox does not run, in the cluster’s words, in its state', async () => {
    const secrets = [{ secretName: 'nowhere', key: 'x', env: 'X' }];
    const seen = succeeded(await alice.api.post('/api/sandboxes', { name: 's2', secrets }, wait), 201).json();
    expect(seen).toMatchObject({
      state: 'failed',
      reason: 'CONTAINER_CONFIG_INVALID',
      message: expect.stringMatching(/secret "nowhere" not found; check that the secret/),
    });
  }, 60_000);

  it('goes on while the API server is away: who runs is reached, and what is asked for is made when it is back', async () => {
    await testbed.apiServer.stop();
    expect(await run(alice.api, 's1', 'cat file')).toBe('kept\n');
    succeeded(await alice.api.post('/api/sandboxes', { name: 's3' }), 202);
    expect(await run(alice.api, 's1', 'cat file')).toBe('kept\n');
    await testbed.apiServer.restart();
    const state = async () => succeeded(await alice.api.get('/api/sandboxes/s3'), 200).json<{ state: string }>().state;
    await waitFor(state, { within: 60_000, describe: 's3 to run' }, (now) => now === 'running');
    succeeded(await alice.api.send('DELETE', '/api/sandboxes/s3', { headers: wait, withinMs: 40_000 }), 204);
  }, 120_000);

  it('S0-07 refuses the eleventh sandbox with the names of those that hold the quota, and deletes them all with nothing left behind', async () => {
    const names = Array.from({ length: 10 }, (_, index) => `s${index + 1}`);
    for (const name of names.slice(2)) succeeded(await alice.api.post('/api/sandboxes', { name }), 202);
    const eleventh = refused(await alice.api.post('/api/sandboxes', { name: 's11' }), 'QUOTA_EXCEEDED');
    expect(eleventh).toMatchObject({ limit: 10, holders: expect.arrayContaining([expect.objectContaining({ name: 's10' })]) });
    await Promise.all(
      names.map(async (name) =>
        succeeded(await alice.api.send('DELETE', `/api/sandboxes/${name}`, { headers: wait, withinMs: 40_000 }), 204),
      ),
    );
    expect(await inNamespace('pods', 'services', plural, 'persistentvolumeclaims')).toBe('');
  }, 90_000);
}
