import {
  natsIdentities,
  natsUsers,
  startNats,
  startPostgres,
  type EmbeddedServer,
  type NatsServer,
  type PostgresServer,
} from '@sandlot/embedded';
import { freePort, natsServerBinary } from '@sandlot/testing';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { prepareDataDir } from '../data-dir.js';
import { repository } from './build.js';
import { Child } from './child.js';
import { Client } from './http-client.js';
import { killAllOf } from './processes-of.js';
import type { Running, Signal } from './running.js';

export const serviceNames = ['auth', 'provisioner', 'audit', 'gateway', 'proxy'] as const;
type ServiceName = (typeof serviceNames)[number];
const programOf = (checkout: string, service: string, file = 'main.js') => join(checkout, 'services', service, 'dist', file);
/** How a service is started, with those flags of V8 that its start script and the chart have. */
const commandOf = async (checkout: string, service: string): Promise<string[]> => {
  const { scripts } = JSON.parse(await readFile(join(checkout, 'services', service, 'package.json'), 'utf8')) as {
    scripts: { start: string };
  };
  return [...scripts.start.split(' ').filter((word) => word.startsWith('--')), programOf(checkout, service)];
};

interface Service {
  readonly child: Child;
  readonly health: Client;
}

/**
 * Each service in a process of its own, knowing no more than it needs: its own NATS identity, its own roles in PostgreSQL.
 * @param checkout whose programs they are
 */
export async function startProcesses(dataDir: string, settings: Record<string, string>, checkout = repository): Promise<ProcessPlatform> {
  const { masterKeyPath, adminKeyPath } = await prepareDataDir(dataDir);
  const identities = await natsIdentities(join(dataDir, 'identities'));
  const [nats, postgres] = await Promise.all([
    startNats({ binary: await natsServerBinary(), dataDir: join(dataDir, 'nats'), users: natsUsers(identities), monitor: true }),
    startPostgres({ dataDir: join(dataDir, 'postgres'), unsafeFast: true }),
  ]);
  const ports = await Promise.all(['public', 'gateway', ...serviceNames].map(() => freePort()));
  const [port, gatewayPort, ...metricsPorts] = ports as [number, number, ...number[]];
  const urls = join(dataDir, 'database-urls');
  const natsOf = (service: ServiceName | 'migrator') => ({
    SANDLOT_NATS_URL: nats.url,
    SANDLOT_NATS_NKEY_FILE: identities[service].seedFile,
  });
  const databaseOf = (service: string) => ({
    SANDLOT_DATABASE_URL_FILE: join(urls, `${service}.url`),
    SANDLOT_DATABASE_READER_URL_FILE: join(urls, `${service}.reader-url`),
  });
  const shared = { SANDLOT_IDENTITY_KEY_FILE: join(dataDir, 'identity.key') };
  const needs: Record<ServiceName, NodeJS.ProcessEnv> = {
    auth: { ...databaseOf('auth'), SANDLOT_MASTER_KEY_PATH: masterKeyPath, SANDLOT_ADMIN_KEY_PATH: adminKeyPath },
    provisioner: { ...databaseOf('provisioner'), SANDLOT_DATA_DIR: dataDir },
    audit: databaseOf('audit'),
    gateway: { ...shared, SANDLOT_GATEWAY_PORT: String(gatewayPort), SANDLOT_NATS_MONITORING_URLS: nats.monitorUrl },
    proxy: {
      ...shared,
      SANDLOT_GATEWAY_URL: `http://127.0.0.1:${gatewayPort}`,
      SANDLOT_PORT: String(port),
      SANDLOT_HOST: '127.0.0.1',
    },
  };
  const commands = await Promise.all(serviceNames.map((name) => commandOf(checkout, name)));
  const services = Object.fromEntries(
    serviceNames.map((name, index) => {
      const metrics = { SANDLOT_METRICS_PORT: String(metricsPorts[index]), SANDLOT_METRICS_HOST: '127.0.0.1' };
      const child = new Child(name, commands[index]!, { ...settings, ...natsOf(name), ...needs[name], ...metrics });
      return [name, { child, health: new Client(`http://127.0.0.1:${metricsPorts[index]}`) }];
    }),
  ) as Record<ServiceName, Service>;
  const ownerUrlFile = join(dataDir, 'postgres', 'owner.url');
  await writeFile(ownerUrlFile, postgres.url, { mode: 0o600 });
  const migration = new Child('migrate', [programOf(checkout, 'standalone', 'migrate.js')], {
    ...natsOf('migrator'),
    SANDLOT_LOG_LEVEL: settings['SANDLOT_LOG_LEVEL'],
    SANDLOT_DATABASE_URL_FILE: ownerUrlFile,
    SANDLOT_DATABASE_URLS_DIR: urls,
  });
  const adminKey = (await readFile(adminKeyPath, 'utf8')).trim();
  const platform = new ProcessPlatform({ nats, postgres }, services, migration, new Client(`http://127.0.0.1:${port}`, adminKey), dataDir);
  await platform.start();
  return platform;
}

