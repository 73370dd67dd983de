import { Client } from 'pg';
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { atEnd, freshDatabase, waitFor } from '@sandlot/testing';
import { migrate, migrationPlan, NewerDatabase, type Migration } from './index.js';
import { migrations, ProjectionsUnderTest } from './projections-under-test.js';
import { ReadSide } from './read-side.js';

class Wider1800000000001 implements MigrationInterface {
  up = (runner: QueryRunner) => runner.query('alter table provisioner_blue.sandboxes add extra text');
  down = (runner: QueryRunner) => runner.query('alter table provisioner_blue.sandboxes drop extra');
}
class Narrower1800000000002 implements MigrationInterface {
  static readonly needs = 'Wider1800000000001';
  up = (runner: QueryRunner) => runner.query('alter table provisioner_blue.sandboxes drop pauses cascade');
  down = () => Promise.resolve();
}
const older: readonly Migration[] = migrations;
const expanded = [...older, Wider1800000000001];
const newer = [...expanded, Narrower1800000000002];

const options = (ownerUrl: string, known: readonly Migration[]) => ({ service: 'provisioner', ownerUrl, migrations: known });

async function owner(url: string): Promise<Client> {
  const client = new Client({ connectionString: url });
  await client.connect();
  atEnd(() => client.end());
  return client;
}

async function appliedIn(url: string): Promise<string[]> {
  const { rows } = await (await owner(url)).query<{ name: string }>('select name from provisioner.migrations order by timestamp');
  return rows.map(({ name }) => name);
}

describe('a plan of migrations', () => {
  it('says what would run, in which order and of which kind, and changes nothing', async () => {
    const ownerUrl = await freshDatabase();
    const plan = await migrationPlan(options(ownerUrl, newer));
    expect(plan).toEqual({
      service: 'provisioner',
      applied: [],
      pending: newer.map(({ name }) => ({ name, kind: name.startsWith('Narrower') ? 'contract' : 'expand' })),
    });
    const { rows } = await (await owner(ownerUrl)).query(`select 1 from pg_namespace where nspname like 'provisioner%'`);
    expect(rows).toEqual([]);

    await migrate(options(ownerUrl, older));
    const after = await migrationPlan(options(ownerUrl, newer));
    expect(after.applied).toEqual(older.map(({ name }) => name));
    expect(after.pending.map(({ name }) => name)).toEqual(['Wider1800000000001', 'Narrower1800000000002']);
  });
});

describe('migrating', () => {
  it('says what it does, and keeps the names', async () => {
    const ownerUrl = await freshDatabase();
    const lines: string[] = [];
    await migrate({ ...options(ownerUrl, expanded), progress: (line) => lines.push(line) });
    expect(lines.filter((line) => line.includes('Wider'))).toEqual([
      'provisioner: Wider1800000000001 begins',
      expect.stringMatching(/^provisioner: Wider1800000000001 is done after \d+ ms$/),
    ]);
    expect(await appliedIn(ownerUrl)).toEqual(expanded.map(({ name }) => name));
  });

  it('lets go of a table that is in use, so that nobody waits behind it, and tries again', async () => {
    const ownerUrl = await freshDatabase();
    await migrate(options(ownerUrl, older));
    const busy = await owner(ownerUrl);
    await busy.query('begin; lock table provisioner_blue.sandboxes in access share mode');
    const lines: string[] = [];
    const migrating = migrate({ ...options(ownerUrl, expanded), lockTimeoutMs: 100, progress: (line) => lines.push(line) });
    await waitFor(() => lines.some((line) => line.includes('a table is in use')), {
      within: 10_000,
      describe: 'the migration to meet the lock',
    });
    await busy.query('commit');
    await migrating;
    expect(await appliedIn(ownerUrl)).toContain('Wider1800000000001');
  });

  it('gives up a table that stays in use, with what it has done kept and the rest to be run again', async () => {
    const ownerUrl = await freshDatabase();
    await migrate(options(ownerUrl, older));
    const busy = await owner(ownerUrl);
    await busy.query('begin; lock table provisioner_blue.sandboxes in access share mode');
    await expect(migrate({ ...options(ownerUrl, expanded), lockTimeoutMs: 20 })).rejects.toThrow('lock timeout');
    await busy.query('commit');
    expect(await appliedIn(ownerUrl)).toEqual(older.map(({ name }) => name));
    await migrate(options(ownerUrl, expanded));
  });
});

describe('a database of another version', () => {
  it('goes on with an older version after expanding, whose migration changes nothing', async () => {
    const ownerUrl = await freshDatabase();
    await migrate(options(ownerUrl, expanded));
    await migrate(options(ownerUrl, older));
    expect(await migrationPlan(options(ownerUrl, older))).toMatchObject({ pending: [] });
    expect(await appliedIn(ownerUrl)).toEqual(expanded.map(({ name }) => name));
  });

  it('goes on with the version before after contracting, and refuses the one before that, in its migration and its start', async () => {
    const under = await ProjectionsUnderTest.start();
    const ownerUrl = under.ownerUrl;
    const readSide = (known: readonly Migration[]) => {
      const { connection, store, database } = under;
      const side = new ReadSide({
        service: 'provisioner',
        connection,
        store,
        ...database,
        migrations: known,
        models: [],
        entities: [],
        log: () => undefined,
      });
      atEnd(() => side.stop());
      return side;
    };
    await migrate(options(ownerUrl, newer));
    await migrate(options(ownerUrl, expanded));
    await readSide(expanded).start();
    const said =
      'the database belongs to a newer version of Sandlot: its schema provisioner needs a version that knows Wider1800000000001, and ' +
      `this one knows schemas up to ${older.at(-1)!.name}.`;
    for (const refused of [migrate(options(ownerUrl, older)), migrationPlan(options(ownerUrl, older)), readSide(older).start()]) {
      const error = (await refused.catch((thrown: unknown) => thrown)) as Error;
      expect(error).toBeInstanceOf(NewerDatabase);
      expect(error.message).toContain(said);
    }
    expect(await appliedIn(ownerUrl)).toEqual(newer.map(({ name }) => name));
  });
});
