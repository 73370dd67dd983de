import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { newId } from '@sandlot/kernel';
import { startCluster, type TestCluster } from '@sandlot/testbed';
import { atEnd, waitFor } from '@sandlot/testing';
import { parseAllDocuments } from 'yaml';
import type { ForeignSandbox } from '../../domain/discovery/foreign-sandbox.js';
import type { ForeignSandboxes } from '../../ports.js';
import type { AgentSandboxVersion } from './agent-sandbox.js';
import { namespaceObject } from './namespace.js';
import { openForeignSandboxes, type OpenForeignOptions } from './open-foreign-sandboxes.js';
import { agentSandboxDefinition } from './testing/agent-sandbox-definition.js';
import { standInAgentSandbox } from './testing/stand-in-agent-sandbox.js';
import { standInNode } from './testing/stand-in-node.js';

const folder = join(import.meta.dirname, '../../../../../deploy/rbac');
const manifest = (file: string) => parseAllDocuments(readFileSync(join(folder, file), 'utf8')).map((document) => document.toJS() as object);

interface Given {
  namespace?: string;
  labels?: Record<string, string>;
  ports?: { name?: string; containerPort: number; protocol?: string }[];
  hostNetwork?: boolean;
  ownerReferences?: object[];
  version?: AgentSandboxVersion;
  spec?: object;
}

let testbed: TestCluster;

async function discovery(options: Partial<OpenForeignOptions> = {}): Promise<ForeignSandboxes & { woken: string[]; calls: string[] }> {
  const calls: string[] = [];
  const foreign = await openForeignSandboxes({
    kubeconfig: testbed.kubeconfigPath,
    namespaces: ['*'],
    namespacePrefix: 'user-',
    defaultPort: 8888,
    askEveryMs: 200,
    cluster: { onRequest: ({ method }) => void calls.push(method) },
    ...options,
  });
  atEnd(() => foreign.close());
  const woken: string[] = [];
  foreign.watch((address) => void woken.push(address));
  return Object.assign(foreign, { woken, calls });
}

const path = (name: string, namespace = 'research', version: AgentSandboxVersion = 'v1beta1') =>
  `/apis/agents.x-k8s.io/${version}/namespaces/${namespace}/sandboxes/${name}`;

async function make(
  name: string,
  { namespace = 'research', labels, ports, hostNetwork, ownerReferences, version = 'v1beta1', spec }: Given = {},
) {
  const container = { name: 'main', image: 'any:1', ...(ports && { ports }) };
  return testbed.request('POST', path('', namespace, version).slice(0, -1), {
    apiVersion: `agents.x-k8s.io/${version}`,
    kind: 'Sandbox',
    metadata: { name, labels, ownerReferences },
    spec: { podTemplate: { spec: { containers: [container], ...(hostNetwork && { hostNetwork }) } }, ...spec },
  });
}

/** The one at the address, once it is like that. */
const seen = (foreign: ForeignSandboxes, address: string, wanted: (found: ForeignSandbox | undefined) => boolean) =>
  waitFor(
    () => ({ found: foreign.trouble() === undefined ? foreign.at(address)[0] : undefined }),
    { describe: address, within: 20_000 },
    ({ found }) => wanted(found),
  ).then(({ found }) => found!);
const running = (foreign: ForeignSandboxes, address: string) => seen(foreign, address, (found) => found?.state === 'running');

const serve = async (...versions: AgentSandboxVersion[]) => {
  await testbed.apply(agentSandboxDefinition(versions));
  await waitFor(
    async () => (await testbed.request('GET', '/apis/agents.x-k8s.io')).versions.map(({ version }: { version: string }) => version),
    { describe: `${String(versions)} to be served` },
    (served: string[]) => served.length === versions.length && versions.every((version) => served.includes(version)),
  );
};

