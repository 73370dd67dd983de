import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { freePort, startTestNats } from '@sandlot/testing';
import { lookAtNatsServers } from './nats-servers.js';

const limitBytes = 4 * 1024 * 1024;

describe('what the monitoring endpoint of a NATS server says', () => {
  it('is how full its storage is, before and behind a restart', async () => {
    const nats = await startTestNats({ monitor: true, maxStoreBytes: limitBytes });
    const connection = await connect({ servers: nats.url });
    await (await jetstreamManager(connection)).streams.add({ name: 'S', subjects: ['s'] });
    const url = nats.monitorUrl!;
    expect(await lookAtNatsServers([url])).toEqual([{ server: new URL(url).host, storedBytes: 0, limitBytes }]);
    for (let i = 0; i < 7; i++) await jetstream(connection).publish('s', new Uint8Array(512 * 1024));
    const [full] = await lookAtNatsServers([url]);
    expect(full!.storedBytes! / full!.limitBytes!).toBeGreaterThan(0.8);
    await connection.close();
    await nats.restart();
    expect(await lookAtNatsServers([url])).toEqual([full]);
  }, 30_000);

  it('is the limit of the disk where the server has none', async () => {
    const nats = await startTestNats({ monitor: true });
    const [seen] = await lookAtNatsServers([nats.monitorUrl!]);
    expect(seen!.limitBytes).toBeGreaterThan(limitBytes);
    expect(seen!.limitBytes).toBeLessThan(2 ** 50);
  }, 30_000);

  it('is nothing where no server is, and why', async () => {
    const [seen] = await lookAtNatsServers([`http://127.0.0.1:${await freePort()}`]);
    expect(seen).toEqual({ server: expect.any(String), trouble: expect.stringContaining('ECONNREFUSED') });
  });
});
