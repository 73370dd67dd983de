import type { UserId } from '@sandlot/kernel';
import { startCluster, type TestCluster } from '@sandlot/testbed';
import { runTwice, waitFor } from '@sandlot/testing';
import { Namespaces } from '../../namespaces.js';
import type { Runtime } from '../../ports.js';
import { Quotas } from '../../quotas.js';
import { NamespaceReconciler } from '../../reconcile/namespace.reconciler.js';
import { QuotaReconciler } from '../../reconcile/quota.reconciler.js';
import { KubernetesNamespaces } from './kubernetes-namespaces.js';
import { connect, type Connected } from './testing/connected.js';
import { concerns, namespacePlatform, options, quota } from './testing/namespace-platform.js';

let testbed: TestCluster;
let shared: Connected;
beforeAll(async () => {
  testbed = await startCluster();
  shared = await connect(testbed.kubeconfigPath);
}, 120_000);

const platform = (changes: Partial<Parameters<typeof namespacePlatform>[1]> = {}) =>
  namespacePlatform(testbed, { connected: shared, ...changes });
const kubectl = (namespace: string, ...args: string[]) => testbed.kubectl('-n', namespace, ...args);

describe("a user's namespace on Kubernetes", () => {
  it('S0-06 S0-07 S0-08 S0-49 S2-42 S2-43 is made with its marks, quota, policies and service account, each told in the log', async () => {
    const { request, settle, types, name, userId, username, get, inside, policy } = await platform();
    await request();
    await settle();
    const namespace = await get(`/api/v1/namespaces/${name}`);
    expect(namespace.metadata.labels).toMatchObject({
      'app.kubernetes.io/managed-by': 'sandlot',
      'sandlot.dev/owner': userId,
      'sandlot.dev/username': username,
      'pod-security.kubernetes.io/enforce': 'restricted',
      'pod-security.kubernetes.io/audit': 'restricted',
      'pod-security.kubernetes.io/warn': 'restricted',
    });
    expect((await inside('resourcequotas/sandlot')).spec).toEqual({
      hard: {
        'requests.cpu': '4', 'limits.cpu': '4', 'requests.memory': '8Gi', 'limits.memory': '8Gi',
        pods: '20', 'count/statefulsets.apps': '10', 'count/sandboxes.agents.x-k8s.io': '10',
      },
    }); // prettier-ignore
    expect((await inside('limitranges/sandlot')).spec).toEqual({
      limits: [{ type: 'Container', default: { cpu: '400m', memory: '768Mi' }, defaultRequest: { cpu: '100m', memory: '128Mi' } }],
    });
    expect((await policy('sandlot-default-deny')).spec).toEqual({ podSelector: {}, policyTypes: ['Ingress', 'Egress'] });
    expect((await policy('sandlot-ingress')).spec).toMatchObject({
      podSelector: {},
      ingress: [
        {
          from: [
            {
              namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'sandlot' } },
              podSelector: { matchLabels: { 'app.kubernetes.io/component': 'proxy' } },
            },
          ],
        },
      ],
    });
    for (const account of ['sandlot-sandbox', 'default'])
      expect(await inside(`serviceaccounts/${account}`)).toMatchObject({ automountServiceAccountToken: false });
    expect(await inside('serviceaccounts/sandlot-sandbox')).toMatchObject({
      metadata: { annotations: { 'iam.example.com/identity': 'sandboxes@example.com' } },
    });
    expect(types()).toEqual([
      'namespace.requested.v1',
      'namespace.provisioned.v1',
      'namespace.quota-applied.v1',
      'namespace.network-policy-applied.v1',
      'namespace.service-account-applied.v1',
    ]);
  });

  it('changes nothing, calls nothing and records nothing when all is right, run twice and after a restart', async () => {
    const connected = await connect(testbed.kubeconfigPath);
    const { request, settle, reconcilers, userId, store, name } = await platform({ connected });
    await request();
    await settle();
    connected.calls.length = 0;
    const before = store.all().length;
    for (const concern of concerns) expect(await runTwice((id: UserId) => reconcilers[concern].reconcile(id), userId)).toEqual([{}, {}]);
    expect(connected.calls).toEqual([]);
    const restarted = await connect(testbed.kubeconfigPath);
    const again = new KubernetesNamespaces(restarted.cluster, options);
    await again.follow();
    restarted.calls.length = 0;
    for (const wanted of [
      { concern: 'quota', quota },
      { concern: 'network-policy', egress: 'internet' },
    ] as const)
      expect(await again.findConcern(name, userId, wanted)).toEqual({ asWanted: true, drift: [] });
    expect(restarted.calls).toEqual([]);
    expect(store.all().length).toBe(before);
  });

  it('S0-07 follows another quota, which is no drift', async () => {
    const { request, settle, reconcilers, commands, userId, context, inside, drift } = await platform();
    await request();
    await settle();
    await new Quotas(commands, quota).set(userId, { cpu: '8', sandboxes: 3 }, context());
    expect(await reconcilers.quota.reconcile(userId)).toEqual({ changed: 'applied quota' });
    expect((await inside('resourcequotas/sandlot')).spec).toMatchObject({ hard: { 'limits.cpu': '8', pods: '6' } });
    expect(drift()).toEqual([]);
  });

  it('says what holds one that does not come to its end, in the words of the cluster', async () => {
    const { request, settle, decide, name, store, types } = await platform();
    await request();
    await settle();
    const held = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'held', namespace: name, finalizers: ['example.com/hold'] } };
    await testbed.apply(held);
    await decide({ type: 'DeleteNamespace' });
    await waitFor(() => settle().then(() => types().at(-1) === 'namespace.provisioning-failed.v1'), {
      within: 20_000,
      describe: 'that it is stuck',
    });
    const { data } = store.all().at(-1)!.fact as { data: { reason: string; message: string } };
    expect(data.reason).toBe('NAMESPACE_STUCK');
    expect(data.message).toContain('example.com/hold in 1 resource instances');
    await kubectl(name, 'patch', 'cm', 'held', '--type=merge', '-p', '{"metadata":{"finalizers":null}}');
    await waitFor(() => settle().then(() => types().at(-1) === 'namespace.deleted.v1'), { within: 30_000, describe: 'its end' });
  });

  it('that somebody else made is refused with a reason, left alone, and used only when an administrator hands it over', async () => {
    const { request, settle, name, types, store, get, commands, runtime, context, userId, username, policy } = await platform();
    await testbed.kubectl('create', 'ns', name);
    await request();
    await settle();
    expect(store.all().at(-1)?.fact).toMatchObject({ type: 'namespace.provisioning-failed.v1', data: { reason: 'NAMESPACE_NOT_OURS' } });
    expect(Object.keys((await get(`/api/v1/namespaces/${name}`)).metadata.labels)).toEqual(['kubernetes.io/metadata.name']);
    await expect(policy('sandlot-default-deny')).rejects.toThrow();
    const adopted = await new Namespaces(commands, runtime, 'user-').adopt({ userId, username }, context());
    expect(adopted.namespace).toMatchObject({ name, failures: [] });
    await settle();
    expect(types().slice(2)).toEqual([
      'namespace.adopted.v1',
      'namespace.quota-applied.v1',
      'namespace.network-policy-applied.v1',
      'namespace.service-account-applied.v1',
    ]);
    expect((await get(`/api/v1/namespaces/${name}`)).metadata.labels).toMatchObject({ 'sandlot.dev/owner': userId });
  });

  it.each([
    ['none', []],
    [
      'gateway',
      [{ to: [{ namespaceSelector: expect.anything(), podSelector: { matchLabels: { 'app.kubernetes.io/component': 'egress' } } }] }],
    ],
  ] as const)('lets out %s where the operator wants that', async (egress, rules) => {
    const { request, settle, policy } = await platform({ egress });
    await request();
    await settle();
    const { spec } = await policy('sandlot-egress');
    expect((spec as { egress?: unknown[] }).egress ?? []).toEqual(rules);
  });

  it('S0-12 is made once by several processes at once, and none fights another', async () => {
    const { request, reconcilers, userId, commands, store, types, settle } = await platform();
    const second = await connect(testbed.kubeconfigPath);
    const other = new KubernetesNamespaces(second.cluster, options);
    await other.follow();
    const twin = Object.assign(other, { name: 'statefulset' }) as unknown as Runtime;
    await request();
    const both = [reconcilers.namespace, new NamespaceReconciler(commands, twin)];
    const quotas = [reconcilers.quota, new QuotaReconciler(commands, twin, quota)];
    for (let round = 0; round < 5; round += 1)
      await Promise.all(
        [...both, ...quotas].map((each) => each.reconcile(userId).catch((error: { code: string }) => expect(error.code).toBe('CONFLICT'))),
      );
    await settle();
    const once = types().filter((type) => type === 'namespace.provisioned.v1' || type === 'namespace.quota-applied.v1');
    expect(once).toHaveLength(2);
    await waitFor(async () => (await other.findConcern('user-x', userId, { concern: 'namespace', username: 'x' })) && true);
    second.calls.length = 0;
    shared.calls.length = 0;
    const before = store.all().length;
    for (const each of [...both, ...quotas]) expect(await each.reconcile(userId)).toEqual({});
    expect([...second.calls, ...shared.calls]).toEqual([]);
    expect(store.all().length).toBe(before);
  });

  it('is used without any right beyond it where an operator has prepared it, and never made or deleted', async () => {
    const name = 'user-prepared';
    await testbed.kubectl('create', 'ns', name);
    const meta = { name: 'sandlot', namespace: name };
    const rbac = 'rbac.authorization.k8s.io';
    const verbs = ['get', 'list', 'watch', 'create', 'patch'];
    await testbed.apply(
      { apiVersion: 'v1', kind: 'ServiceAccount', metadata: meta },
      {
        apiVersion: `${rbac}/v1`,
        kind: 'Role',
        metadata: meta,
        rules: [
          { apiGroups: [''], resources: ['namespaces'], verbs: ['get'] },
          { apiGroups: [''], resources: ['resourcequotas', 'limitranges', 'serviceaccounts'], verbs },
          { apiGroups: ['networking.k8s.io'], resources: ['networkpolicies'], verbs },
        ],
      },
      {
        apiVersion: `${rbac}/v1`,
        kind: 'RoleBinding',
        metadata: meta,
        roleRef: { apiGroup: rbac, kind: 'Role', name: 'sandlot' },
        subjects: [{ kind: 'ServiceAccount', ...meta }],
      },
    );
    const connected = await connect(await testbed.kubeconfigFor(name, 'sandlot'), { namespaces: [name] });
    const { request, settle, decide, types, inside, get } = await platform({ connected, prepared: [name], username: 'prepared' });
    await request();
    await settle();
    expect(types().slice(1)).toEqual([
      'namespace.provisioned.v1',
      'namespace.quota-applied.v1',
      'namespace.network-policy-applied.v1',
      'namespace.service-account-applied.v1',
    ]);
    expect(await inside('resourcequotas/sandlot')).toMatchObject({ metadata: { name: 'sandlot' } });
    await decide({ type: 'DeleteNamespace' });
    await settle();
    expect(types().at(-1)).toBe('namespace.deleted.v1');
    expect((await get(`/api/v1/namespaces/${name}`)).metadata.uid).toEqual(expect.any(String));

    const stranger = await platform({ connected, prepared: [name] });
    await stranger.request();
    await stranger.settle();
    expect(stranger.store.all().at(-1)?.fact).toMatchObject({ data: { reason: 'NAMESPACE_NOT_PREPARED' } });
  });
});
