import { isDeepStrictEqual } from 'node:util';
import { startCluster, type TestCluster } from '@sandlot/testbed';
import { waitFor } from '@sandlot/testing';
import { accessByKubeconfig } from './access.js';
import type { KubernetesObject } from './cluster.js';
import { KubernetesCluster } from './kubernetes-cluster.js';
import { NAMESPACES, NETWORK_POLICIES as OUR_POLICIES, RESOURCE_QUOTAS as OUR_QUOTAS } from './resources.js';
import { connect } from './testing/connected.js';

const { only: _, ...RESOURCE_QUOTAS } = OUR_QUOTAS;
const { only: __, ...NETWORK_POLICIES } = OUR_POLICIES;

let testbed: TestCluster;
beforeAll(async () => {
  testbed = await startCluster();
}, 120_000);

let count = 0;
async function inNamespace() {
  const namespace = `n${(count += 1)}`;
  const { cluster, calls } = await connect(testbed.kubeconfigPath);
  await cluster.follow(NAMESPACES);
  await cluster.follow(RESOURCE_QUOTAS);
  await cluster.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
  calls.length = 0;
  const quota = (hard: Record<string, string>): KubernetesObject => ({
    apiVersion: 'v1',
    kind: 'ResourceQuota',
    metadata: { name: 'q', namespace, labels: { 'sandlot.dev/owner': namespace } },
    spec: { hard },
  });
  const found = () => cluster.find(RESOURCE_QUOTAS, { name: 'q', namespace });
  return { cluster, calls, namespace, quota, found };
}

