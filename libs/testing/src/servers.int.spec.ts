import { connect } from '@nats-io/transport-node';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { Client } from 'pg';
import { freshDatabase, startTestNats, startTestPostgres, waitFor } from './index.js';

describe('the servers that tests start', () => {
  it('keep what NATS acknowledged over a kill', async () => {
    const nats = await startTestNats();
    const nc = await connect({ servers: nats.url, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
    const manager = await jetstreamManager(nc, { timeout: 500 });
    await manager.streams.add({ name: 'S', subjects: ['s.>'] });
    await jetstream(nc).publish('s.1', 'hello');
    const before = { port: nats.port, pid: nats.pid };
    const end = nats.exited;
    await nats.kill();
    expect(await end).toEqual({ code: null, signal: 'SIGKILL', wanted: true });
    await nats.restart();
    expect(nats.port).toBe(before.port);
    expect(nats.pid).not.toBe(before.pid);
    const info = await waitFor(() => manager.streams.info('S'), { describe: 'the stream is back' });
    expect(info.state.messages).toBe(1);
    await nc.close();
  });

  it('give each caller an empty database', async () => {
    const [one, two] = [await freshDatabase(), await freshDatabase()];
    expect(one).not.toBe(two);
    const client = new Client({ connectionString: one });
    await client.connect();
    const { rows } = await client.query(
      `SELECT version(), (SELECT count(*)::int FROM information_schema.tables WHERE table_schema = 'public') AS tables`,
    );
    expect(rows[0]).toMatchObject({ version: expect.stringContaining('PostgreSQL 18'), tables: 0 });
    await client.end();
  });

  it('keep what PostgreSQL committed over a kill', async () => {
    const postgres = await startTestPostgres();
    const before = new Client({ connectionString: postgres.url });
    before.on('error', () => undefined);
    await before.connect();
    await before.query('CREATE TABLE t AS SELECT 1 AS n');
    await postgres.kill();
    await postgres.restart();
    const after = new Client({ connectionString: postgres.url });
    await after.connect();
    expect((await after.query('SELECT n FROM t')).rows).toEqual([{ n: 1 }]);
    await after.end();
  });
});
