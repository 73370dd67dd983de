import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { startCluster, type TestCluster } from '@sandlot/testbed';
import { newId } from '@sandlot/kernel';
import { waitFor } from '@sandlot/testing';
import { parseAllDocuments } from 'yaml';
import { givenSandboxes } from './testing/given-sandboxes.js';
import { podSettings, runtimeOn } from './testing/runtime-on.js';
import { standInNode } from './testing/stand-in-node.js';

const folder = join(import.meta.dirname, '../../../../../deploy/rbac');
const manifest = (file: string) => parseAllDocuments(readFileSync(join(folder, file), 'utf8')).map((document) => document.toJS() as object);

describe("S1-15 S0-48 the provisioner's rights", () => {
  let testbed: TestCluster;
  beforeAll(async () => {
    testbed = await startCluster({ volumes: true });
    await standInNode(testbed);
    await testbed.kubectl('create', 'namespace', 'sandlot');
    await testbed.apply(...manifest('provisioner.yaml'), ...manifest('confine-provisioner.yaml'));
  }, 120_000);

  it('are enough for the whole life of a sandbox', async () => {
    const { runtime } = await runtimeOn(
      { kubeconfigPath: await testbed.kubeconfigFor('sandlot', 'sandlot-provisioner') },
      { workload: 'auto' },
    );
    const sandbox = await givenSandboxes(runtime).given({
      volumes: [{ name: 'd', mountPath: '/d', claim: { size: '1Gi', onDelete: 'keep' } }],
    });
    const { uid } = await sandbox.seen('running');
    await runtime.apply(sandbox.id, { do: 'stop', uid });
    await sandbox.seen('stopped');
    await runtime.apply(sandbox.id, { do: 'start', uid, place: sandbox.place });
    await sandbox.seen('running');
    await sandbox.deleted();
  });

  it('are enough within prepared namespaces, without a right anywhere else', async () => {
    await testbed.kubectl('create', 'namespace', 'user-carol');
    await testbed.kubectl('create', 'namespace', 'elsewhere');
    await testbed.kubectl('create', 'serviceaccount', 'confined', '-n', 'elsewhere');
    const [role, binding] = manifest('provisioner-in-namespace.yaml') as { metadata: object; subjects: object[] }[];
    const here = { namespace: 'user-carol', name: 'sandlot-provisioner' };
    await testbed.apply(
      { ...role, metadata: here },
      { ...binding, metadata: here, subjects: [{ kind: 'ServiceAccount', name: 'confined', namespace: 'elsewhere' }] },
    );
    const { runtime } = await runtimeOn(
      { kubeconfigPath: await testbed.kubeconfigFor('elsewhere', 'confined') },
      {
        cluster: { namespaces: ['user-carol'] },
        namespaces: {
          podSecurity: 'restricted',
          peers: { proxy: [], dns: [], gateway: [], deny: [] },
          defaults: { requests: { cpu: '1m', memory: '1Mi' }, limits: { cpu: '1', memory: '1Gi' } },
          prepared: ['user-carol'],
        },
        pods: { ...podSettings, serviceAccountName: 'default' },
      },
    );
    const owner = newId('usr');
    const found = await runtime.findNamespace('user-carol', owner);
    expect(found).toMatchObject({ exists: true, ours: true, kept: true });
    const sandbox = await givenSandboxes(runtime).given({}, { home: { owner, username: 'carol', namespace: 'user-carol' } });
    await sandbox.seen('running');
    await sandbox.deleted();
    const refused = await waitFor(() => runtime.findNamespace('user-dave', owner), {});
    expect(refused).toMatchObject({ exists: false, obstacle: { reason: 'NAMESPACE_NOT_PREPARED' } });
  });
});
