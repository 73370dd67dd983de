import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client, type QueryResultRow } from 'pg';

/** One statement in the platform's own PostgreSQL, as its superuser. */
export async function sql<Row extends QueryResultRow>(dataDir: string, statement: string): Promise<Row[]> {
  const password = (await readFile(join(dataDir, 'postgres', 'superuser.password'), 'utf8')).trim();
  const port = (await readFile(join(dataDir, 'postgres', 'cluster', 'postmaster.pid'), 'utf8')).split('\n')[3];
  const client = new Client({ connectionString: `postgresql://postgres:${password}@127.0.0.1:${port}/postgres` });
  await client.connect();
  await client.query(`set sandlot.tenant = '*'`); // sees everybody's rows
  try {
    return (await client.query<Row>(statement)).rows;
  } finally {
    await client.end();
  }
}

export async function sandboxRows(dataDir: string): Promise<Map<string, unknown>> {
  const rows = await sql<{ id: string; owner: string; name: string; phase: string; version: number }>(
    dataDir,
    'select id, owner, name, phase, version from provisioner.sandboxes',
  );
  return new Map(rows.map(({ id, ...row }) => [id, row]));
}
