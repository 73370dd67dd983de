import type { NatsConnection } from '@nats-io/transport-node';
import { DOMAIN_STREAM, type Context } from '@sandlot/contracts';
import type { RecordedEvent } from '@sandlot/event-store';
import { readPast } from './as-of.js';
import { writerPool } from './data-source.js';
import { LogSource } from './log-source.js';
import { slotSchema, type ReadModel, type Slot, type SlotWriter } from './read-model.js';
import { transaction, type Query } from './transaction.js';

export interface CompareOptions {
  readonly service: Context;
  readonly model: ReadModel;
  readonly connection: NatsConnection;
  /** As the database's owner, or as the service's writer. */
  readonly databaseUrl: string;
}

export interface Comparison {
  readonly service: string;
  readonly model: string;
  /** How far into the log both were looked at. */
  readonly position: number;
  /** Rows, of all tables together. */
  readonly rows: number;
  /** Tables that are not what the log says. Empty: all is well. */
  readonly differing: readonly { readonly table: string; readonly missing: number; readonly unexpected: number }[];
}

const batch = 1_000;

/**
 * Folds the log up to where a read model stands, into temporary tables, and compares them with what queries see, row by row. Runs beside the
 * service and holds nothing up: one snapshot of the database, one reader of the log. Takes as long as a rebuild, and its disk space.
 */
export async function compareWithFold({ service, model, connection, databaseUrl }: CompareOptions): Promise<Comparison> {
  const pool = writerPool(service, databaseUrl, { max: 1 });
  const source = new LogSource(connection, DOMAIN_STREAM);
  try {
    return await transaction(pool, async (ask) => {
      await ask('set transaction isolation level repeatable read');
      const { live, position, skipped } = await standOf(ask, service, model);
      const slot = slotSchema(service, live);
      const fold: SlotWriter = { slot: 'pg_temp', query: ask };
      for (const table of model.tables) await ask(`create temp table ${table} (like ${slot}.${table} including all) on commit drop`);
      if (position > 0) await foldInto(fold, { model, at: position, source, skipped, limit: Infinity });
      let rows = 0;
      const differing = [];
      for (const table of model.tables) {
        const [missing, unexpected] = [await countOf(ask, `table pg_temp.${table} except table ${slot}.${table}`), await countOf(ask, `table ${slot}.${table} except table pg_temp.${table}`)]; // prettier-ignore
        if (missing > 0 || unexpected > 0) differing.push({ table, missing, unexpected });
        rows += await countOf(ask, `table ${slot}.${table}`);
      }
      return { service, model: model.name, position, rows, differing };
    });
  } finally {
    await pool.end();
  }
}

async function foldInto(fold: SlotWriter, options: Parameters<typeof readPast>[0]): Promise<void> {
  let events: RecordedEvent[] = [];
  const apply = async (): Promise<void> => {
    const taken = events;
    events = [];
    if (taken.length > 0) await options.model.apply(taken, fold);
  };
  await readPast(options, options.at as number, (event) => {
    events.push(event);
    return events.length < batch ? undefined : apply();
  });
  await apply();
}

async function standOf(
  ask: Query,
  service: string,
  { name }: ReadModel,
): Promise<{ live: Slot; position: number; skipped: ReadonlySet<number> }> {
  const { rows } = await ask<{ live: Slot; position: string; skipped: string[] }>(
    `select live, position, skipped from ${service}.projections join ${service}.checkpoints on projection = name and slot = live where name = $1`,
    [name],
  );
  const [row] = rows;
  if (!row) return { live: 'blue', position: 0, skipped: new Set() };
  return { live: row.live, position: Number(row.position), skipped: new Set(row.skipped.map(Number)) };
}

async function countOf(ask: Query, query: string): Promise<number> {
  return (await ask<{ count: number }>(`select count(*)::int as count from (${query}) as found`)).rows[0]!.count;
}
