import type { SlotWriter } from './read-model.js';

export interface TableShape {
  readonly table: string;
  /** Each column's type, as PostgreSQL calls it: `{ id: 'text', created_at: 'timestamptz', ports: 'jsonb' }`. */
  readonly columns: Readonly<Record<string, string>>;
  readonly key: readonly string[];
}

/**
 * Writes whole rows in one statement, over those with the same key: about 100,000 a second. A key may stand in `rows` once. A column that a
 * row lacks becomes null.
 */
export async function upsert(write: SlotWriter, { table, columns, key }: TableShape, rows: readonly object[]): Promise<void> {
  if (rows.length === 0) return;
  const names = Object.keys(columns);
  const changed = names.filter((name) => !key.includes(name)).map((name) => `${name} = excluded.${name}`);
  // One JSON text instead of an array per column: it is faster to make and takes arrays and objects as they are.
  await write.query(
    `insert into ${write.slot}.${table} (${names.join(', ')})
     select * from json_to_recordset($1::json) as row (${names.map((name) => `${name} ${columns[name]}`).join(', ')})
     on conflict (${key.join(', ')}) do ${changed.length > 0 ? `update set ${changed.join(', ')}` : 'nothing'}`,
    [JSON.stringify(rows)],
  );
}

/**
 * Changes rows that are there, in one statement: a column that a row lacks, or has as null, keeps its value. Nothing need be read before.
 * Rows that are not there stay so.
 */
export async function merge(write: SlotWriter, { table, columns, key }: TableShape, rows: readonly object[]): Promise<void> {
  if (rows.length === 0) return;
  const names = Object.keys(columns);
  const changed = names.filter((name) => !key.includes(name)).map((name) => `${name} = coalesce(news.${name}, old.${name})`);
  await write.query(
    `update ${write.slot}.${table} as old set ${changed.join(', ')}
     from json_to_recordset($1::json) as news (${names.map((name) => `${name} ${columns[name]}`).join(', ')})
     where ${key.map((name) => `old.${name} = news.${name}`).join(' and ')}`,
    [JSON.stringify(rows)],
  );
}
