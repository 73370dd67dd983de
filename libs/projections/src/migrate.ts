import { Client } from 'pg';
import type { MigrationInterface } from 'typeorm';
import { dataSource } from './data-source.js';
import { grantRoles, mayMakeRoles, readerSettings, type RolePasswords, type ServiceDatabase } from './roles.js';

export interface MigrateOptions {
  readonly service: string;
  /** As who owns the database, or as the only role there is. */
  readonly ownerUrl: string;
  readonly migrations: readonly (new () => MigrationInterface)[];
  /** Of the roles that are made. Default: derived from the owner's password, so that all processes that know it agree. */
  readonly passwords?: RolePasswords;
}

/**
 * Brings a service's schemas up to date and makes its roles. Processes that start together wait for each other. Where the owner may not
 * make roles (a database that was given to us with one role) everything runs as that role, and only the settings of the connection keep
 * queries from writing.
 */
export async function migrate({ service, ownerUrl, migrations, passwords }: MigrateOptions): Promise<ServiceDatabase> {
  const client = new Client({ connectionString: ownerUrl, application_name: `sandlot-${service}-migrate`, connectionTimeoutMillis: 5_000 });
  client.on('error', () => undefined); // reported by the query that meets it
  await client.connect();
  try {
    // One lock for all services: they make roles, which belong to the whole server.
    await client.query(`set lock_timeout = '60s'; select pg_advisory_lock(hashtext('sandlot migrations'))`);
    await client.query(`create schema if not exists ${service}`);
    await runMigrations(service, ownerUrl, migrations);
    return (await mayMakeRoles(client, passwords)) ? await grantRoles(client, service, ownerUrl, passwords) : singleRole(ownerUrl);
  } finally {
    await client.end();
  }
}

async function runMigrations(service: string, ownerUrl: string, migrations: MigrateOptions['migrations']): Promise<void> {
  const url = new URL(ownerUrl);
  // A migration waits for running queries, which take 5 s at most, and lets none wait for long behind it.
  url.searchParams.set('options', '-c lock_timeout=10s');
  const source = dataSource(service, url.href, [], [...migrations]);
  await source.initialize();
  try {
    await source.runMigrations();
  } finally {
    await source.destroy();
  }
}

function singleRole(ownerUrl: string): ServiceDatabase {
  const reader = new URL(ownerUrl);
  reader.searchParams.set('options', readerSettings.map(([name, value]) => `-c ${name}=${value}`).join(' '));
  return { writerUrl: ownerUrl, readerUrl: reader.href };
}