export class ProcessPlatform implements Running {
  constructor(
    private readonly servers: { nats: NatsServer; postgres: PostgresServer },
    private readonly services: Record<ServiceName, Service>,
    private readonly migration: Child,
    private readonly admin: Client,
    private readonly dataDir: string,
  ) {}

  get url(): string {
    return this.admin.url;
  }

  async pids(): Promise<Record<string, number>> {
    const services = serviceNames.flatMap((name) => {
      const { pid } = this.services[name].child;
      return pid === undefined ? [] : [[name, pid] as const];
    });
    return { ...Object.fromEntries(services), nats: this.servers.nats.pid, postgres: this.servers.postgres.pid };
  }

  async kill(name: string, signal: Signal = 'SIGKILL'): Promise<void> {
    const server = this.server(name);
    if (server) await (signal === 'SIGKILL' ? server.kill() : server.stop());
    else await this.service(name).child.end(signal);
  }

  async restart(name: string, env?: Readonly<Record<string, string>>): Promise<void> {
    const server = this.server(name);
    if (server) return server.restart();
    this.service(name).child.start(env);
    await this.ready(this.service(name));
  }

  /** Brings streams and schemas up to date, as another checkout has them, while everything runs. */
  async migrate(checkout: string): Promise<void> {
    this.migration.args = [programOf(checkout, 'standalone', 'migrate.js')];
    await this.runMigration();
  }

  /** Ends a service in order, and starts the one of another checkout in its place. */
  async replace(name: ServiceName, checkout: string): Promise<void> {
    const { child } = this.service(name);
    const code = await child.end('SIGTERM');
    if (code !== 0) throw new Error(`${name} ended with ${code}; it said:\n${child.said}`);
    child.args = await commandOf(checkout, name);
    await this.restart(name);
  }

  async killEverything(): Promise<void> {
    await killAllOf(this.dataDir);
    await Promise.all(Object.values(this.services).map(({ child }) => child.exit()));
    await Promise.all([this.servers.nats.exited, this.servers.postgres.exited]);
  }

  /** The servers first, then whatever the schemas lack, then all services at once: none may depend on being started after another. */
  async start(): Promise<void> {
    const { nats, postgres } = this.servers;
    await Promise.all([this.revive(nats), this.revive(postgres)]);
    await this.runMigration();
    const services = Object.values(this.services).filter(({ child }) => !child.runs);
    for (const { child } of services) child.start();
    await Promise.all(services.map((service) => this.ready(service)));
    const { child } = this.services.proxy;
    await child.until(async () => (await this.admin.get('/api/v1/me')).status === 200, 'the administrator is let in');
  }

  async stop(): Promise<void> {
    const codes: Record<string, number | null> = {};
    for (const name of [...serviceNames].reverse()) codes[name] = await this.services[name].child.end('SIGTERM');
    await Promise.all([this.servers.nats.stop(), this.servers.postgres.stop()]);
    const failed = serviceNames.filter((name) => codes[name] !== 0);
    if (failed.length > 0)
      throw new Error(failed.map((name) => `${name} ended with ${codes[name]}: ${this.services[name].child.said}`).join('\n'));
  }

  metricsUrls(): Record<string, string> {
    return Object.fromEntries(serviceNames.map((name) => [name, this.services[name].health.url]));
  }

  async logs(): Promise<string> {
    const servers = ['nats/nats-server.log', 'postgres/postgres.log'].map((file) =>
      readFile(join(this.dataDir, file), 'utf8').catch(() => ''),
    );
    const programs = [this.migration, ...Object.values(this.services).map(({ child }) => child)];
    return [...programs.map(({ output }) => output), ...(await Promise.all(servers))].join('\n');
  }

  private async runMigration(): Promise<void> {
    this.migration.start();
    const code = await this.migration.exit();
    if (code !== 0) throw new Error(`migrate ended with ${code}; it said:\n${this.migration.said}`);
  }

  private async ready({ child, health }: Service): Promise<void> {
    await child.until(async () => (await health.get('/readyz')).status === 200, 'it is ready');
  }

  private async revive(server: EmbeddedServer): Promise<void> {
    if (!alive(server.pid)) await server.restart();
  }

  private server(name: string): EmbeddedServer | undefined {
    return name === 'nats' || name === 'postgres' ? this.servers[name] : undefined;
  }

  private service(name: string): Service {
    const service = this.services[name as ServiceName];
    if (!service) throw new Error(`there is no process ${name} to kill or restart`);
    return service;
  }
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
