import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { newId } from '@sandlot/kernel';
import { startCluster, type TestCluster } from '@sandlot/testbed';
import { waitFor } from '@sandlot/testing';
import { parseAllDocuments } from 'yaml';
import { KubernetesNamespaces, type KubernetesNamespacesOptions } from './kubernetes-namespaces.js';
import { NAMESPACES, NETWORK_POLICIES, RESOURCE_QUOTAS } from './resources.js';
import { connect } from './testing/connected.js';

const folder = join(import.meta.dirname, '../../../../../deploy/rbac');
const documents = (file: string) =>
  parseAllDocuments(readFileSync(join(folder, file), 'utf8')).map((document) => document.toJS() as Manifest);
interface Manifest {
  kind: string;
  metadata: { name: string; namespace?: string };
  rules?: { apiGroups: string[]; resources: string[]; verbs: string[] }[];
}

const options: KubernetesNamespacesOptions = {
  podSecurity: 'restricted',
  peers: { proxy: [], dns: [], gateway: [], deny: [] },
  defaults: { requests: { cpu: '100m', memory: '128Mi' }, limits: { cpu: '400m', memory: '768Mi' } },
  holdsSandboxes: () => false,
};
const all = [
  { concern: 'quota', quota: { sandboxes: 10, cpu: '4', memory: '8Gi' } },
  { concern: 'network-policy', egress: 'internet' },
  { concern: 'service-account', annotations: { a: 'b' } },
] as const;

let testbed: TestCluster;
beforeAll(async () => {
  testbed = await startCluster();
  await testbed.kubectl('create', 'ns', 'sandlot');
  await testbed.apply(...documents('provisioner.yaml'));
}, 120_000);

describe("S0-48 the provisioner's rights", () => {
  it.each(['provisioner.yaml', 'provisioner-in-namespace.yaml'])('in %s are named one by one, and none of them leads to more', (file) => {
    const rules = documents(file).flatMap(({ rules = [] }) => rules);
    expect(rules.length).toBeGreaterThan(0);
    for (const { apiGroups, resources, verbs } of rules) {
      expect([...apiGroups, ...resources, ...verbs]).not.toContain('*');
      for (const verb of ['escalate', 'bind', 'impersonate', 'deletecollection']) expect(verbs).not.toContain(verb);
      for (const resource of ['secrets', 'serviceaccounts/token', 'pods/exec', 'roles', 'rolebindings', 'clusterroles', 'nodes'])
        expect(resources).not.toContain(resource);
    }
  });

  it('are enough to make, repair and delete a namespace and what is in it, and confined to those of its own', async () => {
    await testbed.apply(...documents('confine-provisioner.yaml'));
    const { cluster } = await connect(await testbed.kubeconfigFor('sandlot', 'sandlot-provisioner'));
    const namespaces = new KubernetesNamespaces(cluster, options);
    await namespaces.follow();
    const owner = newId('usr');
    await namespaces.applyNamespace('user-alice', { do: 'create', owner, username: 'alice' });
    const found = await namespaces.findNamespace('user-alice', owner);
    if (!found.exists) throw new Error('it was not made');
    const marks = { concern: 'namespace', username: 'alice' } as const;
    for (const concern of [marks, ...all]) {
      await namespaces.applyNamespace('user-alice', { do: 'apply', uid: found.uid, owner, concern });
      expect(await namespaces.findConcern('user-alice', owner, concern)).toEqual({ asWanted: true, drift: [] });
    }

    // Admission policies take effect some time after they are made.
    let tries = 0;
    const intrude = () =>
      cluster.create({ apiVersion: 'v1', kind: 'ResourceQuota', metadata: { name: `q${(tries += 1)}`, namespace: 'default' }, spec: {} });
    const refusal = () => intrude().then(() => undefined, (error: { reason: string }) => error.reason); // prettier-ignore
    await waitFor(
      refusal,
      { within: 20_000, every: 200, describe: 'the policy to take effect' },
      (reason) => reason === 'ADMISSION_REFUSED',
    );
    const foreign = cluster.find(NAMESPACES, { name: 'default' })!;
    await expect(cluster.delete(NAMESPACES, { name: 'default' }, foreign.metadata.uid!)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await expect(cluster.patch(NAMESPACES, { name: 'default' }, foreign.metadata.uid!, { metadata: { labels: { 'app.kubernetes.io/managed-by': 'sandlot' } } })).rejects.toMatchObject({ code: 'FORBIDDEN' }); // prettier-ignore

    await namespaces.applyNamespace('user-alice', { do: 'delete', uid: found.uid });
    await waitFor(async () => !(await namespaces.findNamespace('user-alice', owner)).exists, { within: 30_000 });
  });

  it('in a prepared namespace are enough for all that is in it, and reach no other', async () => {
    await testbed.kubectl('create', 'ns', 'user-bob');
    const inBob = documents('provisioner-in-namespace.yaml').map((each) => ({
      ...each,
      metadata: { ...each.metadata, namespace: 'user-bob' },
    }));
    const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'limited', namespace: 'sandlot' } };
    const [role, binding] = inBob as [Manifest, Manifest];
    await testbed.apply(account, role, { ...binding, subjects: [{ kind: 'ServiceAccount', name: 'limited', namespace: 'sandlot' }] });
    const { cluster } = await connect(await testbed.kubeconfigFor('sandlot', 'limited'), { namespaces: ['user-bob'] });
    const namespaces = new KubernetesNamespaces(cluster, { ...options, prepared: ['user-bob'] });
    await namespaces.follow();
    const owner = newId('usr');
    const found = await namespaces.findNamespace('user-bob', owner);
    if (!found.exists) throw new Error('it is not there');
    expect(found).toEqual({ exists: true, uid: expect.any(String), ours: true, kept: true });
    for (const concern of all) {
      await namespaces.applyNamespace('user-bob', { do: 'apply', uid: found.uid, owner, concern });
      expect(await namespaces.findConcern('user-bob', owner, concern)).toEqual({ asWanted: true, drift: [] });
    }
    expect(cluster.all(RESOURCE_QUOTAS, 'user-bob')).toHaveLength(1);
    const elsewhere = { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: { name: 'p', namespace: 'default' } };
    await expect(cluster.apply({ ...elsewhere, spec: { podSelector: {} } })).rejects.toMatchObject({ reason: 'NOT_PERMITTED' });
    await expect(cluster.read(NETWORK_POLICIES, elsewhere.metadata)).rejects.toMatchObject({ reason: 'NOT_PERMITTED' });
  });
});
