import type { NatsConnection } from '@nats-io/transport-node';
import type { Context } from '@sandlot/contracts';
import { verifiedLog, type EventStore } from '@sandlot/event-store';
import { DomainError } from '@sandlot/kernel';
import type { Pool } from 'pg';
import type { DataSource, EntityManager } from 'typeorm';
import { dataSource, writerPool } from './data-source.js';
import { LogVerification } from './log-verification.js';
import { observePool } from './pool-metrics.js';
import { ProjectionRunner, type ProjectionRunnerOptions } from './projection-runner.js';
import { namesOf } from './migrate.js';
import type { ReadModel } from './read-model.js';
import { NewerDatabase, refuseNewer, type Migration } from './schema-floor.js';
import { tenantSetting } from './slots.js';
import { messageOf } from './stops.js';

export interface ReadSideOptions {
  readonly service: Context;
  readonly connection: NatsConnection;
  readonly store: EventStore;
  readonly writerUrl: string;
  /** Default: the writer's, whose connections then only read. */
  readonly readerUrl?: string | undefined;
  /** The service's own: what it knows of its schema. */
  readonly migrations: readonly Migration[];
  readonly models: readonly ReadModel[];
  readonly entities: readonly (new () => object)[];
  readonly log: NonNullable<ProjectionRunnerOptions['log']>;
}

const connectAgainMs = 1_000;

/** A service's read models and the connections that they need. Starts and goes on whatever is away; queries meanwhile are refused. */
export class ReadSide {
  readonly pool: Pool;
  readonly runner: ProjectionRunner;
  private readonly database: DataSource;
  private readonly verification: LogVerification;
  private stopped = false;
  private stopObserving?: () => void;
  private connecting: Promise<void> | undefined;

  constructor(private readonly options: ReadSideOptions) {
    const { service, connection, store, models, log } = options;
    this.pool = writerPool(service, options.writerUrl);
    this.database = dataSource(service, options.readerUrl ?? options.writerUrl, [...options.entities]);
    this.verification = new LogVerification(() => verifiedLog(connection), { onError: (message) => log('warn', message, { service }) });
    this.runner = new ProjectionRunner({ service, connection, pool: this.pool, store, models, verification: this.verification, log });
  }

  /** Throws NewerDatabase when the database can say so; one that is away is waited for, and asked then. */
  async start(): Promise<void> {
    await this.initialize().catch((error: Error) => {
      if (error instanceof NewerDatabase) throw error;
    });
    this.runner.start();
    this.stopObserving = observePool(this.options.service, this.pool);
    this.connecting = this.connect();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    this.verification.stop();
    this.stopObserving?.();
    await Promise.all([this.runner.stop(), this.connecting]);
    if (this.database.isInitialized) await this.database.destroy();
    await this.pool.end();
  }

  /**
   * Queries as the reader on behalf of one user, whose rows alone it sees in tables that belong to users, or of `everybody`. Throws DomainError
   * UNAVAILABLE when PostgreSQL cannot answer.
   */
  async as<Result>(tenant: string, query: (manager: EntityManager) => Promise<Result>): Promise<Result> {
    if (!this.database.isInitialized) throw unavailable();
    return this.database
      .transaction(async (manager) => {
        await manager.query(`select set_config('${tenantSetting}', $1, true)`, [tenant]);
        return query(manager);
      })
      .catch((cause: unknown) => {
        throw unavailable(cause);
      });
  }

  /** One statement as the reader on tables that belong to nobody in particular. */
  async query<Row>(sql: string, params: readonly unknown[]): Promise<Row[]> {
    if (!this.database.isInitialized) throw unavailable();
    return this.database.query<Row[]>(sql, [...params]).catch((cause: unknown) => {
      throw unavailable(cause);
    });
  }

  private async initialize(): Promise<void> {
    if (this.database.isInitialized) return;
    const { service, migrations } = this.options;
    await this.database.initialize();
    try {
      await refuseNewer((sql) => this.database.query(sql), service, namesOf(migrations));
    } catch (error) {
      await this.database.destroy();
      throw error;
    }
  }

  private async connect(): Promise<void> {
    for (let failures = 0; !this.stopped; failures += 1) {
      try {
        await this.initialize();
        return;
      } catch (error) {
        if (error instanceof NewerDatabase) {
          this.options.log('error', error.message, { service: this.options.service });
          return void (await this.runner.stop());
        }
        if (failures === 0)
          this.options.log('warn', 'still waiting for PostgreSQL', { service: this.options.service, error: messageOf(error) });
        await new Promise((resolve) => setTimeout(resolve, connectAgainMs));
      }
    }
  }
}

const unavailable = (cause?: unknown): DomainError => new DomainError('UNAVAILABLE', 'the read models are not available', {}, { cause });
