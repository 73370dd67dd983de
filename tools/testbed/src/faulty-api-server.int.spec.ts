import { Agent, get } from 'node:http';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { waitFor } from '@sandlot/testing';
import { faultyApiServer, startCluster, type FaultyApiServer, type TestCluster } from './index.js';

const configMaps = '/api/v1/namespaces/default/configmaps';
const configMap = (name: string) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name } });

describe('the front that causes faults', () => {
  let cluster: TestCluster;
  let front: FaultyApiServer;
  beforeAll(async () => {
    cluster = await startCluster();
    front = await faultyApiServer(cluster);
  }, 120_000);
  beforeEach(() => {
    front.heal();
    front.forget();
  });

  const create = (name: string) =>
    fetch(front.url + configMaps, {
      method: 'POST',
      body: JSON.stringify(configMap(name)),
      headers: { 'content-type': 'application/json' },
    });

  /** A watch from the newest state, and what has come of it. */
  async function watch() {
    const list = await cluster.request('GET', configMaps);
    const seen = { text: '', ended: false, broken: false, status: 0 };
    const sent = get(`${front.url}${configMaps}?watch=true&resourceVersion=${list.metadata.resourceVersion}`, {
      agent: new Agent({ keepAlive: true }),
    });
    sent.on('error', () => undefined);
    const [response] = await once(sent, 'response');
    seen.status = response.statusCode;
    response.on('data', (chunk: Buffer) => (seen.text += chunk));
    response.on('end', () => (seen.ended = true));
    response.on('error', () => (seen.broken = true));
    return { seen, close: () => sent.destroy() };
  }

  it('passes on what is asked, counts it, and lets kubectl through', async () => {
    expect((await create('passed')).status).toBe(201);
    expect(await (await fetch(`${front.url}${configMaps}/passed`)).json()).toMatchObject({ metadata: { name: 'passed' } });
    expect(await cluster.kubectl('--kubeconfig', front.kubeconfigPath, 'get', 'configmap', 'passed', '-o', 'name')).toBe(
      'configmap/passed\n',
    );
    expect(front.calls({ resource: 'configmaps' }).map(({ verb }) => verb)).toEqual(['create', 'get', 'get']);
    expect(front.calls({ verb: 'create' })).toEqual([
      { verb: 'create', path: configMaps, group: '', resource: 'configmaps', namespace: 'default' },
    ]);
  });

  it('refuses with a status, as often as it was told to', async () => {
    const rule = front.fault({ verb: 'create' }, { answer: 429, retryAfterS: 2 }, 2);
    const refused = await create('late');
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '2']);
    expect(await refused.json()).toMatchObject({ kind: 'Status', reason: 'TooManyRequests', code: 429, details: { retryAfterSeconds: 2 } });
    expect((await create('late')).status).toBe(429);
    expect((await create('late')).status).toBe(201);
    expect(rule.hits).toBe(2);
    front.fault({ verb: 'create' }, { answer: 409 });
    expect(await (await create('later')).json()).toMatchObject({ reason: 'Conflict' });
    expect((await fetch(front.url + configMaps)).status).toBe(200);
  });

  it('breaks a connection before the request is done, or after', async () => {
    const before = front.fault({ verb: 'create' }, { cut: 'before' });
    await expect(create('never')).rejects.toThrow('fetch failed');
    before.lift();
    front.fault({ verb: 'create' }, { cut: 'after' });
    await expect(create('done')).rejects.toThrow('fetch failed');
    const names = (await cluster.request('GET', configMaps)).items.map((item: { metadata: { name: string } }) => item.metadata.name);
    expect(names).toContain('done');
    expect(names).not.toContain('never');
  });

  it('delays, and does not answer at all', async () => {
    front.fault({ verb: 'get' }, { delayMs: 100 });
    const begin = performance.now();
    await fetch(`${front.url}${configMaps}/kube-root-ca.crt`);
    expect(performance.now() - begin).toBeGreaterThanOrEqual(99);
    front.fault({ verb: 'get' }, { silent: true });
    await expect(fetch(`${front.url}${configMaps}/kube-root-ca.crt`, { signal: AbortSignal.timeout(200) })).rejects.toThrow('timeout');
  });

  it('passes a watch on event by event, and holds it silent for ever once it is told to', async () => {
    const { seen, close } = await watch();
    await create('event');
    await waitFor(() => seen.text.includes('"ADDED"'));
    expect(front.openWatches({ resource: 'configmaps' })).toHaveLength(1);
    const rule = front.fault({ verb: 'watch' }, { silent: true });
    const before = seen.text;
    await create('unseen');
    rule.lift();
    const other = await watch();
    await create('seen-by-the-other');
    await waitFor(() => other.seen.text.includes('seen-by-the-other'));
    expect(seen).toEqual({ text: before, ended: false, broken: false, status: 200 });
    close();
    other.close();
    await waitFor(() => front.openWatches().length === 0);
  });

  it('tells watches that they have expired, open ones and new ones', async () => {
    const open = await watch();
    const rule = front.fault({ verb: 'watch' }, { expire: true }, 2);
    const fresh = await watch();
    await waitFor(() => open.seen.ended && fresh.seen.ended);
    for (const { seen } of [open, fresh])
      expect(JSON.parse(seen.text)).toMatchObject({ type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired' } });
    expect(rule.hits).toBe(2);
    front.fault({ verb: 'watch' }, { answer: 410 }, 1);
    expect((await watch()).seen.status).toBe(410);
  });

  it('ends watches in order, breaks all connections, and takes new ones', async () => {
    const ended = await watch();
    front.endWatches();
    await waitFor(() => ended.seen.ended);
    expect(ended.seen.broken).toBe(false);
    const cut = await watch();
    front.cut();
    await waitFor(() => cut.seen.broken);
    expect((await create('after-the-cut')).status).toBe(201);
  });

  it('leaves a client who it is', async () => {
    await cluster.kubectl('create', 'serviceaccount', 'nobody');
    const kubeconfig = JSON.parse(await readFile(await cluster.kubeconfigFor('default', 'nobody', front.url), 'utf8'));
    const authorization = `Bearer ${kubeconfig.users[0].user.token}`;
    const refused = await fetch(kubeconfig.clusters[0].cluster.server + configMaps, { headers: { authorization } });
    expect(await refused.json()).toMatchObject({ code: 403, message: expect.stringContaining('system:serviceaccount:default:nobody') });
  });

  it('breaks what it cannot pass on when the API server is away', async () => {
    await cluster.apiServer.kill();
    await expect(create('lost')).rejects.toThrow('fetch failed');
    await cluster.apiServer.restart();
    expect((await create('found')).status).toBe(201);
  }, 60_000);
});
