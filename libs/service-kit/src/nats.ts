import { setTimeout as pause } from 'node:timers/promises';
import {
  AuthorizationError,
  connect,
  credsAuthenticator,
  nkeyAuthenticator,
  type Authenticator,
  type NatsConnection,
  type NodeConnectionOptions,
} from '@nats-io/transport-node';
import { errorChain, logger } from './logging.js';
import { watchLink } from './nats-link.js';

/** What natsSettings reads. */
export interface NatsConfig {
  readonly SANDLOT_NATS_URL: string;
  readonly SANDLOT_NATS_NKEY?: string;
  readonly SANDLOT_NATS_CREDS?: string;
  readonly SANDLOT_NATS_TLS_CA?: string;
  readonly SANDLOT_NATS_TLS_CERT?: string;
  readonly SANDLOT_NATS_TLS_KEY?: string;
}

/** Under which a service gets its answers; its NATS identity may listen nowhere else. */
export const inboxPrefix = (service: string): string => `_INBOX_${service}`;

/**
 * The service's one connection. Waits for NATS as long as it takes, saying so, and afterwards connects again for ever; a dead peer is
 * noticed after 10 s. Throws when NATS is there and refuses the identity, and with the signal's reason when that ends the waiting.
 */
export async function connectNats(config: NatsConfig, service: string, signal?: AbortSignal): Promise<NatsConnection> {
  const servers = config.SANDLOT_NATS_URL.split(',').map((url) => new URL(url.trim()));
  const places = servers.map(({ host }) => host).join(',');
  const options = connectionOptions(config, servers, service);
  for (let attempt = 1; ; attempt += 1) {
    signal?.throwIfAborted();
    try {
      const connection = await connect(options);
      logChanges(connection, places);
      return connection;
    } catch (cause) {
      if (cause instanceof AuthorizationError) throw new Error(`cannot connect to NATS at ${places}`, { cause });
      if (attempt % 10 === 1) logger.warn({ servers: places, reason: errorChain(cause) }, 'waiting for NATS');
    }
    await pause(500, undefined, { signal });
  }
}

function connectionOptions(config: NatsConfig, servers: readonly URL[], service: string): NodeConnectionOptions {
  const usesTls = config.SANDLOT_NATS_TLS_CA || config.SANDLOT_NATS_TLS_CERT || servers.some(({ protocol }) => protocol === 'tls:');
  return {
    servers: servers.map(({ host }) => host),
    name: `sandlot-${service}`,
    inboxPrefix: inboxPrefix(service),
    authenticator: authenticators(config),
    ...credentials(servers[0]),
    ...(usesTls && {
      tls: { ca: config.SANDLOT_NATS_TLS_CA, cert: config.SANDLOT_NATS_TLS_CERT, key: config.SANDLOT_NATS_TLS_KEY },
    }),
    maxReconnectAttempts: -1,
    ignoreAuthErrorAbort: true, // a server that comes back may know its users a little later
    reconnectDelayHandler: () => 100 + Math.random() * 900,
    timeout: 5_000,
    noAsyncTraces: true, // otherwise every request takes two stack traces, in case that it fails
    pingInterval: 5_000,
    maxPingOut: 2,
  };
}

function authenticators(config: NatsConfig): Authenticator[] | undefined {
  if (config.SANDLOT_NATS_NKEY) return [nkeyAuthenticator(Buffer.from(config.SANDLOT_NATS_NKEY))];
  if (config.SANDLOT_NATS_CREDS) return [credsAuthenticator(Buffer.from(config.SANDLOT_NATS_CREDS))];
  return undefined;
}

function credentials(url: URL | undefined): { user?: string; pass?: string; token?: string } {
  if (!url?.username) return {};
  const user = decodeURIComponent(url.username);
  return url.password ? { user, pass: decodeURIComponent(url.password) } : { token: user };
}

/** One line when NATS goes and one when it is back, however often it is tried in between. */
function logChanges(connection: NatsConnection, servers: string): void {
  let lostAt: number | undefined;
  watchLink(connection).onChange((isUp) => {
    if (connection.isClosed()) return;
    if (isUp) logger.info({ servers, awayMs: Date.now() - (lostAt ?? Date.now()) }, 'NATS is back');
    else logger.warn({ servers }, 'NATS is away');
    lostAt = isUp ? undefined : Date.now();
  });
  void connection.closed().then((error) => {
    if (error) logger.error({ servers, reason: errorChain(error) }, 'the connection to NATS is closed for good');
  });
}
