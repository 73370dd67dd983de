import { tempDir, waitFor } from '@sandlot/testing';
import { inboxPrefix } from '@sandlot/embedded';
import { connect, nkeyAuthenticator } from '@nats-io/transport-node';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from 'pg';
import { startBackingServers, type BackingServers } from './backing-servers.js';

async function natsAnswers({ natsUrl, natsIdentities }: BackingServers): Promise<boolean> {
  const seed = await readFile(natsIdentities?.auth.seedFile as string);
  const connection = await connect({
    servers: natsUrl,
    authenticator: nkeyAuthenticator(seed),
    inboxPrefix: inboxPrefix('auth'),
    reconnect: false,
  });
  await connection.close();
  return true;
}

async function databaseAnswers({ databaseUrl }: BackingServers): Promise<boolean> {
  const client = new Client({ connectionString: databaseUrl });
  client.on('error', () => undefined);
  await client.connect();
  await client.end();
  return true;
}

async function recordedPid(dir: string): Promise<number> {
  return JSON.parse(await readFile(join(dir, 'process.json'), 'utf8')).pid;
}

describe('the servers around the services', () => {
  it('are started again on the same addresses when they end unasked, and end when asked', async () => {
    const dataDir = await tempDir();
    const lines: string[] = [];
    const servers = await startBackingServers({ dataDir, log: (line) => lines.push(line) });
    expect(await natsAnswers(servers)).toBe(true);
    expect(await databaseAnswers(servers)).toBe(true);
    for (const name of ['nats', 'postgres']) process.kill(await recordedPid(join(dataDir, name)), 'SIGKILL');
    await waitFor(() => lines.length === 2, { describe: 'both ends are noticed' });
    await waitFor(() => natsAnswers(servers), { describe: 'NATS answers again' });
    await waitFor(() => databaseAnswers(servers), { describe: 'PostgreSQL answers again' });
    expect(lines.sort()).toEqual(['PostgreSQL ended (SIGKILL) and is started again', 'nats-server ended (SIGKILL) and is started again']);
    await servers.stop();
    await expect(natsAnswers(servers)).rejects.toThrow();
    await expect(databaseAnswers(servers)).rejects.toThrow();
  });

  it('are not started where others are named', async () => {
    const dataDir = await tempDir();
    const named = { natsUrl: 'nats://example.org:4222', databaseUrl: 'postgresql://example.org/sandlot' };
    const servers = await startBackingServers({ dataDir, log: () => undefined, ...named });
    expect(servers).toMatchObject(named);
    expect(servers.natsIdentities).toBeUndefined();
    expect(await readdir(dataDir)).toEqual([]);
    await servers.stop();
  });
});
