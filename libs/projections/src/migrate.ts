import { Client } from 'pg';
import { dataSource } from './data-source.js';
import { grantRoles, mayMakeRoles, readerSettings, type RolePasswords, type ServiceDatabase } from './roles.js';
import { ensureFloorTable, raiseFloor, refuseNewer, type Migration, type Query } from './schema-floor.js';

export interface MigrateOptions {
  readonly service: string;
  /** As who owns the database, or as the only role there is. */
  readonly ownerUrl: string;
  readonly migrations: readonly Migration[];
  /** Of the roles that are made. Default: derived from the owner's password, so that all processes that know it agree. */
  readonly passwords?: RolePasswords;
  /** Told of each migration before and after it runs, and of each time that one has to wait for a table. */
  readonly progress?: (line: string) => void;
  /** Milliseconds that a migration waits for a table before it lets go and tries again. Default 10,000: queries take 5 s at most. */
  readonly lockTimeoutMs?: number;
}

/** What `migrate` would do. */
export interface MigrationPlan {
  readonly service: string;
  readonly applied: readonly string[];
  /** In the order in which they run. */
  readonly pending: readonly { readonly name: string; readonly kind: 'expand' | 'contract' }[];
}

const lockAttempts = 6;
const lockNotAvailable = '55P03';

/**
 * Brings a service's schemas up to date and makes its roles. Processes that start together wait for each other. Where the owner may not
 * make roles (a database that was given to us with one role) everything runs as that role, and only the settings of the connection keep
 * queries from writing. Throws NewerDatabase, and changes nothing, when the database is of a version that this one cannot work with.
 */
export async function migrate(options: MigrateOptions): Promise<ServiceDatabase> {
  const { service, ownerUrl, migrations, passwords } = options;
  return asOwner(service, ownerUrl, async (client) => {
    // One lock for all services: they make roles, which belong to the whole server.
    await client.query(`set lock_timeout = '60s'; select pg_advisory_lock(hashtext('sandlot migrations'))`);
    await refuseNewer(queryOf(client), service, namesOf(migrations));
    await client.query(`create schema if not exists ${service}`);
    await ensureFloorTable(client, service);
    await runMigrations(options);
    await raiseFloor(client, service, migrations);
    return (await mayMakeRoles(client, passwords)) ? await grantRoles(client, service, ownerUrl, passwords) : singleRole(ownerUrl);
  });
}

/** Reads only. Throws NewerDatabase like `migrate`. */
export async function migrationPlan({ service, ownerUrl, migrations }: MigrateOptions): Promise<MigrationPlan> {
  return asOwner(service, ownerUrl, async (client) => {
    await refuseNewer(queryOf(client), service, namesOf(migrations));
    const { rows: tables } = await client.query<{ found: string | null }>('select to_regclass($1)::text as found', [
      `${service}.migrations`,
    ]);
    const { rows } = tables[0]?.found
      ? await client.query<{ name: string }>(`select name from ${service}.migrations order by timestamp`)
      : { rows: [] };
    const applied = rows.map(({ name }) => name);
    const pending = migrations.filter(({ name }) => !applied.includes(name));
    return { service, applied, pending: pending.map(({ name, needs }) => ({ name, kind: needs ? 'contract' : 'expand' })) };
  });
}

async function asOwner<Result>(service: string, connectionString: string, work: (client: Client) => Promise<Result>): Promise<Result> {
  const client = new Client({ connectionString, application_name: `sandlot-${service}-migrate`, connectionTimeoutMillis: 5_000 });
  client.on('error', () => undefined); // reported by the query that meets it
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

async function runMigrations({ service, ownerUrl, migrations, progress, lockTimeoutMs = 10_000 }: MigrateOptions): Promise<void> {
  const url = new URL(ownerUrl);
  // A migration waits for running queries, which take 5 s at most, and lets none wait for long behind it.
  url.searchParams.set('options', `-c lock_timeout=${lockTimeoutMs}`);
  const told = migrations.map((migration) => (progress ? toldOf(migration, service, progress) : migration));
  const source = dataSource(service, url.href, [], told);
  await source.initialize();
  try {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return void (await source.runMigrations());
      } catch (error) {
        // Those before it are done: each has a transaction of its own.
        if (attempt === lockAttempts || (error as { code?: string }).code !== lockNotAvailable) throw error;
        progress?.(
          `${service}: a table is in use; that migration let go of what it held, and is tried again (${attempt} of ${lockAttempts - 1})`,
        );
      }
    }
  } finally {
    await source.destroy();
  }
}

/** The same migration, by the same name, which says when it begins and when it is done. */
function toldOf(Original: Migration, service: string, progress: (line: string) => void): Migration {
  const Told = class extends Original {
    constructor() {
      super();
      const up = this.up.bind(this);
      this.up = async (runner) => {
        progress(`${service}: ${Original.name} begins`);
        const began = performance.now();
        await up(runner);
        progress(`${service}: ${Original.name} is done after ${Math.round(performance.now() - began)} ms`);
      };
    }
  };
  Object.defineProperty(Told, 'name', { value: Original.name });
  return Told;
}

const queryOf =
  (client: Client): Query =>
  async (sql) =>
    (await client.query<{ found: string | null }>(sql)).rows;

export const namesOf = (migrations: readonly Migration[]): string[] => migrations.map(({ name }) => name);

function singleRole(ownerUrl: string): ServiceDatabase {
  const reader = new URL(ownerUrl);
  reader.searchParams.set('options', readerSettings.map(([name, value]) => `-c ${name}=${value}`).join(' '));
  return { writerUrl: ownerUrl, readerUrl: reader.href };
}
