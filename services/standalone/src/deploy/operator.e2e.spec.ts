import { whyNoNode, type TestCluster } from '@sandlot/testbed';
import { describeUnless, missingS3, startTestS3, waitFor, type TestS3 } from '@sandlot/testing';
import { chart } from './testing/chart.js';
import { chartCluster, namespace } from './testing/chart-cluster.js';
import { forward, machineAddress } from './testing/cluster-network.js';
import { InstalledChart } from './testing/installed-chart.js';

/* What goes wrong at night, on purpose: an operator finds the cause by its code in the platform's health, and everything is there again. */
describeUnless(whyNoNode() ?? missingS3)('an operator of the chart on a node', () => {
  let cluster: TestCluster;
  let platform: InstalledChart;
  let alice: string;
  let home: string;
  let bucket: TestS3;
  let endWay: () => void;
  let values: { service: object; backup: object };

  /** With the chart's images, and a way to the bucket. */
  const freshCluster = async () => {
    cluster = await chartCluster();
    platform = new InstalledChart(cluster);
    const machine = await machineAddress(cluster);
    endWay = await forward(machine, 9000, bucket.port);
    await secret('bucket', { accessKeyId: bucket.accessKeyId, secretAccessKey: bucket.secretAccessKey });
    const place = { place: 's3://backups/sandlot', endpoint: `http://${machine}:9000`, existingSecret: 'bucket' };
    values = { service: { port: 8080 }, backup: { enabled: true, ...place } };
  };
  const secret = (name: string, stringData: Record<string, string>) =>
    cluster.apply({ apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace }, stringData });

  beforeAll(async () => {
    bucket = await startTestS3();
    await freshCluster();
    await platform.put('install', chart, values);
    const { id } = await platform.ask('POST', '/api/v1/admin/users', { username: 'alice', email: 'alice@example.com' });
    const { key } = await platform.ask('POST', `/api/v1/admin/users/${String(id)}/apikeys`, { name: 'laptop' });
    alice = String(key);
    const { namespace: made } = await platform.ask('POST', '/api/v1/sandboxes', { name: 's1' }, alice);
    home = String(made);
    await run('echo hello >/workspace/file');
  }, 400_000);

  const run = (command: string) => platform.ask('POST', '/proxy/s1/execute', { command }, alice);
  const codes = async (): Promise<string[]> => {
    const { items } = (await platform.ask('GET', '/api/v1/admin/health')) as { items: { code: string }[] };
    return items.map(({ code }) => code);
  };
  const actions = async (filter: string): Promise<string[]> => {
    const { items } = (await platform.ask('GET', `/api/v1/audit-logs?${filter}`)) as { items: { action: string }[] };
    return items.map(({ action }) => action);
  };
  const found = (code: string) =>
    platform.withState(waitFor(codes, { within: 120_000, every: 500, describe: `the code ${code}` }, (all) => all.includes(code)));
  const gone = (code: string) =>
    platform.withState(waitFor(codes, { within: 120_000, every: 500, describe: `the end of ${code}` }, (all) => !all.includes(code)));
  const scale = (name: string, replicas: number) => platform.kubectl('scale', 'statefulset', name, `--replicas=${replicas}`);
  const ended = async (job: string) => {
    const conditions = () => platform.kubectl('get', 'job', job, '-o', 'jsonpath={.status.conditions[?(@.status=="True")].type}');
    const end = waitFor(conditions, { within: 180_000, every: 500, describe: `the Job ${job} to end` }, (all) =>
      /Complete|Failed/.test(all),
    );
    expect(await platform.withState(end)).toContain('Complete');
  };

  it('finds a lost database by its code while sandboxes answer, and has it filled from the log when its volume is lost too', async () => {
    const trail = await actions('limit=200');
    await scale('sandlot-postgresql', 0);
    await found('SL-DB-01');
    expect(await run('cat /workspace/file')).toMatchObject({ stdout: 'hello\n' });
    // docs/how-to/disk-full.md
    await platform.kubectl('delete', 'pvc', 'data-sandlot-postgresql-0');
    await platform.kubectl('delete', 'job', '-l', 'app.kubernetes.io/component=setup');
    await scale('sandlot-postgresql', 1);
    await platform.put('upgrade', chart, values);
    await gone('SL-DB-01');
    const filled = () => actions('limit=200').catch((): string[] => []);
    await platform.withState(
      waitFor(filled, { within: 60_000, every: 500, describe: 'the trail' }, (all) => trail.every((action) => all.includes(action))),
    );
    expect(await platform.ask('GET', '/api/v1/sandboxes', undefined, alice)).toMatchObject({ items: [{ name: 's1' }] });
  }, 300_000);

  it('finds a lost NATS by its code, while known sandboxes answer', async () => {
    await scale('sandlot-nats', 0);
    await found('SL-NATS-02');
    expect(await run('cat /workspace/file')).toMatchObject({ stdout: 'hello\n' });
    const readiness = await fetch(`http://${await platform.readyProxy()}:9090/readyz?verbose`);
    expect([readiness.status, await readiness.text()]).toEqual([200, expect.stringContaining('[-]nats not connected')]);
    await scale('sandlot-nats', 1);
    await gone('SL-NATS-02');
    await gone('SL-SVC-01');
  }, 300_000);

  it('finds in the trail what was repaired after a namespace was deleted: it is there again, with its sandbox', async () => {
    const { uid } = (await cluster.request('GET', `/api/v1/namespaces/${home}`)).metadata as { uid: string };
    await cluster.kubectl('delete', 'namespace', home, '--wait=false');
    const again = async () => (await cluster.request('GET', `/api/v1/namespaces/${home}`).catch(() => undefined))?.metadata?.uid as string;
    await platform.withState(
      waitFor(again, { within: 120_000, every: 500, describe: 'another namespace' }, (now) => now !== undefined && now !== uid),
    );
    const ready = () => run('echo there').catch((error: Error) => ({ stdout: error.message }));
    await platform.withState(
      waitFor(ready, { within: 120_000, every: 500, describe: 'the sandbox' }, ({ stdout }) => stdout === 'there\n'),
    );
    // PostgreSQL is another pod by now: who asks first may still meet a connection to the one that has gone, and asks again.
    const trail = () => actions('limit=200').catch((): string[] => []);
    await platform.withState(
      waitFor(trail, { within: 60_000, every: 1_000, describe: 'what was repaired' }, (all) => all.includes('namespace.drift-repaired')),
    );
    await run('echo hello >/workspace/file');
  }, 300_000);

  it('puts a backup from a bucket into an empty cluster that has its keys, and finds everybody and everything again', async () => {
    await platform.kubectl('create', 'job', 'backup', '--from=cronjob/sandlot-backup');
    await ended('backup');
    const trail = await actions('limit=200');
    const masterKey = await platform.secret('sandlot-master-key', 'master.key');
    const adminKey = await platform.adminKey();
    endWay();
    await cluster.stop();

    await freshCluster();
    await secret('sandlot-master-key', { 'master.key': masterKey });
    await secret('sandlot-admin-key', { 'admin.key': adminKey });
    await platform.put('install', chart, { ...values, backup: { ...values.backup, restore: 'latest' } });
    await ended('sandlot-restore-1');
    await platform.put('upgrade', chart, values);
    const found = waitFor(
      () => actions('limit=200'),
      { within: 60_000, every: 500, describe: 'the trail' },
      (all) => trail.every((action) => all.includes(action)),
    );
    expect(await platform.withState(found)).toEqual(expect.arrayContaining(['user.created', 'apikey.created', 'namespace.drift-repaired']));
    const ready = () => run('echo there').catch((error: Error) => ({ stdout: error.message }));
    await platform.withState(
      waitFor(ready, { within: 120_000, every: 500, describe: 'the sandbox' }, ({ stdout }) => stdout === 'there\n'),
    );
    const { items } = await platform.ask('GET', '/api/v1/sandboxes', undefined, alice);
    expect(items).toMatchObject([{ name: 's1', state: 'running' }]);
    expect(await platform.ask('GET', '/api/v1/admin/users')).toMatchObject({ items: expect.arrayContaining([expect.objectContaining({ username: 'alice', email: 'alice@example.com' })]) as object[] }); // prettier-ignore
  }, 600_000);
});
