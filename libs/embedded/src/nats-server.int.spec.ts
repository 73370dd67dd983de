import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { abandonServer, ownedServer } from './abandoned-server.js';
import { findNatsServer } from './nats-binary.js';
import { startNats, type NatsServer } from './nats-server.js';
import { poll } from './poll.js';
import { processIdentity } from './process-identity.js';

describe('an embedded nats-server', () => {
  let binary: string;
  let dataDir: string;
  const started: NatsServer[] = [];
  const start = async (options: object = {}) => {
    const server = await startNats({ binary, dataDir, ...options });
    started.push(server);
    return server;
  };
  const ended = (pid: number) => poll(async () => ((await processIdentity(pid)) === undefined ? true : undefined), 10_000);

  beforeAll(async () => void (binary = await findNatsServer()));
  beforeEach(async () => void (dataDir = await mkdtemp(join(tmpdir(), 'sandlot-nats-'))));
  afterEach(async () => {
    for (const server of started.splice(0)) await server.kill();
    await rm(dataDir, { recursive: true });
  });

  it('writes to disk before it acknowledges, and listens on this machine alone', async () => {
    await start();
    const config = JSON.parse(await readFile(join(dataDir, 'nats-server.conf'), 'utf8'));
    expect(config).toMatchObject({ host: '127.0.0.1', jetstream: { sync_interval: 'always' } });
    expect(config).not.toHaveProperty('http');
  });

  it('comes back on the same port with what it acknowledged when it was killed', async () => {
    const server = await start();
    const nc = await connect({ servers: server.url, reconnectTimeWait: 20, maxReconnectAttempts: -1 });
    await (await jetstreamManager(nc)).streams.add({ name: 'S', subjects: ['s'] });
    await jetstream(nc).publish('s', 'kept');
    await nc.close();
    const { port } = server;
    await server.kill();
    expect(await server.exited).toEqual({ code: null, signal: 'SIGKILL', wanted: true });
    await server.restart();
    expect(server.port).toBe(port);
    const again = await connect({ servers: server.url });
    expect((await (await jetstreamManager(again)).streams.info('S')).state.messages).toBe(1);
    await again.close();
  });

  it('tells an end that nobody asked for from one that was', async () => {
    const server = await start();
    process.kill(server.pid, 'SIGKILL');
    expect(await server.exited).toMatchObject({ signal: 'SIGKILL', wanted: false });
    await server.restart();
    await server.stop();
    expect(await server.exited).toMatchObject({ wanted: true });
    await server.stop();
  });

  it('ends when the process that started it is killed', async () => {
    const { pid } = await abandonServer('startNats', { binary, dataDir }, { sparingWatchdog: true });
    expect(await ended(pid)).toBe(true);
  });

  it('is started over one that was left behind on the same data', async () => {
    const left = await abandonServer('startNats', { binary, dataDir });
    expect(await processIdentity(left.pid)).toBeDefined();
    const server = await start({ port: left.port });
    expect(await processIdentity(left.pid)).toBeUndefined();
    expect(server.port).toBe(left.port);
  });

  it('is not started over one whose owner lives', async () => {
    const other = await ownedServer('startNats', { binary, dataDir });
    await expect(start()).rejects.toThrow(new RegExp(`in use: the process ${other.ownerPid} .* SANDLOT_DATA_DIR`));
    expect(await processIdentity(other.server.pid)).toBeDefined();
    await other.kill();
    expect(await ended(other.server.pid)).toBe(true);
  });

  it('leaves a stranger alone that was given the pid of one left behind', async () => {
    const stranger = { pid: process.pid, identity: 'another boot:1' };
    await writeFile(join(dataDir, 'process.json'), JSON.stringify({ ...stranger, owner: stranger }));
    await start();
  });

  it('says what to do when its port is taken', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    await expect(start({ port })).rejects.toThrow(`port ${port} on 127.0.0.1 is taken, so nats-server cannot listen on it; stop the other`);
    taken.close();
  });

  it('says what it said when it does not start', async () => {
    await writeFile(join(dataDir, 'jetstream'), 'a file where a folder must be');
    await expect(start()).rejects.toThrow(/ended while starting; .*nats-server\.log ends with:\n.*Can't start JetStream/s);
  });
});
