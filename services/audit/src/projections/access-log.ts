import type { AccessRecord } from '@sandlot/contracts';
import type { Copy, CopyRow, Query } from '@sandlot/projections';
import { accessBatch } from './access-batch.js';
import { refused } from './refusals.js';

/** Columns of `audit.access_log`, and what of a record stands in them. */
const columns = {
  id: ['text not null', (record) => record.id],
  at: ['timestamptz not null', (record) => record.at],
  kind: ['text not null', (record) => record.kind],
  method: ['text not null', (record) => record.method],
  path: ['text not null', (record) => record.path],
  status: ['integer not null', (record) => record.status],
  code: ['text', (record) => record.code],
  reason: ['text', (record) => record.reason],
  user_id: ['text', (record) => record.userId],
  username: ['text', (record) => record.username],
  key_id: ['text', (record) => record.keyId],
  sandbox_id: ['text', (record) => record.sandboxId],
  sandbox: ['text', (record) => record.sandbox],
  port: ['integer', (record) => record.port],
  ip: ['text not null', (record) => record.ip],
  request_id: ['text not null', (record) => record.requestId],
  duration_ms: ['double precision not null', (record) => record.durationMs],
  first_byte_ms: ['double precision', (record) => record.firstByteMs],
  held_ms: ['double precision', (record) => record.heldMs],
  woke: ['boolean', (record) => record.woke],
  bytes_in: ['bigint not null', (record) => record.bytesIn],
  bytes_out: ['bigint not null', (record) => record.bytesOut],
} satisfies Record<string, [type: string, of: (record: AccessRecord) => CopyRow[number]]>;

const names = Object.keys(columns);
const values = Object.values(columns).map(([, of]) => of);
const definitions = Object.entries(columns).map(([name, [type]]) => `${name} ${type}`);

/**
 * What passed the door, a partition a day, and what it adds up to. The writer owns no tables, so it makes and drops partitions through two
 * functions. A new partition is attached, not created as one: that would wait for every query.
 */
export const accessTables = `
  create table audit.access_log (${definitions.join(', ')}, primary key (at, id)) partition by range (at);
  create index on audit.access_log (user_id, at, id);
  create index on audit.access_log (sandbox_id, at, id);
  create index on audit.access_log (key_id, at, id);
  create table audit.access_usage (
    day date not null, user_id text not null, sandbox_id text not null, username text, sandbox text, requests bigint not null, refused bigint not null,
    bytes_in bigint not null, bytes_out bigint not null, connections bigint not null, connection_seconds double precision not null,
    primary key (day, user_id, sandbox_id)
  );
  create index on audit.access_usage (user_id, day, sandbox_id);

  create function audit.add_access_days(days date[]) returns void language plpgsql security definer
  set search_path = pg_catalog set lock_timeout = '5s' set timezone = 'UTC' as $$
  declare wanted date; partition text;
  begin
    foreach wanted in array days loop
      partition := 'access_log_' || to_char(wanted, 'YYYYMMDD');
      continue when to_regclass('audit.' || partition) is not null;
      execute format('create table audit.%I (like audit.access_log including all)', partition);
      execute format('alter table audit.access_log attach partition audit.%I for values from (%L) to (%L)', partition,
        wanted::timestamptz, (wanted + 1)::timestamptz);
    end loop;
  end $$;

  create function audit.drop_access_days(kept_since date, usage_since date) returns integer language plpgsql security definer
  set search_path = pg_catalog set lock_timeout = '5s' as $$
  declare partition text; dropped integer := 0;
  begin
    for partition in
      select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
      where i.inhparent = 'audit.access_log'::regclass and c.relname < 'access_log_' || to_char(kept_since, 'YYYYMMDD')
    loop
      execute format('drop table audit.%I', partition);
      dropped := dropped + 1;
    end loop;
    delete from audit.access_usage where day < usage_since;
    return dropped;
  end $$`;

const DAY_MS = 86_400_000;

export const dayOf = (milliseconds: number): string => new Date(milliseconds).toISOString().slice(0, 10);

/** The first of the days that are kept. */
export const keptSince = (now: number, days: number): string => dayOf(now - days * DAY_MS);

/**
 * Loads batches of records, each record once however often it was sent, and adds those that are new to the usage of their day. What is
 * older than the retention is left out: its partition is gone.
 */
export async function loadAccess(
  messages: readonly { data: Uint8Array }[],
  { query, copy, since }: { query: Query; copy: Copy; since: string },
): Promise<void> {
  const records = messages.flatMap(({ data }) => accessBatch(data)).filter(({ at }) => at.slice(0, 10) >= since);
  if (records.length === 0) return;
  await query('select audit.add_access_days($1::date[])', [[...new Set(records.map(({ at }) => at.slice(0, 10)))]]);
  // Of the connection, and empty with every transaction: making it anew each time would fill the catalogue with dead rows.
  await query(`create temporary table if not exists access_incoming (${definitions.join(', ')}) on commit delete rows`);
  const rows = records.map((record) => values.map((of) => of(record)));
  await copy('pg_temp.access_incoming', names, rows);
  await query(
    `with loaded as (
       insert into audit.access_log (${names.join(', ')}) select ${names.join(', ')} from pg_temp.access_incoming on conflict do nothing
       returning *
     )
     insert into audit.access_usage as u
     select (at at time zone 'UTC')::date, user_id, coalesce(sandbox_id, ''), max(username), max(sandbox) filter (where sandbox_id is not null), count(*),
            count(*) filter (where status = any($1)), sum(bytes_in), sum(bytes_out), count(*) filter (where ${isConnection}),
            coalesce(sum(duration_ms) filter (where ${isConnection}), 0) / 1000
     from loaded where user_id is not null group by 1, 2, 3
     on conflict (day, user_id, sandbox_id) do update set
       username = coalesce(excluded.username, u.username), sandbox = coalesce(excluded.sandbox, u.sandbox),
       requests = u.requests + excluded.requests, refused = u.refused + excluded.refused, bytes_in = u.bytes_in + excluded.bytes_in,
       bytes_out = u.bytes_out + excluded.bytes_out, connections = u.connections + excluded.connections,
       connection_seconds = u.connection_seconds + excluded.connection_seconds`,
    [[...refused]],
  );
}

/** A WebSocket that was opened, a tunnel that was: the others are requests that asked for one. */
const isConnection = `(kind = 'websocket' and status = 101 or kind = 'tunnel' and status = 200)`;