describe('Sandboxes that somebody else made', () => {
  let foreign: Awaited<ReturnType<typeof discovery>>;

  beforeAll(async () => {
    testbed = await startCluster();
    await standInNode(testbed);
    for (const name of ['research', 'elsewhere', 'user-old']) await testbed.kubectl('create', 'namespace', name);
    await testbed.apply(namespaceObject('people-bob', newId('usr'), 'bob', 'baseline'));
  }, 120_000);

  it('S1-02 are none where the cluster does not serve them, and known when it does', async () => {
    foreign = await discovery();
    await waitFor(() => foreign.trouble() === undefined, { describe: 'it to know that there are none' });
    expect(foreign.all()).toEqual([]);
    await serve('v1beta1');
    await standInAgentSandbox(testbed, 'v1beta1');
    await make('first', { labels: { user: 'alice' } });
    expect(await running(foreign, 'alice_first')).toMatchObject({ namespace: 'research', user: 'alice', onHostNetwork: false });
    expect(foreign.woken).toContain('alice_first');
  });

  it('S1-04 S1-05 have the address of their pod, the default port where they declare none, and no user without the label', async () => {
    await make('plain');
    const [plain] = [await running(foreign, 'default_plain')];
    const ip = plain.ports[0]!.address.replace(/:\d+$/, '');
    expect(plain).toMatchObject({ user: undefined, ports: [{ port: 8888, address: `${ip}:8888` }] });
    const ports = [{ name: 'web', containerPort: 3000 }, { containerPort: 53, protocol: 'UDP' }, { name: 'http', containerPort: 8888 }]; // prettier-ignore
    await make('several', { ports });
    const several = await running(foreign, 'default_several');
    expect(several.ports.map(({ name, port }) => [name, port])).toEqual([['http', 8888], ['web', 3000]]); // prettier-ignore
    await make('other', { ports: [{ containerPort: 3000 }] });
    expect((await running(foreign, 'default_other')).ports.map(({ port }) => port)).toEqual([3000]);
  });

  it('S1-11 are without an address while their pod is not ready, or they are paused, and once they are being deleted there are none', async () => {
    await make('late', { labels: { user: 'alice' }, spec: { operatingMode: 'Suspended' } });
    expect(await seen(foreign, 'alice_late', (found) => found !== undefined)).toMatchObject({ state: 'paused', ports: [] });
    await testbed.request('PATCH', path('late'), { spec: { operatingMode: 'Running' } }, 'application/merge-patch+json');
    await running(foreign, 'alice_late');
    const pod = '/api/v1/namespaces/research/pods/late';
    const status = { status: { conditions: [{ type: 'Ready', status: 'False', lastTransitionTime: new Date().toISOString() }] } };
    await testbed.request('PATCH', `${pod}/status`, status, 'application/merge-patch+json');
    expect(await seen(foreign, 'alice_late', (found) => found?.state === 'starting')).toMatchObject({ ports: [] });
    await testbed.request('DELETE', path('late'));
    await seen(foreign, 'alice_late', (found) => found === undefined);
  });

  it('S1-05 move with their label', async () => {
    await make('moving', { labels: { user: 'alice' } });
    await running(foreign, 'alice_moving');
    foreign.woken.length = 0;
    await testbed.request('PATCH', path('moving'), { metadata: { labels: { user: 'carol' } } }, 'application/merge-patch+json');
    await running(foreign, 'carol_moving');
    expect(foreign.at('alice_moving')).toEqual([]);
    expect(new Set(foreign.woken)).toEqual(new Set(['alice_moving', 'carol_moving']));
  });

  it('are never ours, nor those that a pool keeps, and one pod is not taken for that of another', async () => {
    await make('ours', { labels: { 'sandlot.dev/sandbox-id': newId('sbx'), user: 'alice' } });
    const pool = { apiVersion: 'extensions.agents.x-k8s.io/v1beta1', kind: 'SandboxWarmPool', name: 'pool', uid: 'no-such' };
    await make('pooled', { labels: { user: 'alice' }, ownerReferences: [pool] });
    const labels = { 'agents.x-k8s.io/sandbox-name-hash': 'x' };
    const pod = { metadata: { name: 'impostor', labels }, spec: { containers: [{ name: 'c', image: 'any:1' }] } };
    await testbed.request('POST', '/api/v1/namespaces/research/pods', { apiVersion: 'v1', kind: 'Pod', ...pod });
    await make('impostor', { labels: { user: 'alice' } });
    await make('last', { labels: { user: 'alice' } });
    await running(foreign, 'alice_last');
    expect(foreign.at('alice_impostor')).toMatchObject([{ state: 'starting', ports: [] }]);
    expect(foreign.all().map(({ name }) => name)).not.toEqual(expect.arrayContaining(['ours']));
    expect(foreign.all().map(({ name }) => name)).not.toEqual(expect.arrayContaining(['pooled']));
  });

  it("tell whose namespace they are in, by the namespace's mark or its name, and that their pod has its node's network", async () => {
    await make('b1', { namespace: 'people-bob', labels: { user: 'alice' } });
    await make('o1', { namespace: 'user-old', labels: { user: 'alice' }, hostNetwork: true });
    expect(await seen(foreign, 'alice_b1', (found) => found !== undefined)).toMatchObject({ tenant: 'bob' });
    expect(await seen(foreign, 'alice_o1', (found) => found !== undefined)).toMatchObject({ tenant: 'old', onHostNetwork: true });
  });

  it('are only ever read, and cost no request when they change', async () => {
    expect(new Set(foreign.calls)).toEqual(new Set(['GET', 'WATCH']));
    foreign.calls.length = 0;
    await make('cheap', { labels: { user: 'alice' } });
    await running(foreign, 'alice_cheap');
    expect(foreign.calls).toEqual([]);
  });

  it('S1-15 are read with the rights of deploy/rbac/discovery.yaml alone, and without them it is said that some may be missing', async () => {
    await testbed.kubectl('create', 'namespace', 'sandlot');
    await testbed.kubectl('create', 'serviceaccount', 'sandlot-provisioner', '-n', 'sandlot');
    const kubeconfig = await testbed.kubeconfigFor('sandlot', 'sandlot-provisioner');
    const limited = await discovery({ kubeconfig });
    await waitFor(limited.trouble.bind(limited), { describe: 'the refusal' }, (trouble) => /may not be read/.test(trouble ?? ''));
    expect(limited.all()).toEqual([]);
    await testbed.apply(...manifest('discovery.yaml'));
    await running(limited, 'alice_first');
  });

  it('S1-02 are those of the listed namespaces alone, with rights in these alone', async () => {
    await testbed.kubectl('create', 'serviceaccount', 'one', '-n', 'sandlot');
    const [role] = manifest('discovery.yaml') as [{ rules: object[] }];
    const metadata = { name: 'discovery', namespace: 'elsewhere' };
    await testbed.apply(
      { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role', metadata, rules: role.rules },
      {
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'RoleBinding',
        metadata,
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'discovery' },
        subjects: [{ kind: 'ServiceAccount', name: 'one', namespace: 'sandlot' }],
      },
    );
    await make('there', { namespace: 'elsewhere', labels: { user: 'alice' } });
    const one = await discovery({ kubeconfig: await testbed.kubeconfigFor('sandlot', 'one'), namespaces: ['elsewhere'] });
    await running(one, 'alice_there');
    expect(one.all()).toHaveLength(1);
  });

  it('S1-06 are found in v1alpha1 where that alone is served, and again in v1beta1 when that comes', async () => {
    await testbed.kubectl('delete', 'sandboxes.agents.x-k8s.io', '--all', '-A');
    await testbed.kubectl('delete', 'customresourcedefinition', 'sandboxes.agents.x-k8s.io');
    await waitFor(() => foreign.all().length === 0, { describe: 'all of them to be gone', within: 20_000 });
    await serve('v1alpha1');
    await standInAgentSandbox(testbed, 'v1alpha1');
    await make('old', { version: 'v1alpha1', labels: { user: 'alice' }, spec: { replicas: 1 } });
    const { uid } = await running(foreign, 'alice_old');
    foreign.calls.length = 0;
    await serve('v1alpha1', 'v1beta1');
    await waitFor(() => foreign.calls.includes('WATCH'), { describe: 'the other version to be followed' });
    expect(await running(foreign, 'alice_old')).toMatchObject({ uid });
    await testbed.request('PATCH', path('old'), { spec: { operatingMode: 'Suspended' } }, 'application/merge-patch+json');
    await seen(foreign, 'alice_old', (found) => found?.state === 'paused');
  });
});
