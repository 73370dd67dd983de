import { Client, Pool, type ClientConfig } from 'pg';
import { DataSource, type DataSourceOptions, type Logger } from 'typeorm';

type PostgresOptions = Extract<DataSourceOptions, { type: 'postgres' }>;

/**
 * PostgreSQL's last word can come in one packet with the answer after which a pool hands a connection over, and so before its new user
 * listens; an error that nobody listens to would end the process. The user learns of it by his next query.
 */
class Connection extends Client {
  constructor(config?: ClientConfig) {
    super(config);
    this.on('error', () => undefined);
  }
}

/** With `logging` off TypeORM still prints the failures of migrations, to where an answer in JSON may be going. They are thrown as well. */
const silent: Logger = {
  logQuery: () => undefined,
  logQueryError: () => undefined,
  logQuerySlow: () => undefined,
  logSchemaBuild: () => undefined,
  logMigration: () => undefined,
  log: () => undefined,
};

/**
 * TypeORM on a service's schema. For queries, as the reader; migrations run in `migrate`. Not connected yet.
 * @param entities the views, one entity each; `synchronize` is off for good
 */
export function dataSource(
  service: string,
  url: string,
  entities: NonNullable<PostgresOptions['entities']>,
  migrations: NonNullable<PostgresOptions['migrations']> = [],
): DataSource {
  return new DataSource({
    type: 'postgres',
    url,
    schema: service,
    entities,
    migrations,
    migrationsTableName: 'migrations',
    migrationsTransactionMode: 'each',
    applicationName: `sandlot-${service}`,
    uuidExtension: 'pgcrypto', // PostgreSQL has gen_random_uuid() itself; without this TypeORM asks for uuid-ossp
    installExtensions: false,
    synchronize: false,
    logging: false,
    logger: silent,
    connectTimeoutMS: 5_000,
    extra: { Client: Connection, keepAlive: true, max: 10, query_timeout: 10_000, allowExitOnIdle: true },
  });
}

/** The pool of a ProjectionRunner. A query that a lost network has swallowed fails after 70 s; one that is too slow after 60 s. */
export function writerPool(service: string, url: string, { max = 10 } = {}): Pool {
  const pool = new Pool({
    Client: Connection,
    connectionString: url,
    application_name: `sandlot-${service}-projections`,
    max,
    keepAlive: true,
    connectionTimeoutMillis: 5_000,
    statement_timeout: 60_000,
    query_timeout: 70_000,
    idle_in_transaction_session_timeout: 60_000,
  });
  pool.on('error', () => undefined); // an idle connection was lost; the next query makes another
  return pool;
}
