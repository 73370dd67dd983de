export type { EmbeddedServer } from './embedded-server.js';
export { freePort } from './free-port.js';
export { findNatsServer, type NatsBinaryOptions } from './nats-binary.js';
export type { NatsCluster, NatsPermissions, NatsUser } from './nats-config.js';
export { startNats, type NatsOptions, type NatsServer } from './nats-server.js';
export { startPostgres, type PostgresOptions, type PostgresServer } from './postgres-server.js';
export type { Account, Exit } from './server-process.js';
