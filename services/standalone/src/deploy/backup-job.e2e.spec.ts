import { whyNoNode, type TestCluster } from '@sandlot/testbed';
import { describeUnless, waitFor } from '@sandlot/testing';
import { chart } from './testing/chart.js';
import { chartCluster, externalDatabase, namespace } from './testing/chart-cluster.js';
import { InstalledChart } from './testing/installed-chart.js';

describeUnless(whyNoNode())('the CronJob of backups on a node', () => {
  let kubectl: TestCluster['kubectl'];

  beforeAll(async () => {
    const cluster = await chartCluster();
    const platform = new InstalledChart(cluster);
    kubectl = (...args) => platform.kubectl(...args);
    await cluster.apply({
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name: 'backups', namespace },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
    });
    // An installation with a PostgreSQL of the operator's, as production has it; chart-install.e2e.spec.ts has the chart's own.
    const values = {
      ...(await externalDatabase(cluster)),
      backup: { enabled: true, claim: 'backups', keep: 1 },
    };
    await platform.put('install', chart, values);
  }, 400_000);

  const run = async (name: string): Promise<string> => {
    await kubectl('create', 'job', name, '--from=cronjob/sandlot-backup');
    const done = await waitFor(
      async () => kubectl('get', 'job', name, '-o', 'jsonpath={.status.conditions[?(@.status=="True")].type}'),
      { within: 120_000, every: 500, describe: `the Job ${name} to end` },
      (conditions) => /Complete|Failed/.test(conditions),
    );
    const log = await kubectl('logs', `job/${name}`);
    expect({ done, log }).toEqual({ done: expect.stringContaining('Complete'), log: expect.stringMatching(/^logChecked +true$/m) });
    return log;
  };

  it('takes a checked backup into a volume, with the rights and the way to NATS that it has, and keeps as many as it is told (S0-62)', async () => {
    const first = await run('first');
    const second = await run('second');
    const idOf = (log: string) => /^id +(\S+)$/m.exec(log)![1]!;
    expect(idOf(second) > idOf(first)).toBe(true);
    expect([first, second].map((log) => /^removed the backup (\S+)$/m.exec(log)?.[1])).toEqual([undefined, idOf(first)]);
    expect(first).toMatch(/^events +[1-9]\d*$/m);
    expect(second).toMatch(/^masterKeys/m);
  }, 300_000);
});
