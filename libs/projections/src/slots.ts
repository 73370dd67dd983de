import type { QueryRunner } from 'typeorm';
import { slotSchema, type Slot } from './read-model.js';

/** What runs a statement: TypeORM's QueryRunner is one. */
type Runner = Pick<QueryRunner, 'query'>;

export const slots: readonly Slot[] = ['blue', 'green'];

/** Which aggregates stand where, so that the next event of each can be checked. One table per projection and slot. */
export const headsTable = (projection: string): string => `heads_${projection}`;

/** For whom a query of the reader is: the owner whose rows it sees, or everybody. Nobody's until it is set, in each transaction anew. */
export const tenantSetting = 'sandlot.tenant';
export const everybody = '*';

const plainName = /^[a-z][a-z0-9_]{0,40}$/;

function plain(name: string): string {
  if (!plainName.test(name)) throw new RangeError(`not a name for a schema or table: ${JSON.stringify(name)}`);
  return name;
}

/**
 * Where the projections of a service stand: the first migration of each service. `projections` says which slot is live, `checkpoints` how
 * far each slot is.
 */
export function checkpointTables(service: string) {
  plain(service);
  return {
    async up(runner: Runner): Promise<void> {
      for (const schema of [service, ...slots.map((slot) => slotSchema(service, slot))])
        await runner.query(`create schema if not exists ${schema}`);
      await runner.query(`
        create table ${service}.projections (
          name text primary key,
          live text not null default 'blue' check (live in ('blue', 'green')),
          building boolean not null default false,
          build_reason text,
          skipped bigint[] not null default '{}'
        )`);
      await runner.query(`
        create table ${service}.checkpoints (
          projection text not null references ${service}.projections on delete cascade,
          slot text not null check (slot in ('blue', 'green')),
          stream text,
          stream_created text,
          position bigint not null default 0,
          event_id text,
          event_hash text,
          status text not null default 'running' check (status in ('running', 'parked', 'halted')),
          code text,
          reason text,
          stopped_at bigint,
          updated_at timestamptz not null default now(),
          primary key (projection, slot)
        )`);
    },
    async down(runner: Runner): Promise<void> {
      await runner.query(`drop table ${service}.checkpoints; drop table ${service}.projections`);
      for (const slot of slots) await runner.query(`drop schema ${slotSchema(service, slot)} cascade`);
    },
  };
}

/**
 * The tables of a read model, in both slots, with a view for each in the service's schema that shows the live one.
 *
 * `ddl` makes or alters them in the schema that it is given; after an alteration the views are made anew, and a rebuild fills what is new.
 * `down` removes all of it. `tenants` names, for each table that has one, the column that says whose a row is: its view then shows a query
 * only the rows of whom it is for (`ReadSide.as`), so that a query which forgets its condition shows nothing rather than everything.
 *
 * The view compares a constant per slot with the live one, which PostgreSQL works out once per query: the other slot is never read. A
 * condition within each half of the union does the same but keeps it from using an index for `order by … limit`.
 */
export function slotTables(
  service: string,
  projection: { name: string; tables: readonly string[] },
  ddl: (slot: string) => string,
  { tenants = {} }: { tenants?: Readonly<Record<string, string>> } = {},
) {
  [service, projection.name, ...projection.tables, ...Object.values(tenants)].forEach(plain);
  const heads = headsTable(projection.name);
  const dropViews = (runner: Runner) =>
    runner.query(projection.tables.map((table) => `drop view if exists ${service}.${table}`).join('; '));
  return {
    async up(runner: Runner): Promise<void> {
      await dropViews(runner);
      for (const slot of slots) {
        const schema = slotSchema(service, slot);
        await runner.query(ddl(schema));
        // HOT updates: the row of an aggregate is rewritten with each of its events.
        await runner.query(`
          create table if not exists ${schema}.${heads} (
            subject text primary key, version integer not null, position bigint not null, hash text not null
          ) with (fillfactor = 70)`);
      }
      for (const table of projection.tables) await createView(runner, service, projection.name, table, tenants[table]);
      await runner.query(`insert into ${service}.projections (name) values ('${projection.name}') on conflict do nothing`);
    },
    async down(runner: Runner): Promise<void> {
      await dropViews(runner);
      for (const slot of slots)
        for (const table of [...projection.tables, heads]) await runner.query(`drop table ${slotSchema(service, slot)}.${table} cascade`);
      await runner.query(`delete from ${service}.projections where name = '${projection.name}'`);
    },
  };
}

async function createView(runner: Runner, service: string, projection: string, table: string, tenant?: string): Promise<void> {
  const columns = (await runner.query(
    `select quote_ident(column_name) as name from information_schema.columns
     where table_schema = '${slotSchema(service, 'blue')}' and table_name = '${table}' order by ordinal_position`,
  )) as { name: string }[];
  const list = columns.map(({ name }) => name).join(', ');
  const halves = slots.map((slot) => `select '${slot}' as slot, ${list} from ${slotSchema(service, slot)}.${table}`);
  await runner.query(`
    create view ${service}.${table} as select ${list} from (${halves.join(' union all ')}) as slots
    where slot = (select live from ${service}.projections where name = '${projection}')
    ${tenant ? `and (${tenant} = current_setting('${tenantSetting}', true) or current_setting('${tenantSetting}', true) = '${everybody}')` : ''}`);
}
