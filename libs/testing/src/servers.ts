import { findNatsServer, startNats, startPostgres, type NatsOptions, type NatsServer, type PostgresServer } from '@sandlot/embedded';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { Client } from 'pg';
import { atEnd } from './clean-up.js';
import { tempDir } from './temp-dir.js';

let binary: Promise<string> | undefined;
let shared: Promise<PostgresServer> | undefined;

/** The nats-server that tests run with; fetched at the first use on a machine. */
export function natsServerBinary(): Promise<string> {
  return (binary ??= findNatsServer({ log: (line) => process.stderr.write(`${line}\n`) }));
}

/** A NATS of this test file's own, with an empty store, stopped when the file is through. */
export async function startTestNats(options: Partial<NatsOptions> = {}): Promise<NatsServer> {
  const server = await startNats({ binary: await natsServerBinary(), dataDir: join(await tempDir(), 'nats'), ...options });
  atEnd(() => server.kill());
  return server;
}

/** A PostgreSQL of this test file's own, for tests that stop or break it; others share one through `freshDatabase`. */
export async function startTestPostgres(): Promise<PostgresServer> {
  const server = await startPostgres({ dataDir: join(await tempDir(), 'postgres'), unsafeFast: true });
  atEnd(() => server.kill());
  return server;
}

/** The URL of a new, empty database; the server is started at the first call and serves this test file alone. */
export async function freshDatabase(server?: PostgresServer): Promise<string> {
  const postgres = server ?? (await (shared ??= startTestPostgres()));
  const name = `test_${randomBytes(6).toString('hex')}`;
  const client = new Client({ connectionString: postgres.url });
  await client.connect();
  try {
    await client.query(`CREATE DATABASE ${name} STRATEGY FILE_COPY`);
  } finally {
    await client.end();
  }
  return postgres.urlOf(name);
}
