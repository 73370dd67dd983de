import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { ACCESS_STREAM, ACCESS_SUBJECT, type AccessRecord } from '@sandlot/contracts';
import { newId } from '@sandlot/kernel';
import { migrate, StreamLoader, writerPool, type ServiceDatabase, type StreamLoaderOptions } from '@sandlot/projections';
import { atEnd, freshDatabase, startTestNats, waitFor } from '@sandlot/testing';
import { Client } from 'pg';
import { AccessLog } from './access-log.js';
import { AccessRetention } from './access-retention.js';
import { Trail1763700000000 } from './migrations/1-trail.js';
import { Access1764200000000 } from './migrations/2-access.js';
import { loadAccess } from './projections/access-log.js';
import { UsageByDay } from './usage.js';

const alice = newId('usr');
const bob = newId('usr');
const s1 = newId('sbx');
const at = (day: number, second = 0) => `2026-03-${String(day).padStart(2, '0')}T12:00:${String(second).padStart(2, '0')}.000Z`;

const record = (time: string, changes: Partial<AccessRecord> = {}): AccessRecord => ({
  id: newId('evt', new Date(time)), at: time, kind: 'http', method: 'GET', path: '/proxy/s1/', status: 200, userId: alice, username: 'alice',
  keyId: 'key_1', sandboxId: s1, sandbox: 's1', port: 8888, ip: '192.0.2.7', requestId: 'req_1', durationMs: 1.5, firstByteMs: 1.25, bytesIn: 3,
  bytesOut: 5, ...changes,
}); // prettier-ignore

const records = [
  record(at(1), { path: '/proxy/s1/a\tb\\c\nd' }),
  record(at(1, 1), { method: 'POST', status: 429, code: 'RATE_LIMITED' }),
  record(at(2), { kind: 'websocket', status: 101, reason: 'the client closed the connection', durationMs: 90_000 }),
  record(at(2, 1), { kind: 'tunnel', method: 'CONNECT', status: 200, durationMs: 30_000 }),
  record(at(2, 2), { kind: 'tunnel', method: 'CONNECT', status: 502, durationMs: 10_000 }),
  record(at(3), { kind: 'api', path: '/api/v1/me', sandboxId: undefined, sandbox: undefined, port: undefined, keyId: 'key_2' }),
  record(at(3, 1), { userId: bob, username: 'bob', status: 404 }),
  record(at(3, 2), { userId: undefined, username: undefined, keyId: undefined, status: 401, sandboxId: undefined, sandbox: undefined }),
];

