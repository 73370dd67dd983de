import { startCluster, type TestCluster } from '@sandlot/testbed';
import { waitFor } from '@sandlot/testing';
import { connect, type Connected } from './testing/connected.js';
import { concerns, namespacePlatform, quota, type Concern } from './testing/namespace-platform.js';

let testbed: TestCluster;
let shared: Connected;
beforeAll(async () => {
  testbed = await startCluster();
  shared = await connect(testbed.kubeconfigPath);
}, 120_000);

const platform = (changes: Partial<Parameters<typeof namespacePlatform>[1]> = {}) =>
  namespacePlatform(testbed, { connected: shared, ...changes });
const kubectl = (namespace: string, ...args: string[]) => testbed.kubectl('-n', namespace, ...args);

describe("what is changed by hand in a user's namespace", () => {
  it.each<[Concern, string, (name: string) => Promise<unknown>, { object: string; path: string; found?: string; fieldManager?: string }]>([
    [
      'namespace',
      'a lowered Pod Security level',
      (name) => testbed.kubectl('label', 'ns', name, '--overwrite', 'pod-security.kubernetes.io/enforce=privileged'),
      {
        object: 'Namespace',
        path: 'metadata.labels.pod-security.kubernetes.io/enforce',
        found: '"privileged"',
        fieldManager: 'kubectl-label',
      },
    ],
    [
      'namespace',
      'an owner label that was removed',
      (name) => testbed.kubectl('label', 'ns', name, 'sandlot.dev/owner-'),
      { object: 'Namespace', path: 'metadata.labels.sandlot.dev/owner' },
    ],
    [
      'quota',
      'a raised quota',
      (name) => kubectl(name, 'patch', 'quota', 'sandlot', '--type=merge', '-p', '{"spec":{"hard":{"limits.cpu":"64"}}}'),
      { object: 'ResourceQuota/sandlot', path: 'spec.hard.limits.cpu', found: '"64"', fieldManager: 'kubectl-patch' },
    ],
    [
      'quota',
      'a limit range that was deleted',
      (name) => kubectl(name, 'delete', 'limitrange', 'sandlot'),
      { object: 'LimitRange/sandlot', path: '' },
    ],
    [
      'network-policy',
      'a policy that lets all out',
      (name) => kubectl(name, 'patch', 'netpol', 'sandlot-default-deny', '--type=merge', '-p', '{"spec":{"egress":[{}]}}'),
      { object: 'NetworkPolicy/sandlot-default-deny', path: 'spec.egress', found: '[{}]', fieldManager: 'kubectl-patch' },
    ],
    [
      'network-policy',
      'a policy that was deleted',
      (name) => kubectl(name, 'delete', 'netpol', 'sandlot-default-deny'),
      { object: 'NetworkPolicy/sandlot-default-deny', path: '' },
    ],
    [
      'service-account',
      'a token that is mounted again',
      (name) => kubectl(name, 'patch', 'sa', 'default', '--type=merge', '-p', '{"automountServiceAccountToken":true}'),
      { object: 'ServiceAccount/default', path: 'automountServiceAccountToken', found: 'true', fieldManager: 'kubectl-patch' },
    ],
  ])('wakes %s for %s, puts it back, and tells who did what, once', async (concern, _, edit, expected) => {
    const { request, settle, reconcilers, runtime, userId, drift, name, store } = await platform();
    await request();
    await settle();
    const woken = new Set<string>();
    runtime.watchNamespaces((owner, what) => owner === userId && void woken.add(what ?? 'namespace'));
    await edit(name);
    await waitFor(() => woken.has(concern), { describe: 'a wake-up' });
    const { object, path, ...told } = expected;
    const named = object === 'Namespace' ? `Namespace/${name}` : object;
    await waitFor(
      async () => (await reconcilers[concern].reconcile(userId)).changed,
      { describe: 'a repair' },
      (changed) => changed === `repaired ${named}`,
    );
    expect(drift()).toEqual([
      {
        concern,
        object: named,
        differences: [{ path, ...('found' in told && { found: told.found }), ...(path && { wanted: expect.any(String) }) }],
        ...(told.fieldManager && { fieldManager: told.fieldManager }),
      },
    ]);
    const before = store.all().length;
    await settle();
    expect(store.all().length).toBe(before);
    for (const each of concerns) expect(await reconcilers[each].reconcile(userId)).toEqual({});
  });

  it.each(['before', 'after'] as const)('tells a drift once when it is killed %s it was put back', async (when) => {
    const { request, settle, reconcilers, runtime, userId, drift, name } = await platform();
    await request();
    await settle();
    await kubectl(name, 'delete', 'quota', 'sandlot');
    await waitFor(async () => !(await runtime.findConcern(name, userId, { concern: 'quota', quota })).asWanted);
    const apply = runtime.applyNamespace.bind(runtime);
    runtime.applyNamespace = async (...asked) => {
      runtime.applyNamespace = apply;
      if (when === 'after') await apply(...asked);
      throw new Error('killed');
    };
    await expect(reconcilers.quota.reconcile(userId)).rejects.toThrow('killed');
    await settle();
    expect(drift()).toMatchObject([{ concern: 'quota', object: 'ResourceQuota/sandlot', differences: [{ path: '' }] }]);
    expect(await reconcilers.quota.reconcile(userId)).toEqual({});
  });

  it('takes its time when somebody undoes every repair', async () => {
    const { request, settle, reconcilers, runtime, userId, drift, name } = await platform();
    await request();
    await settle();
    const undo = async () => {
      await kubectl(name, 'delete', 'quota', 'sandlot');
      await waitFor(async () => !(await runtime.findConcern(name, userId, { concern: 'quota', quota })).asWanted);
      return reconcilers.quota.reconcile(userId);
    };
    for (let round = 0; round < 5; round += 1) expect(await undo()).toEqual({ changed: 'repaired ResourceQuota/sandlot' });
    expect(await undo()).toEqual({ againAfterMs: expect.any(Number) });
    expect(drift()).toHaveLength(5);
  });

  it('replays one concern alone: what is right stays untouched, what drifted is repaired, and it says which', async () => {
    const one = await platform();
    const other = await platform();
    for (const { request, settle } of [one, other]) {
      await request();
      await settle();
    }
    await kubectl(other.name, 'delete', 'quota', 'sandlot');
    await kubectl(other.name, 'delete', 'netpol', 'sandlot-egress');
    await waitFor(async () => !(await other.runtime.findConcern(other.name, other.userId, { concern: 'quota', quota })).asWanted);
    shared.calls.length = 0;
    expect(await one.reconcilers.quota.reconcile(one.userId)).toEqual({});
    expect(await other.reconcilers.quota.reconcile(other.userId)).toEqual({ changed: 'repaired ResourceQuota/sandlot' });
    expect(shared.calls).toEqual([`PATCH /api/v1/namespaces/${other.name}/resourcequotas/sandlot`]);
  });

  it('is made again when somebody deletes it, with all that belongs in it', async () => {
    const { request, settle, name, types, drift, policy, get } = await platform();
    await request();
    await settle();
    const { uid } = (await get(`/api/v1/namespaces/${name}`)).metadata;
    await testbed.kubectl('delete', 'ns', name, '--wait=false');
    await waitFor(() => settle().then(() => types().includes('namespace.provisioning-failed.v1')), { describe: 'that it goes' });
    await waitFor(() => settle().then(() => types().filter((type) => type === 'namespace.network-policy-applied.v1').length === 2), {
      within: 20_000,
      describe: 'all of it anew',
    });
    expect((await get(`/api/v1/namespaces/${name}`)).metadata.uid).not.toBe(uid);
    expect((await policy('sandlot-default-deny')).spec).toMatchObject({ podSelector: {} });
    expect(drift()).toMatchObject([{ concern: 'namespace', object: `Namespace/${name}`, differences: [{ path: '' }] }]);
  });
});
