import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client as Postgres } from 'pg';
import { waitFor } from '@sandlot/testing';
import { startPlatform, type Platform } from './testing/platform.js';
import { refused, succeeded } from './testing/problems.js';
import { processesOf } from './testing/processes-of.js';
import { newSandbox, newTenant, run, type Tenant } from './testing/tenants.js';

/** Where secrets belong, below the data folder; and what sandboxes keep is their owners' business. */
const vaults =
  /\/(?:admin\.key|identity\.key|master\.key|identities\/.*|postgres\/superuser\.password|database-urls\/.*|postgres\/owner\.url|sandboxes\/.*)$/;

describe('what must never be written down', () => {
  let platform: Platform;
  let alice: Tenant;
  let secrets: Record<string, string>;

  beforeAll(async () => {
    platform = await startPlatform({ mode: 'standalone', env: { SANDLOT_LOG_LEVEL: 'trace' } });
    const { admin } = platform;
    alice = await newTenant(admin, 'alice', { email: 'canary-mail@canary.example', displayName: 'Canary Displayname' });
    const idempotent = { 'idempotency-key': 'canary-idempotency' };
    const other = succeeded(await alice.api.post('/api/me/apikeys', { name: 'other' }, idempotent), 201).json<{
      id: string;
      key: string;
    }>();
    const dir = platform.dataDir;
    const trimmed = async (file: string) => (await readFile(join(dir, file), 'utf8')).trim();
    secrets = {
      'the admin key': platform.adminKey,
      "a user's key": alice.key,
      'a key that was created with an Idempotency-Key': other.key,
      'the email': 'canary-mail@canary.example',
      'the display name': 'Canary Displayname',
      'the identity key': await trimmed('identity.key'),
      'the master key': (await trimmed('master.key')).split(/[\s:]/).at(-1)!,
      "the database owner's password": await trimmed('postgres/superuser.password'),
      "a service's NATS seed": await trimmed('identities/auth.nk'),
      'what passed through the proxy': 'canary-passing-through',
      'a query string': 'canary-query',
    };
    await exercise(other);
  }, 60_000);
  afterAll(() => platform?.stop());

  /** Everything that handles a secret, succeeding and failing. */
  async function exercise(other: { id: string; key: string }): Promise<void> {
    const { admin, nobody } = platform;
    await newSandbox(alice.api, 's1');
    await run(alice.api, 's1', 'echo canary-passing-through');
    succeeded(await alice.api.get('/proxy/s1/health?token=canary-query'), 200);
    refused(await alice.api.get('/proxy/none/health?token=canary-query'), 'SANDBOX_NOT_FOUND');
    refused(await nobody.get(`/api/me?key=${alice.key}`), 'UNAUTHENTICATED');
    refused(await admin.post('/api/admin/users', { username: 'A', email: 'canary-mail@canary.example' }), 'VALIDATION_FAILED');
    refused(
      await admin.post('/api/admin/users', '{"email":"canary-mail@canary.example",', { 'content-type': 'application/json' }),
      'MALFORMED_REQUEST',
    );
    succeeded(await alice.api.delete(`/api/me/apikeys/${other.id}`), 204);
    await waitFor(async () => refused(await admin.as(other.key).get('/api/me'), 'UNAUTHENTICATED'));
    succeeded(await admin.put(`/api/admin/users/${alice.user.id}`, { displayName: 'Canary Displayname' }), 200);
    succeeded(await admin.get('/api/admin/users'), 200);
    await waitFor(
      async () => (await admin.get('/api/v1/audit-logs?limit=200')).text,
      {},
      (text) => text.includes('key revoked'),
    );
  }

  it('C11 S0-01 stands in no stream, bucket, table, log or file but those that are for it', async () => {
    const found: string[] = [];
    let sawUsername = 0;
    for (const file of await filesIn(platform.dataDir)) {
      if (vaults.test(file)) continue;
      const content = await readFile(file).catch(() => Buffer.alloc(0));
      if (content.includes(alice.user.id)) sawUsername += 1;
      for (const [name, secret] of Object.entries(secrets)) if (content.includes(secret)) found.push(`${name} in ${file}`);
    }
    expect(found).toEqual([]);
    expect(sawUsername).toBeGreaterThan(3); // the search finds what is there: in the log, in buckets, in the tables
  });

  it('stands in no row of PostgreSQL', async () => {
    const text = await everyRow(platform);
    for (const [name, secret] of Object.entries(secrets)) expect([name, text.includes(secret)]).toEqual([name, false]);
    expect(text).toContain(alice.user.id);
  });

  it('stands in nothing that a process printed, but for the admin key that the first start shows', async () => {
    const printed = (await platform.logs()).replace(`admin key   ${platform.adminKey}`, '');
    for (const [name, secret] of Object.entries(secrets)) expect([name, printed.includes(secret)]).toEqual([name, false]);
    expect(printed).toContain('"level":"debug"');
  });

  it('stands in no process’s arguments', async () => {
    const processes = await processesOf(platform.dataDir);
    expect(processes.length).toBeGreaterThan(3);
    for (const { command } of processes)
      for (const [name, secret] of Object.entries(secrets)) expect([name, command.includes(secret)]).toEqual([name, false]);
  });

  it('reaches no command in a sandbox through its environment', async () => {
    const seen = await run(alice.api, 's1', 'env; cat /proc/$PPID/environ 2>/dev/null | tr "\\0" "\\n"; true');
    for (const [name, secret] of Object.entries(secrets)) expect([name, seen.includes(secret)]).toEqual([name, false]);
    expect(seen).not.toMatch(/NATS|DATABASE|postgres:/i);
  });

  it('S0-43 is kept in files that only their owner can read', async () => {
    const { statSync } = await import('node:fs');
    for (const file of await filesIn(platform.dataDir))
      if (vaults.test(file) && !file.includes('/sandboxes/'))
        expect([file, (statSync(file).mode & 0o077).toString(8)]).toEqual([file, '0']);
  });
});

async function filesIn(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

/** All tables of all services, as text. */
async function everyRow({ dataDir }: Platform): Promise<string> {
  const password = (await readFile(join(dataDir, 'postgres/superuser.password'), 'utf8')).trim();
  const port = Number((await readFile(join(dataDir, 'postgres/cluster/postmaster.pid'), 'utf8')).split('\n')[3]);
  const postgres = new Postgres({ host: '127.0.0.1', port, user: 'postgres', password, database: 'postgres' });
  await postgres.connect();
  try {
    const { rows: tables } = await postgres.query<{ name: string }>(
      `select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname not in ('pg_catalog', 'information_schema')`,
    );
    const dumps: string[] = [];
    for (const { name } of tables) {
      const { rows } = await postgres.query<{ dump: string | null }>(`select string_agg(row::text, chr(10)) as dump from ${name} as row`);
      dumps.push(rows[0]?.dump ?? '');
    }
    return dumps.join('\n');
  } finally {
    await postgres.end();
  }
}
