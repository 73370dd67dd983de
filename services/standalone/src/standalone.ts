import { readFile } from 'node:fs/promises';
import { auditService } from '@sandlot/audit';
import { authService } from '@sandlot/auth';
import type { NatsService } from '@sandlot/embedded';
import { gatewayService } from '@sandlot/gateway';
import { provisionerService } from '@sandlot/provisioner';
import { proxyService, PublicPort } from '@sandlot/proxy';
import {
  Health,
  loadConfig,
  startOperationsServer,
  startService,
  startTelemetry,
  type Environment,
  type RunningService,
} from '@sandlot/service-kit';
import { standaloneConfig, type StandaloneSettings } from './config.js';
import { prepareDataDir, type DataDir } from './data-dir.js';
import { startBackingServers, type BackingServers } from './embedded/backing-servers.js';
import { prepareDatabase, prepareNats, storingServices, type StoringService } from './schemas.js';

export interface Standalone {
  readonly url: string;
  readonly dataDir: DataDir;
  /** Drains every service, the proxy first, then stops the embedded servers. */
  close(): Promise<void>;
}

/** Everything in one process: the embedded servers, the schemas, and every service with an identity of its own. */
export async function startStandalone(env: Environment, log: (line: string) => void): Promise<Standalone> {
  const { values: settings, sources } = loadConfig(standaloneConfig, env);
  const undo: (() => Promise<unknown>)[] = [];
  const close = async () => {
    for (let step = undo.pop(); step; step = undo.pop()) await step();
  };
  try {
    const dataDir = await prepareDataDir(settings.SANDLOT_DATA_DIR);
    log(settings.SANDLOT_NATS_URL && settings.SANDLOT_DATABASE_URL ? 'preparing your servers' : 'starting NATS and PostgreSQL');
    const servers = await startBackingServers({
      dataDir: dataDir.path,
      natsUrl: settings.SANDLOT_NATS_URL,
      databaseUrl: settings.SANDLOT_DATABASE_URL,
      log,
    });
    undo.push(() => servers.stop());
    const environment = await environments(settings, env, dataDir, servers);
    const health = await openOperations(settings, sources.SANDLOT_METRICS_PORT === 'default', env, log, undo);
    log('starting the services');
    const start = async (definition: Parameters<typeof startService>[0], more: Environment = {}): Promise<RunningService> => {
      const running = await startService(definition, { ...environment(definition.name as NatsService), ...more }, { sharedHealth: health });
      undo.push(() => running.close());
      return running;
    };
    const [gateway] = await allStarted([start(gatewayService), start(authService), start(provisionerService), start(auditService)]);
    const proxy = await start(proxyService, { SANDLOT_GATEWAY_URL: gateway!.url });
    health.started();
    undo.push(() => Promise.resolve(health.drain()));
    const { scheme, port } = proxy.app.get(PublicPort);
    return { url: `${scheme}://${settings.SANDLOT_HOST}:${port}`, dataDir, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Makes streams and schemas, and says with which settings each service runs: what the user has set, and what only we can know. */
async function environments(settings: StandaloneSettings, env: Environment, dataDir: DataDir, servers: BackingServers) {
  const seeds = new Map<string, string>();
  for (const [service, { seedFile }] of Object.entries(servers.natsIdentities ?? {}))
    seeds.set(service, (await readFile(seedFile, 'utf8')).trim());
  const natsOf = (service: NatsService): Environment => {
    const seed = seeds.get(service);
    return { SANDLOT_NATS_URL: servers.natsUrl, ...(seed && { SANDLOT_NATS_NKEY: seed }) };
  };
  const migratorSeed = seeds.get('migrator');
  const [databases] = await Promise.all([
    prepareDatabase(servers.databaseUrl),
    prepareNats({ ...settings, SANDLOT_NATS_URL: servers.natsUrl, ...(migratorSeed && { SANDLOT_NATS_NKEY: migratorSeed }) }),
  ]);
  return (service: NatsService): Environment =>
    over(env, {
      SANDLOT_LOG_LEVEL: settings.SANDLOT_LOG_LEVEL,
      SANDLOT_DATA_DIR: dataDir.path,
      SANDLOT_HOST: settings.SANDLOT_HOST,
      SANDLOT_PORT: String(settings.SANDLOT_PORT),
      SANDLOT_GATEWAY_HOST: '127.0.0.1',
      SANDLOT_GATEWAY_PORT: '0',
      SANDLOT_NATS_MONITORING_URLS: servers.natsMonitoringUrl ?? env['SANDLOT_NATS_MONITORING_URLS'],
      SANDLOT_IDENTITY_KEY: dataDir.identityKey,
      SANDLOT_MASTER_KEY_PATH: dataDir.masterKeyPath,
      SANDLOT_ADMIN_KEY_PATH: dataDir.adminKeyPath,
      SANDLOT_RUNTIME: env['SANDLOT_RUNTIME'] ?? 'process',
      SANDLOT_SANDBOX_PATH: env['SANDLOT_SANDBOX_PATH'] ?? env['PATH'],
      ...natsOf(service),
      ...((storingServices as string[]).includes(service) && {
        SANDLOT_DATABASE_URL: databases[service as StoringService].writerUrl,
        SANDLOT_DATABASE_READER_URL: databases[service as StoringService].readerUrl,
      }),
    });
}

/** The user's settings and ours over them; a file that the user has named for one that is ours by now has been read already. */
function over(env: Environment, ours: Environment): Environment {
  const others = Object.entries(env).filter(([name]) => !(name.endsWith('_FILE') && ours[name.slice(0, -'_FILE'.length)] !== undefined));
  return { ...Object.fromEntries(others), ...ours };
}

/** Waits for all even when one fails, so that those which have started can be stopped. */
async function allStarted(starting: Promise<RunningService>[]): Promise<RunningService[]> {
  await Promise.allSettled(starting);
  return Promise.all(starting);
}

/** @param isDefault whether the port is not one that somebody has asked for: then it is no reason not to start that it is taken */
async function openOperations(
  settings: StandaloneSettings,
  isDefault: boolean,
  env: Environment,
  log: (line: string) => void,
  undo: (() => Promise<unknown>)[],
): Promise<Health> {
  const health = new Health();
  const telemetry = await startTelemetry('standalone', env);
  undo.push(() => telemetry.close());
  const { SANDLOT_METRICS_PORT: port, SANDLOT_METRICS_HOST: host } = settings;
  if (port === 0) return health;
  try {
    const server = await startOperationsServer({ port, host, health, telemetry });
    undo.push(() => server.close());
  } catch (error) {
    if (!isDefault) throw error;
    log(`no metrics, for port ${port} is taken; SANDLOT_METRICS_PORT names another`);
  }
  return health;
}
