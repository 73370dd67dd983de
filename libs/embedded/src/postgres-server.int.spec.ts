import { Client } from 'pg';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { abandonServer } from './abandoned-server.js';
import { poll } from './poll.js';
import { startPostgres, type PostgresServer } from './postgres-server.js';
import { processIdentity } from './process-identity.js';

// PostgreSQL refuses to run as root, so that there alone it is given to another user; who is not root cannot try that.
const asRoot: (name: string, body: jest.ProvidesCallback) => void =
  process.getuid?.() === 0 ? it : (name, body) => it.skip(`${name} (skipped: this is not root)`, body);

describe('an embedded PostgreSQL', () => {
  let parent: string;
  let dataDir: string;
  let running: PostgresServer | undefined;
  const start = async (options: object = {}) => (running = await startPostgres({ dataDir, unsafeFast: true, ...options }));

  async function query(text: string, url = running?.url): Promise<unknown[]> {
    const client = new Client({ connectionString: url });
    await client.connect();
    try {
      return (await client.query(text)).rows;
    } finally {
      await client.end();
    }
  }

  beforeEach(async () => {
    parent = await mkdtemp(join(tmpdir(), 'sandlot-pg-'));
    await chmod(parent, 0o711);
    dataDir = join(parent, 'postgres');
  });
  afterEach(async () => {
    await running?.kill();
    running = undefined;
    await rm(parent, { recursive: true });
  });

  it('lets in the superuser with his password and nobody else', async () => {
    const { port } = await start();
    expect(await query('SELECT current_user AS name')).toEqual([{ name: 'postgres' }]);
    await expect(query('SELECT 1', `postgresql://postgres:guess@127.0.0.1:${port}/postgres`)).rejects.toThrow(
      'password authentication failed',
    );
    expect((await stat(join(dataDir, 'superuser.password'))).mode & 0o777).toBe(0o600);
    const { stdout } = await promisify(execFile)('ps', ['-o', 'args=', '-p', String(running?.pid)]);
    expect(stdout).not.toContain((await readFile(join(dataDir, 'superuser.password'), 'utf8')).trim());
  });

  it('comes back on the same port with what it committed when it was killed', async () => {
    const server = await start();
    await query('CREATE TABLE t AS SELECT 1 AS n');
    const { port } = server;
    await server.kill();
    await server.restart();
    expect(server.port).toBe(port);
    expect(await query('SELECT n FROM t')).toEqual([{ n: 1 }]);
  });

  it('keeps its data over a stop and a new start', async () => {
    await (await start({ unsafeFast: false }), query('CREATE TABLE t AS SELECT 1 AS n'));
    await running?.stop();
    await start({ unsafeFast: false });
    expect(await query('SELECT n FROM t')).toEqual([{ n: 1 }]);
  });

  it('ends when the process that started it is killed', async () => {
    const { pid } = await abandonServer('startPostgres', { dataDir, unsafeFast: true }, { sparingWatchdog: true });
    expect(await poll(async () => ((await processIdentity(pid)) === undefined ? true : undefined), 10_000)).toBe(true);
  });

  it('is started over one that was left behind on the same data, recorded or not', async () => {
    for (const recorded of [true, false]) {
      const left = await abandonServer('startPostgres', { dataDir, unsafeFast: true });
      expect(await processIdentity(left.pid)).toBeDefined();
      if (!recorded) await rm(join(dataDir, 'process.json'));
      await start({ port: left.port });
      expect(await processIdentity(left.pid)).toBeUndefined();
      await running?.stop();
    }
  });

  it('starts although a stranger of the same user was given the pid of one that was killed', async () => {
    await (await start()).kill();
    const cluster = join(dataDir, 'cluster');
    const { uid, gid } = await stat(cluster);
    const stranger = spawn('sleep', ['60'], { uid, gid, stdio: 'ignore', cwd: '/' });
    await once(stranger, 'spawn');
    const file = join(cluster, 'postmaster.pid');
    const lines = (await readFile(file, 'utf8')).split('\n');
    await writeFile(file, [stranger.pid, ...lines.slice(1)].join('\n'));
    await start();
    expect(stranger.exitCode ?? stranger.signalCode).toBeNull();
    stranger.kill();
  });

  it('starts although the one that was killed has not been collected by its parent', async () => {
    await (await start()).kill();
    const cluster = join(dataDir, 'cluster');
    const { uid, gid } = await stat(cluster);
    const parent = spawn('/bin/sh', ['-c', 'sleep 0.2 & echo $!; exec sleep 60'], {
      uid,
      gid,
      stdio: ['ignore', 'pipe', 'ignore'],
      cwd: '/',
    });
    const uncollected = Number(((await once(parent.stdout, 'data')) as [Buffer])[0]);
    expect(await poll(async () => ((await processIdentity(uncollected)) === undefined ? true : undefined), 10_000)).toBe(true);
    const file = join(cluster, 'postmaster.pid');
    const lines = (await readFile(file, 'utf8')).split('\n');
    await writeFile(file, [uncollected, ...lines.slice(1)].join('\n'));
    await start();
    expect(await query('SELECT 1 AS n')).toEqual([{ n: 1 }]);
    parent.kill();
  });

  it('begins again where making its cluster was broken off', async () => {
    await mkdir(join(dataDir, 'cluster.new', 'base'), { recursive: true });
    await start();
    expect(await query('SELECT 1 AS n')).toEqual([{ n: 1 }]);
  });

  it('says what to do when its port is taken', async () => {
    const { port } = await start();
    const second = startPostgres({ dataDir: join(parent, 'second'), unsafeFast: true, port });
    await expect(second).rejects.toThrow(`port ${port} on 127.0.0.1 is taken, so PostgreSQL cannot listen on it; stop the other program`);
  });

  it('refuses a cluster of another version, and says that it may be deleted', async () => {
    await (await start()).stop();
    await writeFile(join(dataDir, 'cluster', 'PG_VERSION'), '15\n');
    await expect(start()).rejects.toThrow(/not a cluster of PostgreSQL 18 \(PG_VERSION: 15\).*delete it, and it is rebuilt/);
  });

  asRoot('lives outside a folder that its user cannot pass through, and is forgotten with that folder', async () => {
    await chmod(parent, 0o700);
    await start();
    const [{ data_directory: outside }] = (await query('SHOW data_directory')) as [{ data_directory: string }];
    expect(outside).toMatch(/^\/var\/tmp\/sandlot-/);
    await query('CREATE TABLE t AS SELECT 1 AS n');
    await running?.stop();
    await start();
    expect(await query('SELECT n FROM t')).toEqual([{ n: 1 }]);
    await running?.stop();
    await rm(dataDir, { recursive: true });
    await start();
    await expect(query('SELECT n FROM t')).rejects.toThrow('relation "t" does not exist');
    await expect(stat(outside)).rejects.toThrow('ENOENT');
    await running?.kill();
    await rm(outside.split('/').slice(0, 4).join('/'), { recursive: true });
  });
});