describe('the Kubernetes API', () => {
  it('has in memory what was written when the write returns, whatever the watch has told so far', async () => {
    const { cluster, namespace, quota, found } = await inNamespace();
    const made = await cluster.apply(quota({ cpu: '4' }));
    expect(found()).toBe(made);
    expect(cluster.select(RESOURCE_QUOTAS, 'owner', namespace)).toEqual([made]);
    const changed = await cluster.apply(quota({ cpu: '8' }));
    expect(found()).toBe(changed);
    expect(found()?.spec).toEqual({ hard: { cpu: '8' } });
    await cluster.delete(RESOURCE_QUOTAS, { name: 'q', namespace }, made.metadata.uid!);
    expect(found()).toBeUndefined();
    expect(cluster.select(RESOURCE_QUOTAS, 'owner', namespace)).toEqual([]);
    expect(cluster.all(RESOURCE_QUOTAS, namespace)).toEqual([]);
  });

  it('applies the same again without a call, also after a restart and whatever the server has made of the spelling', async () => {
    const { cluster, calls, quota, found } = await inNamespace();
    await cluster.apply(quota({ cpu: '0.5', memory: '1024Mi' }));
    expect(calls).toHaveLength(1);
    await cluster.apply(quota({ memory: '1024Mi', cpu: '0.5' }));
    expect(calls).toHaveLength(1);
    const later = await connect(testbed.kubeconfigPath);
    await later.cluster.follow(RESOURCE_QUOTAS);
    later.calls.length = 0;
    expect((await later.cluster.apply(quota({ cpu: '0.5', memory: '1024Mi' }))).metadata.uid).toBe(found()?.metadata.uid);
    expect(later.calls).toEqual([]);
  });

  it('takes away what is no longer wanted', async () => {
    const { cluster, quota, found } = await inNamespace();
    await cluster.apply(quota({ cpu: '1', pods: '3' }));
    await cluster.apply(quota({ cpu: '1' }));
    expect(found()?.spec).toEqual({ hard: { cpu: '1' } });
  });

  const path = (namespace: string) => `/api/v1/namespaces/${namespace}/resourcequotas`;
  const patchBy = (patch: string[]) => (namespace: string) => testbed.kubectl('-n', namespace, 'patch', 'quota', 'q', ...patch);
  it.each<[string, (namespace: string, other: KubernetesObject) => Promise<unknown>]>([
    ['edited', patchBy(['--type=merge', '-p', '{"spec":{"hard":{"cpu":"64"}}}'])],
    ['stripped of a field', patchBy(['--type=json', '-p', '[{"op":"remove","path":"/spec/hard/pods"}]'])],
    ['stripped of a label', (namespace) => testbed.kubectl('-n', namespace, 'label', 'quota', 'q', 'sandlot.dev/owner-')],
    ['replaced', (namespace, other) => testbed.request('PUT', `${path(namespace)}/q`, other)],
    [
      'made anew',
      async (namespace, other) => {
        await testbed.request('DELETE', `${path(namespace)}/q`);
        await testbed.request('POST', path(namespace), other);
      },
    ],
  ])('finds that an object was %s by hand, and puts it right with one call', async (_, edit) => {
    const { cluster, calls, namespace, quota, found } = await inNamespace();
    const wanted = quota({ cpu: '1', pods: '3' });
    await cluster.apply(wanted);
    await edit(namespace, { ...quota({ cpu: '2', pods: '3' }), metadata: { name: 'q', namespace } });
    // Its version alone says nothing: the quota controller writes the status.
    const asBefore = ({ spec, metadata }: KubernetesObject) =>
      isDeepStrictEqual([spec, metadata.labels], [wanted.spec, wanted.metadata.labels]);
    await waitFor(found, { describe: 'the edit to be seen' }, (seen) => seen !== undefined && !asBefore(seen));
    calls.length = 0;
    const repaired = await cluster.apply(wanted);
    expect(repaired.spec).toEqual({ hard: { cpu: '1', pods: '3' } });
    expect(repaired.metadata.labels).toEqual({ 'sandlot.dev/owner': namespace });
    await cluster.apply(wanted);
    expect(calls).toEqual([`PATCH ${path(namespace)}/q`]);
  });

  it('tells an added rule and a narrowed selector of a policy from the policy that was applied', async () => {
    const { cluster, calls, namespace } = await inNamespace();
    await cluster.follow(NETWORK_POLICIES);
    const wanted: KubernetesObject = {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name: 'p', namespace },
      spec: { podSelector: {}, policyTypes: ['Ingress', 'Egress'], ingress: [], egress: [{ ports: [{ port: 53 }] }] },
    };
    await cluster.apply(wanted);
    for (const spec of [
      { podSelector: { matchLabels: { a: 'b' } } },
      { egress: [{ ports: [{ port: 53 }] }, {}] },
      { ingress: [{}] },
      { policyTypes: ['Ingress'] },
    ]) {
      calls.length = 0;
      await cluster.apply(wanted);
      expect(calls).toEqual([]);
      const before = cluster.find(NETWORK_POLICIES, { name: 'p', namespace })?.metadata.resourceVersion;
      await testbed.kubectl('-n', namespace, 'patch', 'netpol', 'p', '--type=merge', '-p', JSON.stringify({ spec }));
      await waitFor(() => cluster.find(NETWORK_POLICIES, { name: 'p', namespace })?.metadata.resourceVersion !== before);
      const repaired = await cluster.apply(wanted);
      expect(calls).toHaveLength(1);
      expect(repaired.spec).toMatchObject({ podSelector: {}, policyTypes: ['Ingress', 'Egress'], egress: [{ ports: [{ port: 53 }] }] });
      expect((repaired.spec as { ingress?: unknown[] }).ingress ?? []).toEqual([]);
      expect((repaired.spec as { podSelector: object }).podSelector).toEqual({});
    }
  });

  it('makes nothing where something is, and touches nothing that is another', async () => {
    const { cluster, quota, namespace } = await inNamespace();
    const made = await cluster.create(quota({ cpu: '1' }));
    await expect(cluster.create(quota({ cpu: '2' }))).rejects.toMatchObject({ code: 'CONFLICT', reason: 'CONFLICT' });
    const other = '00000000-0000-4000-8000-000000000000';
    expect(await cluster.patch(RESOURCE_QUOTAS, { name: 'q', namespace }, other, { spec: { hard: { cpu: '9' } } })).toBeUndefined();
    await cluster.delete(RESOURCE_QUOTAS, { name: 'q', namespace }, other);
    const wanted = quota({ cpu: '9' });
    await expect(cluster.apply({ ...wanted, metadata: { ...wanted.metadata, uid: other } })).rejects.toMatchObject({ code: 'CONFLICT' });
    const left = (await cluster.read(RESOURCE_QUOTAS, { name: 'q', namespace }))!;
    expect([left.metadata.uid, left.spec]).toEqual([made.metadata.uid, { hard: { cpu: '1' } }]);
    const patched = await cluster.patch(RESOURCE_QUOTAS, { name: 'q', namespace }, made.metadata.uid!, { spec: { hard: { cpu: '3' } } });
    expect(patched?.spec).toEqual({ hard: { cpu: '3' } });
    await cluster.delete(RESOURCE_QUOTAS, { name: 'gone', namespace }, other);
    expect(await cluster.patch(RESOURCE_QUOTAS, { name: 'gone', namespace }, other, {})).toBeUndefined();
  });

  it('tells every follower of what is there and of what changes', async () => {
    const { cluster, namespace, quota } = await inNamespace();
    await cluster.apply(quota({ cpu: '1' }));
    const told: string[] = [];
    await cluster.follow(RESOURCE_QUOTAS, ({ metadata }, event) => metadata.namespace === namespace && void told.push(event));
    expect(told).toEqual(['present']);
    await testbed.kubectl('-n', namespace, 'delete', 'quota', 'q');
    await waitFor(() => told.includes('gone'));
  });

  it('says which versions of a group are served, the preferred one first', async () => {
    const { cluster } = await inNamespace();
    expect(await cluster.served('autoscaling', 'horizontalpodautoscalers')).toEqual(['v2', 'v1']);
    expect(await cluster.served('agents.x-k8s.io', 'sandboxes')).toEqual([]);
    await expect(
      cluster.follow({ apiVersion: 'agents.x-k8s.io/v1beta1', kind: 'Sandbox', plural: 'sandboxes', namespaced: true }),
    ).rejects.toMatchObject({
      reason: 'NOT_SERVED',
    });
  });

  it.each([
    ['a namespace that is not there', 'NAMESPACE_NOT_FOUND', 'NAMESPACE_GONE', { metadata: { name: 'q', namespace: 'nowhere' }, spec: {} }],
    ['what is not valid', 'VALIDATION_FAILED', 'INVALID', { metadata: { name: 'q', namespace: 'default' }, spec: { hard: { cpu: '-1' } } }],
  ])('refuses %s in the words of the server', async (_, code, reason, object) => {
    const { cluster } = await inNamespace();
    const wanted = { apiVersion: 'v1', kind: 'ResourceQuota', ...object } as KubernetesObject;
    await expect(cluster.apply(wanted)).rejects.toMatchObject({ code, reason });
  });

  it('needs no right outside of the namespaces that it is given, and says what it lacks elsewhere', async () => {
    const { namespace } = await inNamespace();
    const rules = [{ apiGroups: [''], resources: ['resourcequotas'], verbs: ['*'] }];
    const [meta, group] = [{ name: 'sandlot', namespace }, 'rbac.authorization.k8s.io'];
    await testbed.apply(
      { apiVersion: 'v1', kind: 'ServiceAccount', metadata: meta },
      { apiVersion: `${group}/v1`, kind: 'Role', metadata: meta, rules },
      {
        apiVersion: `${group}/v1`,
        kind: 'RoleBinding',
        metadata: meta,
        roleRef: { apiGroup: group, kind: 'Role', name: 'sandlot' },
        subjects: [{ kind: 'ServiceAccount', ...meta }],
      },
    );
    const kubeconfig = await testbed.kubeconfigFor(namespace, 'sandlot');
    const cluster = new KubernetesCluster(await accessByKubeconfig(kubeconfig), { namespaces: [namespace] });
    try {
      await cluster.follow(RESOURCE_QUOTAS);
      await cluster.apply({ apiVersion: 'v1', kind: 'ResourceQuota', metadata: { name: 'q', namespace }, spec: { hard: { cpu: '1' } } });
      expect(cluster.all(RESOURCE_QUOTAS)).toHaveLength(1);
      await expect(cluster.follow(NETWORK_POLICIES)).rejects.toMatchObject({ code: 'FORBIDDEN', reason: 'NOT_PERMITTED' });
    } finally {
      await cluster.close();
    }
  });
});
