import {
  findNatsServer,
  natsIdentities,
  natsUsers,
  startNats,
  startPostgres,
  type EmbeddedServer,
  type NatsIdentity,
  type NatsService,
} from '@sandlot/embedded';
import { join } from 'node:path';
import { keepRunning } from './keep-running.js';

export interface BackingServersOptions {
  /** Gets the folders `nats`, `postgres` and `identities`. When its mode is 0711, PostgreSQL's own user can reach its part. */
  dataDir: string;
  /** Servers of one's own instead of the embedded ones. */
  natsUrl?: string;
  databaseUrl?: string;
  log: (line: string) => void;
}

export interface BackingServers {
  natsUrl: string;
  /** Where the embedded NATS can be monitored, on this machine alone. */
  natsMonitoringUrl?: string;
  /** Only for the embedded NATS: how each service proves who it is. */
  natsIdentities?: Record<NatsService, NatsIdentity>;
  /** As a superuser when embedded: for making roles and schemas, not for the services. Holds a password. */
  databaseUrl: string;
  /** Ends what was started here, when the services have drained. */
  stop(): Promise<void>;
}

/** What the services need around them: the servers that were named, and embedded ones for the rest, started side by side. */
export async function startBackingServers(options: BackingServersOptions): Promise<BackingServers> {
  const stops: (() => Promise<void>)[] = [];
  const keep = <Server extends EmbeddedServer>(name: string, server: Server): Server => {
    stops.push(keepRunning(name, server, options.log));
    return server;
  };
  const stop = async () => void (await Promise.all(stops.map((each) => each())));
  const [nats, database] = await Promise.allSettled([embeddedNats(options, keep), embeddedDatabase(options, keep)]);
  if (nats.status === 'fulfilled' && database.status === 'fulfilled') return { ...nats.value, ...database.value, stop };
  await stop();
  throw (nats.status === 'rejected' ? nats : (database as PromiseRejectedResult)).reason;
}

type Keep = <Server extends EmbeddedServer>(name: string, server: Server) => Server;

async function embeddedNats(
  { natsUrl, dataDir, log }: BackingServersOptions,
  keep: Keep,
): Promise<Omit<BackingServers, 'databaseUrl' | 'stop'>> {
  if (natsUrl) return { natsUrl };
  const [binary, identities] = await Promise.all([findNatsServer({ log }), natsIdentities(join(dataDir, 'identities'))]);
  const server = keep(
    'nats-server',
    await startNats({ binary, dataDir: join(dataDir, 'nats'), users: natsUsers(identities), monitor: true }),
  );
  return { natsUrl: server.url, natsIdentities: identities, ...(server.monitorUrl && { natsMonitoringUrl: server.monitorUrl }) };
}

async function embeddedDatabase({ databaseUrl, dataDir }: BackingServersOptions, keep: Keep): Promise<Pick<BackingServers, 'databaseUrl'>> {
  if (databaseUrl) return { databaseUrl };
  return { databaseUrl: keep('PostgreSQL', await startPostgres({ dataDir: join(dataDir, 'postgres') })).url };
}