describe('records of what passed the door', () => {
  let database: ServiceDatabase;
  let log: AccessLog;
  let usage: UsageByDay;
  let publish: (records: AccessRecord[]) => Promise<unknown>;
  let loader: (changes?: Partial<StreamLoaderOptions>) => StreamLoader;
  let owner: Client;

  beforeAll(async () => {
    const ownerUrl = await freshDatabase();
    database = await migrate({ service: 'audit', ownerUrl, migrations: [Trail1763700000000, Access1764200000000] });
    owner = new Client({ connectionString: ownerUrl });
    const reader = new Client({ connectionString: database.readerUrl });
    await Promise.all([owner.connect(), reader.connect()]);
    const pool = writerPool('audit', database.writerUrl);
    const nats = await startTestNats();
    const connection = await connect({ servers: nats.url });
    atEnd(() => Promise.all([owner.end(), reader.end(), pool.end(), connection.close()]));
    await (await jetstreamManager(connection)).streams.add({ name: ACCESS_STREAM, subjects: ['access.>'] });
    publish = (batch) => jetstream(connection).publish(ACCESS_SUBJECT, JSON.stringify(batch));
    const reads = { query: async <Row>(sql: string, params: readonly unknown[]) => (await reader.query(sql, [...params])).rows as Row[] };
    log = new AccessLog(reads);
    usage = new UsageByDay(reads);
    loader = (changes = {}) => {
      const load: StreamLoaderOptions['load'] = (messages, query, copy) => loadAccess(messages, { query, copy, since: '2026-01-01' });
      const options = { connection, pool, service: 'audit', name: 'access', stream: ACCESS_STREAM, load, onError: () => undefined };
      return new StreamLoader({ ...options, ...changes });
    };
    // The same records again, under another id of the message: a proxy whose acknowledgement was lost for longer than NATS remembers.
    for (const batch of [records.slice(0, 4), records.slice(2), records]) await publish(batch);
    const loading = loader();
    loading.start();
    await loaded(records.length);
    await loading.stop();
  });

  const loaded = (count: number) =>
    waitFor(
      async () => Number((await owner.query('select position from audit.loads')).rows[0]?.position ?? 0),
      {},
      (position) => position >= 3,
    ).then(() =>
      waitFor(
        async () => (await list({ limit: 200 })).items.length,
        { describe: 'the records' },
        (found) => found === count,
      ),
    );
  const list = (query: Partial<Parameters<AccessLog['list']>[0]> = {}) => log.list({ order: 'asc', limit: 50, ...query });
  const used = (query: object = {}) => usage.list({ limit: 50, ...query });

  it('S1-28 hold who, with which key, sent what to which sandbox, when, how long, with what outcome', async () => {
    const { items } = await list();
    expect(items).toHaveLength(records.length);
    expect(items[2]).toEqual({
      id: records[2]!.id, at: at(2), endedAt: '2026-03-02T12:01:30.000Z', kind: 'websocket', method: 'GET', path: '/proxy/s1/', status: 101, code: null,
      reason: 'the client closed the connection', userId: alice, username: 'alice', keyId: 'key_1', sandboxId: s1, sandbox: 's1', port: 8888,
      ip: '192.0.2.7', requestId: 'req_1', durationMs: 90_000, firstByteMs: 1.25, heldMs: null, woke: null, bytesIn: 3, bytesOut: 5,
    }); // prettier-ignore
    expect(items[0]!.path).toBe('/proxy/s1/a\tb\\c\nd');
  });

  it('stand in a partition a day', async () => {
    const { rows } = await owner.query<{ name: string }>(
      `select tableoid::regclass::text as name from audit.access_log group by 1 order by 1`,
    );
    expect(rows.map(({ name }) => name)).toEqual([1, 2, 3].map((day) => `audit.access_log_2026030${day}`));
  });

  it.each([
    [{ user: 'alice' }, 6],
    [{ user: bob }, 1],
    [{ key: 'key_2' }, 1],
    [{ sandbox: 's1' }, 6],
    [{ sandbox: s1 }, 6],
    [{ status: '4xx' }, 3],
    [{ status: '404' }, 1],
    [{ method: 'CONNECT', kind: 'tunnel' as const }, 2],
    [{ since: at(2), until: at(3) }, 3],
    [{ user: 'nobody' }, 0],
  ])('are filtered by %j', async (filters, count) => expect((await list(filters)).items).toHaveLength(count));

  it.each(['asc', 'desc'] as const)('are paged through once, %s', async (order) => {
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await list({ order, limit: 3, cursor });
      seen.push(...page.items.map(({ id }) => id));
      cursor = page.nextCursor ?? undefined;
    } while (cursor);
    const ids = records.map(({ id }) => id);
    expect(seen).toEqual(order === 'asc' ? ids : ids.reverse());
    await expect(list({ cursor: 'bm9uZQ' })).rejects.toMatchObject({ code: 'INVALID_CURSOR' });
  });

  it('add up to the usage per user, day and sandbox, each once', async () => {
    const { items } = await used({ user: 'alice' });
    const none = { connections: 0, connectionSeconds: 0, refused: 0, userId: alice, username: 'alice' };
    const ofS1 = { ...none, sandboxId: s1, sandbox: 's1' };
    expect(items).toEqual([
      { ...none, day: '2026-03-03', sandboxId: null, sandbox: null, requests: 1, bytesIn: 3, bytesOut: 5 },
      { ...ofS1, day: '2026-03-02', requests: 3, bytesIn: 9, bytesOut: 15, connections: 2, connectionSeconds: 120 },
      { ...ofS1, day: '2026-03-01', requests: 2, refused: 1, bytesIn: 6, bytesOut: 10 },
    ]);
    expect((await used({ since: '2026-03-02', until: '2026-03-03' })).items).toHaveLength(1);
    expect((await used({ sandbox: 's1', user: bob })).items).toMatchObject([{ requests: 1 }]);
    const [first, rest] = [await used({ limit: 1 }), (cursor: string) => used({ cursor })];
    expect([...first.items, ...(await rest(first.nextCursor!)).items]).toEqual((await used()).items);
    await expect(used({ cursor: 'eA' })).rejects.toMatchObject({ code: 'INVALID_CURSOR' });
  });

  it('are neither lost nor counted twice when a load is rolled back, and loaded by one of two', async () => {
    let failures = 0;
    const failing: StreamLoaderOptions['load'] = async (messages, query, copy) => {
      await loadAccess(messages, { query, copy, since: '2026-01-01' });
      if (failures++ < 1) throw new Error('behind the rows, before the commit');
    };
    await publish([record(at(4))]);
    const both = [loader({ load: failing }), loader({ load: failing })];
    for (const each of both) each.start();
    await waitFor(async () => (await list({ since: at(4) })).items.length === 1, { describe: 'the record' });
    await Promise.all(both.map((each) => each.stop()));
    expect((await used({ since: '2026-03-04' })).items).toMatchObject([{ requests: 1 }]);
  });

  it('go by the day when they are older than they are kept, and are not loaded again', async () => {
    const pool = writerPool('audit', database.writerUrl);
    atEnd(() => pool.end());
    const now = Date.parse(at(4));
    const retention = new AccessRetention({
      pool, recordDays: 2, usageDays: 3, now: () => now, onDropped: () => undefined, onError: () => undefined,
    }); // prettier-ignore
    expect(retention.since).toBe('2026-03-02');
    expect([await retention.apply(), await retention.apply()]).toEqual([1, 0]);
    expect((await list()).items.map((item) => item.at.slice(0, 10))).not.toContain('2026-03-01');
    expect((await used({ until: '2026-03-02' })).items).toHaveLength(1);
    await loadAccess([{ data: Buffer.from(JSON.stringify([record(at(1))])) }], {
      query: () => Promise.reject(new Error('nothing is to be loaded')),
      copy: () => Promise.reject(new Error('nothing is to be loaded')),
      since: retention.since,
    });
  });

  it('are left alone by a load that is stopped while it waits for PostgreSQL', async () => {
    const other = new Client({ connectionString: database.writerUrl });
    await other.connect();
    atEnd(() => other.end());
    const loading = loader();
    await other.query('begin; update audit.loads set position = position');
    loading.start();
    await waitFor(
      async () =>
        (await owner.query(`select from pg_stat_activity where wait_event_type = 'Lock' and query like '%audit.loads%'`)).rowCount,
      { describe: 'the load to wait' },
      (waiting) => waiting === 1,
    );
    const stopped = loading.stop();
    await other.query('rollback');
    await stopped;
  });

  it('are read by the reader, who may neither change nor drop them', async () => {
    const reader = new Client({ connectionString: database.readerUrl });
    await reader.connect();
    atEnd(() => reader.end());
    await reader.query('set default_transaction_read_only = off');
    for (const sql of ['delete from audit.access_log', `select audit.drop_access_days('2027-01-01', '2027-01-01')`])
      await expect(reader.query(sql)).rejects.toMatchObject({ code: '42501' });
  });
});
