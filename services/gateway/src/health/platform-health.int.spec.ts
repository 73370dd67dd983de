import {
  BackupHistory,
  backupHistoryKey,
  BackupRecord,
  lastBackupKey,
  operatedServices,
  operationsOf,
  OPERATIONS_BUCKET,
  type Condition,
} from '@sandlot/contracts';
import { connectNats, KvTable } from '@sandlot/service-kit';
import { atEnd, freePort, waitFor } from '@sandlot/testing';
import type { z } from 'zod';
import { admin, GatewayUnderTest } from '../testing/gateway-under-test.js';

interface Item {
  code: string;
  subject: string;
  message: string;
}

describe('the health of the platform, asked of every process over NATS', () => {
  let gateway: GatewayUnderTest;
  let monitoring: string;

  beforeAll(async () => {
    monitoring = `127.0.0.1:${await freePort()}`;
    gateway = await GatewayUnderTest.start({ SANDLOT_BACKUP_MAX_AGE: '1', SANDLOT_NATS_MONITORING_URLS: `http://${monitoring}` });
  }, 60_000);
  beforeEach(() => {
    gateway.reset();
    for (const service of operatedServices) {
      gateway[service].answers(operationsOf(service).listProjections, () => []);
      gateway[service].answers(operationsOf(service).listConsumers, () => []);
    }
  });

  const items = async (): Promise<Item[]> => (await gateway.send('GET', '/api/v1/admin/health', { as: admin })).json.items;
  const codes = async () => (await items()).map(({ code }) => code);

  it('has what a service and a proxy say to be wrong with them', async () => {
    const expired: Condition = { code: 'SL-TLS-02', subject: 'proxy/certificate', message: 'it expired' };
    const unreachable: Condition = { code: 'SL-RUN-01', subject: 'provisioner/statefulset', message: 'connection refused' };
    gateway.proxy.conditions = [expired];
    gateway.provisioner.conditions = [unreachable];
    const found = await items();
    expect(found).toEqual(expect.arrayContaining([expect.objectContaining(expired), expect.objectContaining(unreachable)]));
    gateway.proxy.conditions = [];
    expect(await codes()).not.toContain('SL-TLS-02');
  });

  it('says whose clock is wrong', async () => {
    gateway.audit.clockAheadMs = -60_000;
    expect(await items()).toContainEqual(
      expect.objectContaining({ code: 'SL-CLK-01', subject: 'audit/fake/1', message: expect.stringContaining('60.0 s behind') }),
    );
  });

  it('names a NATS server whose monitoring endpoint does not answer', async () => {
    expect(await items()).toContainEqual(expect.objectContaining({ code: 'SL-NATS-02', subject: `nats/${monitoring}` }));
  });

  it('misses a backup, hears of one that failed, and is content with one that is fresh', async () => {
    await waitFor(codes, { describe: 'that none was ever taken' }, (found) => found.includes('SL-BAK-01'));
    const connection = await connectNats(await gateway.natsConfigOf('backup'), 'backup');
    atEnd(() => connection.close());
    const put = async <Value>(key: string, schema: z.ZodType<Value>, value: Value) =>
      (await KvTable.open(connection, OPERATIONS_BUCKET, schema)).put(key, value, undefined);
    const lastFailure = { at: new Date().toISOString(), message: 'the bucket is away' };
    await put(backupHistoryKey, BackupHistory, { successes: 0, failures: 1, lastFailure });
    expect(await items()).toContainEqual(expect.objectContaining({ code: 'SL-BAK-02', message: 'the bucket is away' }));
    const at = new Date(Date.now() + 3_600_000).toISOString();
    await put(lastBackupKey, BackupRecord, { id: 'b', at, events: 3, bytes: 2, durationMs: 1, target: 's3', logChecked: true });
    const found = await codes();
    expect(found.filter((code) => code.startsWith('SL-BAK'))).toEqual([]);
  });
});
