import { setTimeout as pause } from 'node:timers/promises';
import { errorChain, logger } from '@sandlot/service-kit';
import { Client } from 'pg';

/** Refused by a server that is there, and no better next time: wrong password, no such role, no such database. */
const final = /^(28|3D)/;

/** Waits until the server answers, as services wait for NATS: containers start in any order. Throws when it is there and refuses. */
export async function databaseIsThere(url: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    const client = new Client({ connectionString: url, application_name: 'sandlot-migrate', connectionTimeoutMillis: 5_000 });
    client.on('error', () => undefined); // reported by what meets it
    try {
      await client.connect();
      return;
    } catch (error) {
      if (final.test((error as { code?: string }).code ?? '')) throw error;
      if (attempt % 20 === 1) logger.warn({ server: client.host, reason: errorChain(error) }, 'waiting for PostgreSQL');
    } finally {
      await client.end().catch(() => undefined);
    }
    await pause(500);
  }
}
