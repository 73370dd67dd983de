import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { access, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { EmbeddedServer } from './embedded-server.js';
import { freePort } from './free-port.js';
import { poll } from './poll.js';
import { findPostgres } from './postgres-binaries.js';
import { giveTo, placePostgres, type PostgresPlace } from './postgres-place.js';
import { processIdentity } from './process-identity.js';
import { endLeftover, endProcess, spawnServer, type ServerProcess } from './server-process.js';

export interface PostgresOptions {
  /** Holds the log, the superuser's password (mode 0600) and, where its user can reach it, the cluster. Made when missing. */
  dataDir: string;
  /** 0, the default, takes a free port; a restart keeps it. Always on 127.0.0.1, without a Unix socket. */
  port?: number;
  /** For tests: nothing is forced to disk. A power cut may destroy the cluster; killed processes lose nothing. */
  unsafeFast?: boolean;
  /** How long the start may take, in ms; after a crash it replays its log. Default 60 s. */
  startWithinMs?: number;
}

const SUPERUSER = 'postgres';

/** Small at rest: read models of one machine, some tens of connections, no parallel queries, no replication. */
const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: 60,
  shared_buffers: '32MB',
  io_method: 'sync',
  jit: 'off',
  wal_level: 'minimal',
  max_wal_senders: 0,
  max_wal_size: '512MB',
  max_worker_processes: 2,
  max_parallel_workers: 0,
  max_logical_replication_workers: 0,
  autovacuum_max_workers: 1,
  timezone: 'UTC',
  log_timezone: 'UTC',
};
const UNSAFE_FAST = { fsync: 'off', full_page_writes: 'off' };

export class PostgresServer extends EmbeddedServer {
  readonly dataDir: string;
  readonly port: number;
  private readonly password: string;

  constructor(launch: () => Promise<ServerProcess>, running: ServerProcess, dataDir: string, port: number, password: string) {
    super(launch, running, 'SIGINT'); // "fast": ends the sessions, then writes a checkpoint
    this.dataDir = dataDir;
    this.port = port;
    this.password = password;
  }

  /** As the superuser. Holds the password: not for logs. */
  get url(): string {
    return this.urlOf('postgres');
  }

  urlOf(database: string): string {
    return `postgresql://${SUPERUSER}:${this.password}@127.0.0.1:${this.port}/${database}`;
  }
}

/**
 * Starts a PostgreSQL 18 as our child and waits until it takes connections; makes the cluster at the first start. A server that a killed
 * process left behind on the same data is ended first.
 */
export async function startPostgres(options: PostgresOptions): Promise<PostgresServer> {
  const dataDir = resolve(options.dataDir);
  await mkdir(dataDir, { recursive: true, mode: 0o711 });
  await endLeftover('PostgreSQL', join(dataDir, 'process.json'), 'SIGQUIT', dataDir);
  const { nativeDir, version } = await findPostgres();
  const place = await placePostgres(dataDir, nativeDir, version);
  const password = await superuserPassword(dataDir);
  if (!(await exists(place.clusterDir))) await makeCluster(place, password, options.unsafeFast ?? false);
  await checkVersion(place.clusterDir, version);
  let port = options.port || (await freePort());
  const launch = () => launchPostgres({ ...options, dataDir, port }, place);
  let running: ServerProcess | undefined;
  for (let tries = 1; running === undefined; tries++) {
    try {
      running = await launch();
    } catch (error) {
      if (!(error instanceof PortTaken) || options.port || tries === 5) throw error;
      port = await freePort();
    }
  }
  return new PostgresServer(launch, running, dataDir, port, password);
}

