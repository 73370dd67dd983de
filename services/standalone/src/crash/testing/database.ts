import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client, type QueryResultRow } from 'pg';

/** One statement in the platform's own PostgreSQL, as its superuser. */
export async function sql<Row extends QueryResultRow>(dataDir: string, statement: string): Promise<Row[]> {
  const client = await connected(dataDir);
  try {
    return (await client.query<Row>(statement)).rows;
  } finally {
    await client.end();
  }
}

async function connected(dataDir: string): Promise<Client> {
  const password = (await readFile(join(dataDir, 'postgres', 'superuser.password'), 'utf8')).trim();
  const port = (await readFile(join(dataDir, 'postgres', 'cluster', 'postmaster.pid'), 'utf8')).split('\n')[3];
  const client = new Client({ connectionString: `postgresql://postgres:${password}@127.0.0.1:${port}/postgres` });
  client.on('error', () => undefined); // its server is being killed
  await client.connect();
  await client.query(`set sandlot.tenant = '*'`); // sees everybody's rows
  return client;
}

export async function sandboxRows(dataDir: string): Promise<Map<string, unknown>> {
  const rows = await sql<{ id: string; owner: string; name: string; phase: string; version: number }>(
    dataDir,
    'select id, owner, name, phase, version from provisioner.sandboxes',
  );
  return new Map(rows.map(({ id, ...row }) => [id, row]));
}

/** Keeps everybody from reading and writing these tables until it is released. */
export async function blocked(dataDir: string, tables: string): Promise<() => Promise<void>> {
  const client = await connected(dataDir);
  await client.query('begin');
  await client.query(`lock table ${tables} in access exclusive mode`);
  return async () => {
    await client.query('rollback');
    await client.end();
  };
}
