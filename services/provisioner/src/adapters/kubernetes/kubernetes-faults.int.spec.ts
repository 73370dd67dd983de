import { faultyApiServer, startCluster, type FaultyApiServer, type TestCluster } from '@sandlot/testbed';
import { waitFor } from '@sandlot/testing';
import type { KubernetesObject } from './cluster.js';
import type { KubernetesClusterOptions } from './kubernetes-cluster.js';
import { RESOURCE_QUOTAS } from './resources.js';
import { connect, type Connected } from './testing/connected.js';

// Rows 12 to 14 of the fault matrix: what the API server and the network between do to us.

let testbed: TestCluster;
let front: FaultyApiServer;
beforeAll(async () => {
  testbed = await startCluster();
  front = await faultyApiServer(testbed);
}, 120_000);
beforeEach(() => {
  front.heal();
  front.forget();
});

const open: Connected[] = [];
afterEach(() => Promise.all(open.splice(0).map(({ cluster }) => cluster.close())));

/** Closed after each test, so that no watch of another one meets its faults. */
async function connected(options?: KubernetesClusterOptions): Promise<Connected> {
  const one = await connect(front.kubeconfigPath, options);
  open.push(one);
  return one;
}

const quotas = { resource: 'resourcequotas' };
let count = 0;

/** A quota of its own that is followed through the front, and what an administrator does behind it. */
async function followed(options: KubernetesClusterOptions = {}) {
  const name = `q${(count += 1)}`;
  const { cluster, calls } = await connected(options);
  await cluster.follow(RESOURCE_QUOTAS);
  front.forget();
  calls.length = 0;
  const quota = (cpu: string): KubernetesObject => ({
    apiVersion: 'v1',
    kind: 'ResourceQuota',
    metadata: { name, namespace: 'default', labels: { 'app.kubernetes.io/managed-by': 'sandlot' } },
    spec: { hard: { cpu } },
  });
  const at = { name, namespace: 'default' };
  const cpu = () => (cluster.find(RESOURCE_QUOTAS, at)?.spec as { hard: { cpu: string } } | undefined)?.hard.cpu;
  const path = '/api/v1/namespaces/default/resourcequotas';
  const behind = {
    edit: (value: string) => testbed.request('PUT', `${path}/${name}`, quota(value)),
    create: (value: string) => testbed.request('POST', path, quota(value)),
    delete: () => testbed.request('DELETE', `${path}/${name}`),
  };
  const sees = (value: string | undefined, within = 10_000) =>
    waitFor(
      () => ({ cpu: cpu() }),
      { within, describe: `${value} of CPU` },
      (seen) => seen.cpu === value,
    );
  const verbs = (...wanted: string[]) => front.calls(quotas).map(({ verb }) => verb as string).filter((verb) => wanted.includes(verb)); // prettier-ignore
  return { cluster, calls, quota, cpu, behind, sees, verbs, at };
}

