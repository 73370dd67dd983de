import { connect, nkeyAuthenticator, type NatsConnection } from '@nats-io/transport-node';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './free-port.js';
import { findNatsServer } from './nats-binary.js';
import { natsConfig, type NatsUser } from './nats-config.js';
import { natsIdentities, natsUsers } from './nats-identities.js';
import { inboxPrefix, natsPermissions } from './nats-permissions.js';
import { startNats, type NatsServer } from './nats-server.js';
import { poll } from './poll.js';

// docs/how-to/rotate-keys.md, as it is done to a server of one's own.
describe('the NATS identity of a service', () => {
  let dir: string;
  let server: NatsServer;
  const connections: NatsConnection[] = [];

  beforeAll(async () => void (dir = await mkdtemp(join(tmpdir(), 'sandlot-nats-'))));
  afterAll(async () => {
    for (const connection of connections) await connection.close();
    await server.kill();
    await rm(dir, { recursive: true });
  });

  const as = async (seedFile: string): Promise<NatsConnection | undefined> => {
    const authenticator = nkeyAuthenticator(await readFile(seedFile));
    const options = { servers: server.url, authenticator, inboxPrefix: inboxPrefix('auth'), reconnect: false, timeout: 2_000 };
    const connection = await connect(options).catch(() => undefined);
    if (connection) connections.push(connection);
    return connection;
  };

  it('is replaced without a gap: both are let in until the old one is taken away', async () => {
    const [old, made] = [await natsIdentities(join(dir, 'old')), await natsIdentities(join(dir, 'new'))];
    const before = natsUsers(old);
    const both: NatsUser[] = [...before, { nkey: made.auth.publicKey, permissions: natsPermissions('auth') }];
    const after = both.filter(({ nkey }) => nkey !== old.auth.publicKey);
    const options = { dataDir: join(dir, 'nats'), port: await freePort() };
    server = await startNats({ binary: await findNatsServer(), ...options, users: before });
    const { pid } = JSON.parse(await readFile(join(options.dataDir, 'process.json'), 'utf8')) as { pid: number };
    const reload = async (users: NatsUser[]) => {
      await writeFile(join(options.dataDir, 'nats-server.conf'), natsConfig({ ...options, users }));
      process.kill(pid, 'SIGHUP');
    };

    const running = (await as(old.auth.seedFile))!;
    expect(await as(made.auth.seedFile)).toBeUndefined();
    await reload(both);
    const updated = (await poll(() => as(made.auth.seedFile), 10_000))!;
    for (const connection of [running, updated]) {
      await connection.flush();
      expect(connection.isClosed()).toBe(false);
    }
    await reload(after);
    await running.closed();
    await updated.flush();
    expect(await as(old.auth.seedFile)).toBeUndefined();
    expect(updated.isClosed()).toBe(false);
  }, 60_000);
});
