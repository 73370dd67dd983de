import { Client } from 'pg';
import { atEnd, freshDatabase, startTestPostgres } from '@sandlot/testing';
import { dataSource, migrate } from './index.js';
import { migrations } from './projections-under-test.js';

const connected = async (url: string): Promise<Client> => {
  const client = new Client({ connectionString: url });
  await client.connect();
  atEnd(() => client.end());
  return client;
};

const migrated = async () => {
  const ownerUrl = await freshDatabase();
  return { ownerUrl, ...(await migrate({ service: 'provisioner', ownerUrl, migrations })) };
};

describe('the view on a read model', () => {
  const rows = (slot: string, count: number) => `
    insert into provisioner_${slot}.sandboxes select 'sbx_' || i, 's' || i, i, timestamptz '2026-01-01' + i * interval '1 second'
    from generate_series(1, ${count}) i`;

  it('shows the live slot, and the other one from the moment that it is', async () => {
    const { ownerUrl } = await migrated();
    const owner = await connected(ownerUrl);
    await owner.query(`${rows('blue', 3)}; ${rows('green', 5)}`);
    const count = async () => (await owner.query('select count(*)::int as count from provisioner.sandboxes')).rows[0].count as number;
    expect(await count()).toBe(3);
    await owner.query(`update provisioner.projections set live = 'green' where name = 'sandboxes'`);
    expect(await count()).toBe(5);
  });

  it.each([
    ['one row', `select * from provisioner.sandboxes where id = 'sbx_77'`, /Index Cond: \(id = /],
    [
      'a page by key',
      `select * from provisioner.sandboxes where (updated_at, id) > ('2026-01-01 02:00', 'sbx_0') order by updated_at, id limit 50`,
      /Index Cond: \(ROW\(updated_at, id\) > /,
    ],
    ['the newest', 'select * from provisioner.sandboxes order by updated_at desc, id desc limit 50', /Index Scan Backward/],
  ])('uses the indexes of the live slot for %s, and does not touch the other', async (_, sql, index) => {
    const { ownerUrl } = await migrated();
    const owner = await connected(ownerUrl);
    await owner.query(`${rows('blue', 20_000)}; ${rows('green', 20_000)}; analyze`);
    const { rows: lines } = await owner.query<{ 'QUERY PLAN': string }>(`explain (analyze, costs off, timing off, buffers off) ${sql}`);
    const plan = lines.map((line) => line['QUERY PLAN']).join('\n');
    expect(plan).toMatch(index);
    expect(plan).not.toMatch(/Sort Method|Seq Scan on sandboxes/);
    expect(plan.match(/never executed/g)).toHaveLength(1);
  });
});

describe("a service's roles", () => {
  it('let queries see the views, not the slots, and change nothing', async () => {
    const { readerUrl } = await migrated();
    const reader = await connected(readerUrl);
    expect((await reader.query('select * from provisioner.sandboxes')).rows).toEqual([]);
    await expect(reader.query('select * from provisioner_blue.sandboxes')).rejects.toThrow('permission denied');
    await expect(reader.query('select * from provisioner.migrations')).rejects.toThrow('permission denied');
    await expect(reader.query('create temp table t (id int)')).rejects.toThrow(/read-only|permission denied/);
    await reader.query('set default_transaction_read_only = off');
    await expect(reader.query('update provisioner.projections set live = live')).rejects.toThrow('permission denied');
    expect((await reader.query('show statement_timeout')).rows).toEqual([{ statement_timeout: '5s' }]);
  });

  it('let the projections change rows, and no tables', async () => {
    const { writerUrl } = await migrated();
    const writer = await connected(writerUrl);
    await writer.query(`insert into provisioner_blue.sandboxes values ('sbx_1', 's', 0, now()); truncate provisioner_blue.sandboxes`);
    for (const sql of [
      'create table provisioner.t (id int)',
      'alter table provisioner_blue.sandboxes add x int',
      'create schema s',
      'create table public.t (id int)',
    ])
      await expect(writer.query(sql)).rejects.toThrow(/permission denied|must be owner/);
  });

  it('are kept apart per service', async () => {
    const { ownerUrl, writerUrl } = await migrated();
    const other = await migrate({ service: 'audit', ownerUrl, migrations: [] }).catch((error: Error) => error);
    expect(other).toBeInstanceOf(Error); // without its first migration it has no checkpoints
    const owner = await connected(ownerUrl);
    await owner.query('create schema if not exists audit; create table audit.secret (id int)');
    const writer = await connected(writerUrl);
    await expect(writer.query('select * from audit.secret')).rejects.toThrow('permission denied');
  });
});

describe("a role's password", () => {
  it('changes without a gap by a second login that has what the role has, as docs/how-to/rotate-keys.md says', async () => {
    const { ownerUrl, writerUrl, readerUrl } = await migrated();
    const owner = await connected(ownerUrl);
    const before = await connected(writerUrl);
    const suffix = Math.random().toString(36).slice(2, 8);
    await owner.query(`
      create role writer_${suffix} login password 'new' in role sandlot_provisioner_writer;
      create role reader_${suffix} login password 'new' in role sandlot_provisioner_reader;
      alter role reader_${suffix} set default_transaction_read_only = on;
      alter role reader_${suffix} set statement_timeout = '5s'`);
    const as = (url: string, role: string) => Object.assign(new URL(url), { username: role, password: 'new' }).href;
    const [writer, reader] = [await connected(as(writerUrl, `writer_${suffix}`)), await connected(as(readerUrl, `reader_${suffix}`))];
    await before.query(`insert into provisioner_blue.sandboxes values ('sbx_1', 's', 0, now())`);
    await writer.query(`update provisioner_blue.sandboxes set name = 't'`);
    expect((await reader.query('select name from provisioner.sandboxes')).rows).toEqual([{ name: 't' }]);
    await expect(reader.query('update provisioner.projections set live = live')).rejects.toThrow(/read-only|permission denied/);
    await before.query('truncate provisioner_blue.sandboxes'); // who was connected goes on until he is restarted
  });
});

describe('migrating', () => {
  it('is done once when processes start together, and again without effect', async () => {
    const ownerUrl = await freshDatabase();
    const runs = await Promise.all([1, 2, 3].map(() => migrate({ service: 'provisioner', ownerUrl, migrations })));
    expect(new Set(runs.map(({ readerUrl }) => readerUrl)).size).toBe(1);
    const owner = await connected(ownerUrl);
    expect((await owner.query('select name from provisioner.migrations')).rows).toHaveLength(migrations.length);
  });

  it('works with a single role that may make no others: then the connection keeps queries from writing', async () => {
    const postgres = await startTestPostgres();
    const admin = await connected(postgres.url);
    await admin.query(`create role plain login password 'plain'`);
    await admin.query('create database plain owner plain');
    const ownerUrl = postgres.urlOf('plain').replace(/\/\/[^@]+@/, '//plain:plain@');
    const { writerUrl, readerUrl } = await migrate({ service: 'provisioner', ownerUrl, migrations });
    expect(writerUrl).toBe(ownerUrl);
    const reader = await connected(readerUrl);
    await expect(reader.query(`insert into provisioner_blue.sandboxes values ('sbx_1', 's', 0, now())`)).rejects.toThrow('read-only');
    expect((await reader.query('show statement_timeout')).rows).toEqual([{ statement_timeout: '5s' }]);
  });

  it('can be undone', async () => {
    const { ownerUrl } = await migrated();
    const source = await dataSource('provisioner', ownerUrl, [], [...migrations]).initialize();
    for (let i = 0; i < migrations.length; i += 1) await source.undoLastMigration();
    const { count } = (
      await source.query(`select count(*)::int as count from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where n.nspname like 'provisioner%' and relkind in ('r', 'v') and relname not in ('migrations', 'schema_floor')`)
    )[0] as { count: number };
    await source.destroy();
    expect(count).toBe(0);
  });
});
