import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { SandboxListing } from '@sandlot/contracts';
import { startCluster, type TestCluster } from '@sandlot/testbed';
import { describeUnless, waitFor } from '@sandlot/testing';
import { startPlatform, type Platform } from './testing/platform.js';
import { succeeded } from './testing/problems.js';
import { newTenant, type Tenant } from './testing/tenants.js';

// Stands in for a pod's address: the proxy dials no loopback address on Kubernetes.
const [ip] = Object.values(networkInterfaces()).flatMap((found = []) => found.filter(({ family, internal }) => family === 'IPv4' && !internal).map(({ address }) => address)); // prettier-ignore

const definition = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: {
    name: 'sandboxes.agents.x-k8s.io',
    annotations: { 'api-approved.kubernetes.io': 'https://github.com/kubernetes-sigs/agent-sandbox' },
  },
  spec: {
    group: 'agents.x-k8s.io',
    scope: 'Namespaced',
    names: { kind: 'Sandbox', listKind: 'SandboxList', plural: 'sandboxes', singular: 'sandbox' },
    versions: [
      {
        name: 'v1beta1',
        served: true,
        storage: true,
        schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
      },
    ],
  },
};
const sandboxes = '/apis/agents.x-k8s.io/v1beta1/namespaces/research/sandboxes';
const pods = '/api/v1/namespaces/research/pods';

// docs/how-to/discover-sandboxes.md
describeUnless(ip ? undefined : 'this machine has no address but loopback')('Sandboxes that somebody else made', () => {
  let testbed: TestCluster;
  let platform: Platform;
  let alice: Tenant;
  let bob: Tenant;
  let server: Server;

  beforeAll(async () => {
    server = createServer((request, response) => response.end(`answered ${request.url}`));
    await new Promise<void>((done) => server.listen(0, ip, done));
    testbed = await startCluster();
    await testbed.apply(definition);
    await testbed.kubectl('create', 'namespace', 'research');
    platform = await startPlatform({
      mode: 'standalone',
      runtime: 'statefulset',
      env: { SANDLOT_KUBECONFIG: testbed.kubeconfigPath, SANDLOT_DISCOVERY: 'research', SANDLOT_DISCOVERY_REFRESH: '1' },
    });
    [alice, bob] = [await newTenant(platform.admin, 'alice'), await newTenant(platform.admin, 'bob')];
  }, 180_000);
  afterAll(async () => {
    server.close();
    await platform?.stop();
  });

  const make = async (name: string, user: string) => {
    const object = {
      apiVersion: 'agents.x-k8s.io/v1beta1',
      kind: 'Sandbox',
      metadata: { name, labels: { user } },
      spec: { podTemplate: {} },
    };
    return waitFor(() => testbed.request('POST', sandboxes, object), { describe: 'Sandboxes to be served' });
  };
  /** As its controller makes it, and its node says that it is ready. */
  const givePod = async ({ metadata: { name, uid } }: { metadata: { name: string; uid?: string } }) => {
    const owner = { apiVersion: 'agents.x-k8s.io/v1beta1', kind: 'Sandbox', name, uid, controller: true };
    const { port: containerPort } = server.address() as AddressInfo;
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, labels: { 'agents.x-k8s.io/sandbox-name-hash': 'x' }, ownerReferences: [owner] },
      spec: { containers: [{ name: 'main', image: 'any:1', ports: [{ containerPort }] }] },
    };
    await waitFor(() => testbed.request('POST', pods, pod), { describe: 'a pod to be accepted' });
    const conditions = [{ type: 'Ready', status: 'True', lastTransitionTime: new Date().toISOString() }];
    const status = { phase: 'Running', podIP: ip, podIPs: [{ ip }], conditions };
    await testbed.request('PATCH', `${pods}/${name}/status`, { status }, 'application/merge-patch+json');
  };
  const answers = (tenant: { api: Platform['admin'] }, status: number) =>
    waitFor(
      () => tenant.api.get('/alice/lab/hello'),
      { describe: `${status} from /alice/lab` },
      (answer) => answer.status === status,
    );
  const listed = async (tenant: { api: Platform['admin'] }) =>
    succeeded(await tenant.api.get('/sandboxes'), 200).json<SandboxListing>().sandboxes;
  const trail = async () =>
    succeeded(await platform.admin.get('/api/v1/audit-logs?target=alice_lab'), 200)
      .json<{ items: { action: string; reason: string | null }[] }>()
      .items.map(({ action, reason }) => [action, reason]);

  const lastWithdrawn = (why: string) => waitFor(trail, { describe: `a withdrawal for ${why}` }, ([last]) => last?.[1] === why);

  it('S1-02 S1-11 are listed and answer 503 while their pod is not ready, then through the proxy to their user and to administrators alone', async () => {
    const lab = await make('lab', 'alice');
    await answers(alice, 503);
    expect(await listed(alice)).toEqual([{ path: 'alice/lab', service: 'lab', namespace: 'research', ready: false }]);
    await givePod(lab);
    expect((await answers(alice, 200)).text).toBe('answered /hello');
    expect(await listed(alice)).toEqual([{ path: 'alice/lab', service: ip, namespace: 'research', ready: true }]);
    expect([(await bob.api.get('/alice/lab/hello')).status, await listed(bob)]).toEqual([404, []]);
    expect((await platform.admin.get('/alice/lab/hello')).status).toBe(200);
    expect(await listed({ api: platform.admin })).toHaveLength(1);
  });

  it('S1-07 are counted by /health', async () => {
    const count = async () => succeeded(await platform.nobody.get('/health'), 200).json<{ sandboxes: number }>().sandboxes;
    await waitFor(count, { describe: 'a count of 1' }, (sandboxes) => sandboxes === 1);
  });

  it('give way to an own sandbox of that name, and come back when that is gone', async () => {
    succeeded(await alice.api.post('/api/sandboxes', { name: 'lab' }), 202);
    await answers(alice, 503);
    const taken = {
      path: 'alice/lab',
      service: 'lab',
      namespace: 'research',
      ready: false,
      reason: 'NAME_TAKEN',
      message: expect.any(String),
    };
    await waitFor(() => listed(alice), { describe: 'it to say that its name is taken' }, (all) => all.some(({ reason }) => reason === 'NAME_TAKEN')); // prettier-ignore
    expect(await listed(alice)).toContainEqual(taken);
    await lastWithdrawn('NAME_TAKEN');
    succeeded(await alice.api.send('DELETE', '/api/sandboxes/lab'), 202);
    await answers(alice, 200);
  }, 60_000);

  it('answer 404 once they are gone, or discovery is switched off, and the trail says since when', async () => {
    await platform.kill('standalone', 'SIGTERM');
    await platform.restart('standalone', { SANDLOT_DISCOVERY: '' });
    await answers(alice, 404);
    await lastWithdrawn('GONE');
    await platform.kill('standalone', 'SIGTERM');
    await platform.restart('standalone');
    await answers(alice, 200);
    await testbed.request('DELETE', `${sandboxes}/lab`);
    await answers(alice, 404);
    await lastWithdrawn('GONE');
    expect((await trail()).reverse()).toEqual([
      ['discovery.published', null],
      ['discovery.withdrawn', 'NAME_TAKEN'],
      ['discovery.published', null],
      ['discovery.withdrawn', 'GONE'],
      ['discovery.published', null],
      ['discovery.withdrawn', 'GONE'],
    ]);
  }, 60_000);
});
