import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { EmbeddedServer } from './embedded-server.js';
import { natsConfig, type NatsCluster, type NatsUser } from './nats-config.js';
import { poll } from './poll.js';
import { endLeftover, spawnServer, type ServerProcess } from './server-process.js';

export interface NatsOptions {
  /** Path of a nats-server, 2.15 or newer (`findNatsServer`). */
  binary: string;
  /** Holds the streams, the log and the generated configuration; made when missing. */
  dataDir: string;
  /** 0, the default, takes a free port; a restart keeps it. Always on 127.0.0.1. */
  port?: number;
  /** Who may connect, and what they may do. Without users, everybody on this machine may do everything. */
  users?: NatsUser[];
  cluster?: NatsCluster;
  /** Adds the monitoring endpoint, on a free port of 127.0.0.1, which a restart keeps. */
  monitor?: boolean;
  /** The most that streams may hold together, default what the disk does. */
  maxStoreBytes?: number;
  /** Whether a write is on disk before it is acknowledged, the default. Only for what is checked and can be repeated may it be false. */
  syncsEachWrite?: boolean;
  /** How long the start may take, in ms; recovery reads the whole store when its index was lost. Default 60 s. */
  startWithinMs?: number;
}

type Launch = NatsOptions & { port: number; monitorPort?: number };

const START_WITHIN_MS = 60_000;

interface Ports {
  nats: string[];
  monitoring?: string[];
}

export class NatsServer extends EmbeddedServer {
  readonly dataDir: string;
  private readonly ports: () => Ports;

  constructor(launch: () => Promise<ServerProcess>, running: ServerProcess, dataDir: string, ports: () => Ports) {
    super(launch, running, 'SIGTERM');
    this.dataDir = dataDir;
    this.ports = ports;
  }

  get url(): string {
    return this.ports().nats[0] as string;
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  get monitorUrl(): string | undefined {
    return this.ports().monitoring?.[0];
  }
}

/**
 * Starts a nats-server with JetStream as our child and waits until it takes connections. Every write is on disk before it is
 * acknowledged. A server that a killed process left behind on the same data is ended first.
 */
export async function startNats(options: NatsOptions): Promise<NatsServer> {
  const dataDir = resolve(options.dataDir);
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  let ports: Ports = { nats: [] };
  const launch = async () => {
    const port = portOf(ports.nats[0]) ?? options.port ?? 0;
    const monitorPort = options.monitor ? (portOf(ports.monitoring?.[0]) ?? 0) : undefined;
    const running = await launchNats({ ...options, dataDir, port, ...(monitorPort !== undefined && { monitorPort }) });
    ports = running.ports;
    return running.server;
  };
  return new NatsServer(launch, await launch(), dataDir, () => ports);
}

const portOf = (url: string | undefined): number | undefined => (url === undefined ? undefined : Number(new URL(url).port));

async function launchNats(options: Launch): Promise<{ server: ServerProcess; ports: Ports }> {
  const { dataDir } = options;
  const recordFile = join(dataDir, 'process.json');
  const logFile = join(dataDir, 'nats-server.log');
  await endLeftover('nats-server', recordFile, 'SIGTERM', dataDir);
  for (const stale of await readdir(dataDir)) if (stale.endsWith('.ports')) await rm(join(dataDir, stale));
  const configFile = join(dataDir, 'nats-server.conf');
  await writeFile(configFile, natsConfig(options), { mode: 0o600 });
  const server = await spawnServer({
    name: 'nats-server',
    file: options.binary,
    args: ['-c', configFile],
    logFile,
    recordFile,
    endSignal: 'SIGTERM',
  });
  const portsFile = join(dataDir, `${basename(options.binary)}_${server.pid}.ports`);
  const ports = await poll(
    async () => (server.hasExited() ? 'exited' : await readPorts(portsFile)),
    options.startWithinMs ?? START_WITHIN_MS,
  );
  if (ports !== undefined && ports !== 'exited') return { server, ports };
  await server.end('SIGKILL', 1000);
  throw new Error(explain(ports, options, logFile, await server.said()));
}

async function readPorts(file: string): Promise<Ports | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Ports; // half written is not JSON yet
  } catch {
    return undefined;
  }
}

function explain(outcome: 'exited' | undefined, { port, startWithinMs = START_WITHIN_MS }: Launch, logFile: string, said: string): string {
  if (said.includes('address already in use'))
    return `port ${port} on 127.0.0.1 is taken, so nats-server cannot listen on it; stop the other program or choose another port`;
  const what = outcome === 'exited' ? 'ended while starting' : `was not ready after ${startWithinMs} ms`;
  return `nats-server ${what}; ${logFile} ends with:\n${said}`;
}
