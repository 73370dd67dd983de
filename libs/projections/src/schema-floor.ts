import type { Client } from 'pg';
import type { MigrationInterface } from 'typeorm';

/**
 * A step of a service's schema. Expanding ones add what the newer version needs, and older versions go on beside it. A contracting one
 * removes what no supported version uses any more, and says which version of the schema a service must know to go on: `needs`.
 */
export type Migration = (new () => MigrationInterface) & {
  /** Name of the migration that a service must know to work on the schema after this one. */
  readonly needs?: string;
};

/** The database has been migrated by a newer version, which has removed what this one needs. */
export class NewerDatabase extends Error {
  override readonly name = 'NewerDatabase';

  constructor(service: string, floor: string, known: string) {
    super(
      `the database belongs to a newer version of Sandlot: its schema ${service} needs a version that knows ${floor}, and this one knows ` +
        `schemas up to ${known}. Start that version again, or give this one an empty database, which it fills from the log.`,
    );
  }
}

/** A table beside `migrations`, which the service's own roles may read: what a service must know at least. */
export async function ensureFloorTable(client: Client, service: string): Promise<void> {
  await client.query(
    `create table if not exists ${service}.schema_floor (one boolean primary key default true check (one), needs text not null)`,
  );
}

export type Query = (sql: string) => Promise<{ found: string | null }[]>;

/** Throws NewerDatabase when the schema asks for a migration that is not among these. Without the table nobody has asked for anything. */
export async function refuseNewer(query: Query, service: string, known: readonly string[]): Promise<void> {
  const [table] = await query(`select to_regclass('${service}.schema_floor')::text as found`);
  if (!table?.found) return;
  const [floor] = await query(`select needs as found from ${service}.schema_floor`);
  if (floor?.found && !known.includes(floor.found)) throw new NewerDatabase(service, floor.found, newest(known));
}

/** After its migrations have run. It only ever rises. */
export async function raiseFloor(client: Client, service: string, migrations: readonly Migration[]): Promise<void> {
  const needs = newest(migrations.flatMap(({ needs: one }) => one ?? []));
  if (needs === '') return;
  await client.query(`insert into ${service}.schema_floor (needs) values ($1) on conflict (one) do update set needs = excluded.needs`, [
    needs,
  ]);
}

/** Names end in the time when the migration was written, in ms: TypeORM's way. */
export const writtenAt = (name: string): number => Number(/\d{13}$/.exec(name)?.[0] ?? 0);

function newest(names: readonly string[]): string {
  return [...names].sort((a, b) => writtenAt(b) - writtenAt(a))[0] ?? '';
}
