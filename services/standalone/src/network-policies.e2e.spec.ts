import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { promisify } from 'node:util';
import { sandboxImage, startCluster, whyNoNetworkPolicies, type Image, type TestCluster } from '@sandlot/testbed';
import { atEnd, describeUnless, waitFor } from '@sandlot/testing';
import { startPlatform } from './testing/platform.js';
import { newSandbox, newTenant, run, type Tenant } from './testing/tenants.js';

type Place = [host: string, port: number];
type Seen = Record<string, 'open' | 'closed'>;
type Client = (program: string) => Promise<string>;

/** A refused packet is dropped, so nothing but time tells. */
const giveUpAfterMs = 3_000;

// What the policies of a namespace say is tested by content elsewhere. Here packets are sent, and an engine that is not ours decides on them.
describeUnless(whyNoNetworkPolicies())('the network of sandboxes', () => {
  let testbed: TestCluster;
  let image: Image;
  let alice: Tenant;
  let bob: Tenant;
  /** Who listens on the machine, each on an address of its own: all of them are reached by who is under no policy. */
  let places: Record<'public' | 'dns' | 'not the dns' | 'metadata' | 'node', Place>;
  const sandboxes: Record<string, Place> = {};

  beforeAll(async () => {
    testbed = await startCluster({ node: true, networkPolicies: true });
    image = await sandboxImage();
    await testbed.loadImage(image);
    places = await listenOnNode(testbed);
    const platform = await startPlatform({
      mode: 'standalone',
      runtime: 'statefulset',
      env: {
        SANDLOT_KUBECONFIG: testbed.kubeconfigPath,
        SANDLOT_DEFAULT_IMAGE: image.name,
        SANDLOT_IMAGE_PULL_POLICY: 'Never',
        SANDLOT_STOP_GRACE_SECONDS: '1',
        SANDLOT_DNS_PEERS: `${places.dns[0]}/32`,
      },
    });
    [alice, bob] = [await newTenant(platform.admin, 'alice'), await newTenant(platform.admin, 'bob')];
    for (const [tenant, name] of [[alice, 's1'], [alice, 's2'], [bob, 's1']] as const) await newSandbox(tenant.api, name);
    for (const [name, namespace, pod] of [['own', 'user-alice', 's2-0'], ['other', 'user-bob', 's1-0'], ['hers', 'user-alice', 's1-0']] as const) {
      const { status } = await testbed.request('GET', `/api/v1/namespaces/${namespace}/pods/${pod}`);
      sandboxes[name] = [status.podIP, 8888];
    }
    await testbed.kubectl('create', 'namespace', 'sandlot');
    await startPod(testbed, image, 'proxy', { 'app.kubernetes.io/component': 'proxy' });
    await startPod(testbed, image, 'stranger', {});
  }, 240_000); // prettier-ignore

  const inSandbox =
    (tenant: Tenant): Client =>
    (program) =>
      run(tenant.api, 's1', `/usr/local/bin/node -e '${program}'`);
  const inPod =
    (name: string): Client =>
    (program) =>
      testbed.kubectl('exec', '-n', 'sandlot', name, '--', '/usr/local/bin/node', '-e', program);

  it('S0-08 S0-66 S2-06 S2-09 lets the proxy in, and no other pod, not even of the same user', async () => {
    expect(await reach(inPod('proxy'), { hers: sandboxes['hers']! })).toEqual({ hers: 'open' });
    expect(await reach(inPod('stranger'), { hers: sandboxes['hers']! })).toEqual({ hers: 'closed' });
    const { own, other } = sandboxes as Record<string, Place>;
    expect(await reach(inSandbox(alice), { own: own!, other: other! })).toEqual({ own: 'closed', other: 'closed' });
    expect(await reach(inSandbox(bob), { hers: sandboxes['hers']! })).toEqual({ hers: 'closed' });
  }, 60_000);

  it('S0-08 lets sandboxes out to the public internet and the DNS, and to nothing that is not public', async () => {
    const everything = Object.fromEntries(Object.keys(places).map((name) => [name, 'open']));
    expect(await reach(inPod('stranger'), places)).toEqual(everything); // so what is closed below is closed by the policies
    expect(await reach(inSandbox(alice), places)).toEqual({ ...everything, 'not the dns': 'closed', metadata: 'closed', node: 'closed' });
  }, 60_000);

  it('closes again what was opened by hand', async () => {
    const path = '/apis/networking.k8s.io/v1/namespaces/user-alice/networkpolicies/sandlot-ingress';
    const { spec } = await testbed.request('GET', path);
    await testbed.request('PATCH', path, { spec: { ingress: [{}] } }, 'application/merge-patch+json');
    await waitFor(async () => JSON.stringify((await testbed.request('GET', path)).spec) === JSON.stringify(spec), {
      describe: 'the policy to be as it was',
    });
    expect(await reach(inPod('stranger'), { hers: sandboxes['hers']! })).toEqual({ hers: 'closed' });
  }, 60_000);
});

