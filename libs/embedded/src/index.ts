/*
 * nats-server and PostgreSQL as child processes, for the standalone and for tests: found, configured, started and ended here and nowhere
 * else. They listen on 127.0.0.1 only, live no longer than the process that started them, and one that was left behind all the same is
 * ended by the next start on its data. Starting one again that ended unasked is its user's business, and so is connecting.
 */
export { EmbeddedServer } from './embedded-server.js';
export { freePort } from './free-port.js';
export { findNatsServer, type NatsBinaryOptions } from './nats-binary.js';
export type { NatsCluster, NatsPermissions, NatsUser } from './nats-config.js';
export { natsIdentities, natsUsers, type NatsIdentity } from './nats-identities.js';
export { inboxPrefix, natsNeeds, natsPermissions, natsServices, type NatsService } from './nats-permissions.js';
export { startNats, type NatsOptions, type NatsServer } from './nats-server.js';
export { findPostgres } from './postgres-binaries.js';
export { runningPostgresUrl, startPostgres, type PostgresOptions, type PostgresServer } from './postgres-server.js';
export { processIdentity } from './process-identity.js';
export { spawnServer, type Account, type Exit, type ServerProcess } from './server-process.js';
