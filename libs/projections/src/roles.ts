import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import type { Client } from 'pg';
import { slotSchema } from './read-model.js';
import { slots } from './slots.js';

export interface RolePasswords {
  readonly writer: string;
  readonly reader: string;
}

/** As whom a service connects. Both hold a password: not for logs. */
export interface ServiceDatabase {
  /** For the projection runner: rows of this service, no tables. */
  readonly writerUrl: string;
  /** For queries: the views of this service, read-only, 5 s per query. */
  readonly readerUrl: string;
}

/** What every session of the reader begins with. */
export const readerSettings = [
  ['default_transaction_read_only', 'on'],
  ['statement_timeout', '5s'],
  ['idle_in_transaction_session_timeout', '10s'],
  ['jit', 'off'],
] as const;

export async function mayMakeRoles(client: Client, passwords?: RolePasswords): Promise<boolean> {
  const { rows } = await client.query<{ may: boolean }>(
    'select rolsuper or rolcreaterole as may from pg_roles where rolname = current_user',
  );
  return rows[0]!.may && (passwords !== undefined || Boolean(client.password));
}

/**
 * Two roles for a service, none of which owns anything: `sandlot_<service>_writer` changes rows in the slots and calls the service's functions,
 * `sandlot_<service>_reader` sees the views and the tables beside them. Neither reaches another service's schemas. May be repeated.
 */
export async function grantRoles(client: Client, service: string, ownerUrl: string, passwords?: RolePasswords): Promise<ServiceDatabase> {
  const writer = `sandlot_${service}_writer`;
  const reader = `sandlot_${service}_reader`;
  const { writer: writerPassword, reader: readerPassword } = passwords ?? {
    writer: derivedPassword(client, writer),
    reader: derivedPassword(client, reader),
  };
  await ensureRole(client, writer, writerPassword);
  await ensureRole(client, reader, readerPassword);
  const inSlots = slots.map((slot) => slotSchema(service, slot)).join(', ');
  const views = await viewsOf(client, service);
  const tables = await tablesOf(client, service);
  const database = client.escapeIdentifier(client.database!);
  await client.query(`
    revoke all on database ${database} from public;
    grant connect, temporary on database ${database} to ${writer};
    grant connect on database ${database} to ${reader};
    grant usage on schema ${service}, ${inSlots} to ${writer};
    grant usage on schema ${service} to ${reader};
    grant select, insert, update, delete, truncate on all tables in schema ${inSlots} to ${writer};
    grant select on ${service}.schema_floor to ${writer}, ${reader};
    revoke execute on all functions in schema ${service} from public;
    grant execute on all functions in schema ${service} to ${writer};
    ${tables.map((table) => `grant select, insert, update, delete on ${table} to ${writer}; grant select on ${table} to ${reader};`).join(' ')}
    ${views.map((view) => `grant select on ${view} to ${writer}, ${reader};`).join(' ')}
    ${readerSettings.map(([name, value]) => `alter role ${reader} in database ${database} set ${name} = '${value}';`).join(' ')}`);
  return { writerUrl: urlFor(ownerUrl, writer, writerPassword), readerUrl: urlFor(ownerUrl, reader, readerPassword) };
}

async function viewsOf(client: Client, service: string): Promise<string[]> {
  const sql = `select format('%I.%I', schemaname, viewname) as view from pg_views where schemaname = $1`;
  return (await client.query<{ view: string }>(sql, [service])).rows.map(({ view }) => view);
}

/** Those outside of the slots: how far projections and loads are, and what is loaded from streams that are no ledger. */
async function tablesOf(client: Client, service: string): Promise<string[]> {
  const sql = `select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname = $1 and tablename not in ('migrations', 'schema_floor')`;
  return (await client.query<{ name: string }>(sql, [service])).rows.map(({ name }) => name);
}

/** The server is told the password's verifier only, so that no log of statements can show the password. */
async function ensureRole(client: Client, role: string, password: string): Promise<void> {
  const settings = `login nosuperuser nocreatedb nocreaterole noreplication password '${scramVerifier(password)}'`;
  const { rowCount } = await client.query('select 1 from pg_roles where rolname = $1', [role]);
  // Roles belong to the server, so another database's migration may be doing the same.
  for (let tries = 1; ; tries += 1) {
    try {
      return void (await client.query(`${rowCount === 0 && tries === 1 ? 'create' : 'alter'} role ${role} ${settings}`));
    } catch (error) {
      if (tries === 5 || !['42710', '23505', 'XX000'].includes((error as { code?: string }).code ?? '')) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50 * tries));
    }
  }
}

/** As PostgreSQL stores it: SCRAM-SHA-256, RFC 5803. Passwords of ASCII letters and digits need no SASLprep. */
function scramVerifier(password: string): string {
  const iterations = 4096;
  const salt = randomBytes(16);
  const salted = pbkdf2Sync(password, salt, iterations, 32, 'sha256');
  const key = (name: string): Buffer => createHmac('sha256', salted).update(name).digest();
  const stored = createHash('sha256').update(key('Client Key')).digest('base64');
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${stored}:${key('Server Key').toString('base64')}`;
}

function derivedPassword({ password }: Client, role: string): string {
  return createHmac('sha256', password ?? '')
    .update(`sandlot database role ${role}`)
    .digest('hex');
}

function urlFor(ownerUrl: string, role: string, password: string): string {
  const url = new URL(ownerUrl);
  url.username = role;
  url.password = password;
  return url.href;
}