/** Of the PostgreSQL that runs on a folder, whoever has started it; undefined when none does. Holds the superuser's password: not for logs. */
export async function runningPostgresUrl(dataDir: string): Promise<string | undefined> {
  try {
    const { pid } = JSON.parse(await readFile(join(dataDir, 'process.json'), 'utf8')) as { pid: number };
    const [, port] = /(?:^|\0)port=(\d+)/.exec(await readFile(`/proc/${pid}/cmdline`, 'utf8')) ?? [];
    const password = (await readFile(join(dataDir, 'superuser.password'), 'utf8')).trim();
    return port && `postgresql://${SUPERUSER}:${password}@127.0.0.1:${port}/postgres`;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

class PortTaken extends Error {}

async function superuserPassword(dataDir: string): Promise<string> {
  const file = join(dataDir, 'superuser.password');
  const kept = await readFile(file, 'utf8').catch(() => '');
  if (kept !== '') return kept;
  const password = randomBytes(24).toString('hex');
  await writeFile(file, password, { mode: 0o600 });
  return password;
}

/** Made beside its place and moved there, so that a start that was killed half-way leaves nothing that looks like a cluster. */
async function makeCluster({ clusterDir, nativeDir, account }: PostgresPlace, password: string, unsafeFast: boolean): Promise<void> {
  const fresh = `${clusterDir}.new`;
  const passwordFile = `${clusterDir}.password`;
  await rm(fresh, { recursive: true, force: true });
  await mkdir(fresh, { mode: 0o700 });
  await giveTo(account, fresh);
  await writeFile(passwordFile, password, { mode: 0o600 });
  await giveTo(account, passwordFile);
  const locale = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
  const args = [
    '-D',
    fresh,
    '-U',
    SUPERUSER,
    '--auth=scram-sha-256',
    `--pwfile=${passwordFile}`,
    ...locale,
    ...(unsafeFast ? ['--no-sync'] : []),
  ];
  try {
    await promisify(execFile)(join(nativeDir, 'bin', 'initdb'), args, { ...account, cwd: '/', env: { PATH: process.env.PATH, TZ: 'UTC' } });
  } catch (cause) {
    const { stderr, message } = cause as { stderr?: string; message: string };
    throw new Error(`PostgreSQL's initdb failed in ${fresh}: ${stderr?.trim() || message}`, { cause });
  } finally {
    await rm(passwordFile, { force: true });
  }
  await rename(fresh, clusterDir);
}

async function checkVersion(clusterDir: string, version: string): Promise<void> {
  const [major] = version.split('.');
  const made = await readFile(join(clusterDir, 'PG_VERSION'), 'utf8').then(
    (text) => text.trim(),
    (error: NodeJS.ErrnoException) => error.code ?? 'unreadable',
  );
  if (made === 'EACCES')
    throw new Error(
      `${clusterDir} belongs to another user, probably because the last start was as root; ` +
        'start as root again, or delete that folder as root',
    );
  if (made !== major)
    throw new Error(
      `${clusterDir} is not a cluster of PostgreSQL ${major} (PG_VERSION: ${made}); ` +
        'it holds nothing that the log does not: delete it, and it is rebuilt',
    );
}

async function launchPostgres(options: PostgresOptions & { port: number }, place: PostgresPlace): Promise<ServerProcess> {
  const { dataDir, port } = options;
  const recordFile = join(dataDir, 'process.json');
  const logFile = join(dataDir, 'postgres.log');
  const deadline = performance.now() + (options.startWithinMs ?? 60_000);
  const settings = Object.entries({ ...SETTINGS, ...(options.unsafeFast && UNSAFE_FAST), port }).flatMap(([name, value]) => [
    '-c',
    `${name}=${value}`,
  ]);
  await clearPostmasterFile(place);
  for (;;) {
    const server = await spawnServer({
      name: 'PostgreSQL',
      file: join(place.nativeDir, 'bin', 'postgres'),
      args: ['-D', place.clusterDir, ...settings],
      account: place.account,
      logFile,
      recordFile,
      endSignal: 'SIGQUIT',
    });
    const ready = await poll(() => (server.hasExited() ? 'exited' : isReady(place.clusterDir, server.pid)), deadline - performance.now());
    if (ready === 'ready') return server;
    await server.end('SIGKILL', 1000);
    const said = await server.said();
    if (said.includes('Address already in use'))
      throw new PortTaken(
        `port ${port} on 127.0.0.1 is taken, so PostgreSQL cannot listen on it; stop the other program or choose another port`,
      );
    // The sessions of a killed postmaster need a moment to notice that it is gone.
    if (ready === 'exited' && said.includes('is still in use') && performance.now() < deadline) continue;
    throw new Error(`PostgreSQL ${ready === 'exited' ? 'ended while starting' : 'was not ready in time'}; ${logFile} ends with:\n${said}`);
  }
}

/** The file that the server keeps tells when it is ready, in its eighth line, as pg_ctl reads it. */
async function isReady(clusterDir: string, pid: number): Promise<'ready' | undefined> {
  const lines = await postmasterFile(clusterDir);
  return lines?.[0] === String(pid) && lines[7]?.startsWith('ready') ? 'ready' : undefined;
}

/** No process has this pid: Linux gives none above 2^22, others none above 99,999. */
const NOBODY = 2 ** 31 - 2;

/**
 * PostgreSQL refuses to start when a file of its last run names a process that exists. After a crash that pid may be a stranger's by now, or
 * that of one that has ended and whom nobody has collected, and nobody is there to correct the file; a server of ours that was never
 * recorded is ended. The rest of the file stays: by it PostgreSQL sees whether sessions of that run still hold its memory.
 */
async function clearPostmasterFile({ clusterDir, account }: PostgresPlace): Promise<void> {
  const lines = (await postmasterFile(clusterDir)) ?? [];
  const pid = Number(lines[0]);
  if (!(pid > 0)) return;
  const identity = await processIdentity(pid);
  if (identity !== undefined) {
    const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => undefined);
    if (commandLine === undefined) return;
    if (commandLine.split('\0').includes(clusterDir)) await endProcess({ pid, identity }, 'SIGQUIT', 'PostgreSQL');
  }
  const corrected = join(clusterDir, 'postmaster.pid.new');
  await writeFile(corrected, [NOBODY, ...lines.slice(1)].join('\n'), { mode: 0o600 });
  await giveTo(account, corrected);
  await rename(corrected, join(clusterDir, 'postmaster.pid'));
}

async function postmasterFile(clusterDir: string): Promise<string[] | undefined> {
  return readFile(join(clusterDir, 'postmaster.pid'), 'utf8').then(
    (text) => text.split('\n'),
    () => undefined,
  );
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