describe('a request to the Kubernetes API', () => {
  it('that is told to wait does so, and everything else with it, and is repeated then', async () => {
    const { cluster, quota, verbs, cpu, at } = await followed();
    front.fault({ verb: 'patch' }, { answer: 429, retryAfterS: 1 }, 1);
    const begin = performance.now();
    const applied = cluster.apply(quota('1'));
    await waitFor(() => verbs('patch').length === 1);
    const read = cluster.read(RESOURCE_QUOTAS, at);
    await applied;
    await read;
    expect(performance.now() - begin).toBeGreaterThanOrEqual(1_000);
    expect(verbs('patch', 'get')).toEqual(expect.arrayContaining(['patch', 'patch', 'get']));
    expect(cpu()).toBe('1');
  });

  it('that is told to wait for long is refused with how long', async () => {
    const { cluster, quota, calls } = await followed();
    front.fault({ verb: 'patch' }, { answer: 429, retryAfterS: 60 });
    await expect(cluster.apply(quota('1'))).rejects.toMatchObject({ code: 'UNAVAILABLE', retryAfterMs: 60_000 });
    await expect(cluster.apply(quota('1'))).rejects.toMatchObject({ code: 'UNAVAILABLE', details: { retryAfterMs: expect.any(Number) } });
    expect(calls).toHaveLength(1);
  });

  it.each([500, 502, 503, 504])('that is answered %s is refused as unavailable, and not repeated', async (answer) => {
    const { cluster, quota, verbs } = await followed();
    front.fault({ verb: 'patch' }, { answer });
    await expect(cluster.apply(quota('1'))).rejects.toMatchObject({ code: 'UNAVAILABLE', reason: 'CLUSTER_UNAVAILABLE', status: answer });
    expect(verbs('patch')).toHaveLength(1);
  });

  it('that meets a conflict has what is there now in memory, before the watch tells it', async () => {
    const { cluster, quota, cpu, behind } = await followed();
    await cluster.apply(quota('1'));
    front.fault({ verb: 'watch' }, { silent: true });
    await behind.edit('2');
    expect(cpu()).toBe('1');
    front.fault({ verb: 'patch' }, { answer: 409 }, 1);
    await expect(cluster.apply(quota('3'))).rejects.toMatchObject({ code: 'CONFLICT' });
    expect(cpu()).toBe('2');
    await cluster.apply(quota('3'));
    expect(cpu()).toBe('3');
  });

  it('whose answer is lost has been done, and the next look finds it so', async () => {
    const { cluster, quota, at, sees } = await followed();
    front.fault({ verb: 'create' }, { cut: 'after' }, 1);
    await expect(cluster.create(quota('1'))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await sees('1');
    front.fault({ verb: 'delete' }, { cut: 'after' }, 1);
    const { uid } = cluster.find(RESOURCE_QUOTAS, at)!.metadata;
    await waitFor(() => cluster.delete(RESOURCE_QUOTAS, at, uid!).then(() => true), { describe: 'the delete to be repeated' });
    expect(cluster.find(RESOURCE_QUOTAS, at)).toBeUndefined();
  });

  it('that is not answered in time is given up', async () => {
    const { cluster, quota } = await followed({ deadlineMs: 200 });
    front.fault({ verb: 'patch' }, { silent: true }, 1);
    await expect(cluster.apply(quota('1'))).rejects.toMatchObject({ code: 'UNAVAILABLE', reason: 'CLUSTER_UNAVAILABLE' });
    await waitFor(() => cluster.apply(quota('1')));
  });

  it('is answered from memory while nothing can be reached, and asked for only now and then', async () => {
    const { cluster, quota, cpu, calls } = await followed();
    await cluster.apply(quota('1'));
    calls.length = 0;
    front.fault({}, { cut: 'before' });
    front.cut();
    for (let attempt = 0; attempt < 200; attempt += 1)
      await expect(cluster.apply(quota('2'))).rejects.toMatchObject({ code: 'UNAVAILABLE', retryAfterMs: expect.any(Number) });
    expect(calls.length).toBeLessThan(20);
    expect(await cluster.trouble()).toMatch(/cannot be reached|unreachable|hang up|ECONN/);
    expect(cpu()).toBe('1');
    await cluster.apply(quota('1')); // right already: needs nobody
    front.heal();
    await waitFor(async () => (await cluster.trouble()) === undefined, { describe: 'the API to be asked again before it is called away' });
    await waitFor(() => cluster.apply(quota('2')), { describe: 'the API to be asked again' });
  });
});

describe('the watch of a resource', () => {
  it('lists again when its position has expired, and misses nothing', async () => {
    const { behind, sees, verbs } = await followed();
    const rule = front.fault({ verb: 'watch', ...quotas }, { expire: true }, 3);
    await behind.create('1');
    await sees('1');
    await waitFor(() => rule.hits === 3);
    await behind.delete();
    await sees(undefined);
    expect(verbs('list').length).toBe(3);
  });

  it('lists again when the server ends it too soon without a word', async () => {
    const { behind, sees, verbs } = await followed();
    await waitFor(() => front.openWatches(quotas).length > 0);
    front.fault({ verb: 'list', ...quotas }, { answer: 503 }, 1);
    front.endWatches(quotas);
    await behind.create('1');
    await sees('1');
    expect(verbs('list').length).toBe(2);
  });

  it('goes on from where it was when its time is over, without a list', async () => {
    const { behind, sees, verbs } = await followed({ timeoutSeconds: 1 });
    await waitFor(() => verbs('watch').length >= 3, { describe: 'two watches to end' });
    await behind.create('1');
    await sees('1');
    await waitFor(() => verbs('watch').length >= 5, { describe: 'two more' });
    await behind.edit('2');
    await sees('2');
    expect(verbs('list')).toEqual([]);
  });

  it('finds a connection on which nothing comes any more', async () => {
    const { behind, sees } = await followed({ timeoutSeconds: 2, overdueMs: 100 });
    await waitFor(() => front.openWatches(quotas).length > 0);
    front.fault({ verb: 'watch', ...quotas }, { silent: true }, 1);
    await behind.create('1');
    await sees('1', 5_000);
    await behind.edit('2');
    await sees('2', 5_000);
  });

  it('waits for as long as a server that is busy asks', async () => {
    const { behind, sees, verbs } = await followed();
    front.fault({ verb: ['list', 'watch'], ...quotas }, { answer: 429, retryAfterS: 1 }, 2);
    front.endWatches(quotas);
    await behind.create('1');
    await sees('1');
    expect(verbs('list').length).toBeLessThanOrEqual(4);
  });

  it('is what makes anything known: until the first list, nothing is said to be absent', async () => {
    front.fault({ verb: 'list', ...quotas }, { answer: 503 }, 3);
    const { cluster } = await connected();
    const ready = cluster.follow(RESOURCE_QUOTAS);
    const look = () => cluster.find(RESOURCE_QUOTAS, { name: 'none', namespace: 'default' });
    expect(look).toThrow(expect.objectContaining({ code: 'UNAVAILABLE' }));
    await ready;
    expect(look()).toBeUndefined();
  });
});

describe('an API server', () => {
  it('that was away comes back to a memory that is right', async () => {
    const { behind, sees, cluster, quota, cpu } = await followed();
    await cluster.apply(quota('1'));
    await testbed.apiServer.kill();
    await expect(cluster.apply(quota('2'))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(cpu()).toBe('1');
    await testbed.apiServer.restart();
    await behind.edit('3');
    await sees('3', 30_000);
    await waitFor(() => cluster.apply(quota('2')), { within: 30_000 });
  }, 90_000);

  it('that was restored from an old copy is believed, although all its versions are older', async () => {
    const kept = await followed();
    const young = await followed();
    await kept.cluster.apply(kept.quota('1'));
    const copy = await testbed.backUp();
    await young.cluster.apply(young.quota('1'));
    for (const cpu of ['2', '3', '4']) await kept.cluster.apply(kept.quota(cpu));
    await testbed.restore(copy);
    await kept.sees('1', 30_000);
    await young.sees(undefined, 30_000);
    await kept.behind.edit('7');
    await kept.sees('7', 30_000);
    await waitFor(() => young.cluster.apply(young.quota('5')), { within: 30_000 });
    await kept.cluster.apply(kept.quota('6'));
    expect([kept.cpu(), young.cpu()]).toEqual(['6', '5']);
    await young.behind.delete();
    await young.sees(undefined, 30_000);
  }, 120_000);
});