/** From where `client` runs a program: whether somebody takes a connection. */
async function reach(client: Client, to: Record<string, Place>): Promise<Seen> {
  const program =
    `const { connect } = require("node:net");` +
    `Promise.all(Object.entries(${JSON.stringify(to)}).map(([name, [host, port]]) => new Promise((resolve) => {` +
    `const socket = connect({ host, port, timeout: ${giveUpAfterMs} });` +
    `const done = (seen) => { socket.destroy(); resolve([name, seen]); };` +
    `socket.on("connect", () => done("open")).on("timeout", () => done("closed")).on("error", () => done("closed"));` +
    `}))).then((all) => console.log(JSON.stringify(Object.fromEntries(all))))`;
  return JSON.parse(await client(program)) as Seen;
}

/** The machine's addresses on the network of pods stand for what is elsewhere: no packet leaves it. */
async function listenOnNode(testbed: TestCluster) {
  const { status } = await testbed.request('GET', `/api/v1/nodes/${testbed.node!.name}`);
  const node = status.addresses.find(({ type }: { type: string }) => type === 'InternalIP').address as string;
  const [bridge] = Object.entries(networkInterfaces()).find(([, addresses]) => addresses?.some(({ address }) => address === node))!;
  const number = node.split('.')[2]!;
  // Of a network that is public by the registries and has nobody in it; of the link, where clouds have their metadata; and of a cluster's Services.
  const [open, metadata, dns] = [`192.31.196.${number}`, `169.254.${number}.254`, `10.97.${number}.53`];
  for (const address of [open, metadata, dns]) await promisify(execFile)('ip', ['address', 'add', `${address}/32`, 'dev', bridge]);
  const places = {
    public: [open, 443],
    dns: [dns, 53],
    'not the dns': [dns, 443],
    metadata: [metadata, 80],
    node: [node, 443],
  } satisfies Record<string, Place>;
  for (const [host, port] of Object.values(places)) {
    const server = createServer((socket) => socket.end()).listen(port, host);
    await once(server, 'listening');
    atEnd(() => void server.close());
  }
  return places as Record<keyof typeof places, Place>;
}

async function startPod(testbed: TestCluster, image: Image, name: string, labels: Record<string, string>): Promise<void> {
  const path = '/api/v1/namespaces/sandlot/pods';
  await waitFor(() => testbed.request('GET', '/api/v1/namespaces/sandlot/serviceaccounts/default'));
  await testbed.request('POST', path, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels },
    spec: { terminationGracePeriodSeconds: 1, containers: [{ name, image: image.name, imagePullPolicy: 'Never' }] },
  });
  await waitFor(
    () => testbed.request('GET', `${path}/${name}`),
    { within: 60_000, describe: `the pod ${name} to run` },
    ({ status }) => status.phase === 'Running',
  );
}
