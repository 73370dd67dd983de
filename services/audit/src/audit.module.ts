import { Module, type BeforeApplicationShutdown, type DynamicModule, type OnApplicationBootstrap } from '@nestjs/common';
import { ACCESS_STREAM, DOMAIN_STREAM } from '@sandlot/contracts';
import { ConsumerAdmin, JetStreamServer } from '@sandlot/consumers';
import { databaseClockConditions, consumersController, LOOPS, projectionsController } from '@sandlot/operations';
import { ProjectionRunner, ReadSide, StreamLoader, type StreamLoaderOptions } from '@sandlot/projections';
import { logger, type ServiceKit } from '@sandlot/service-kit';
import { AccessLog } from './access-log.js';
import { AccessRetention } from './access-retention.js';
import { AccessController } from './api/access.controller.js';
import { EntriesController } from './api/entries.controller.js';
import type { AuditSettings } from './config.js';
import { Entries } from './entries.js';
import { migrations } from './migrations/migrations.js';
import { loadAccess } from './projections/access-log.js';
import { loadRefusals } from './projections/refusals.js';
import { readModels } from './projections/read-models.js';
import { UsageByDay } from './usage.js';

@Module({})
export class AuditModule {
  static with({ config, nats, eventStore, commands, conditions }: ServiceKit<AuditSettings>): DynamicModule {
    const reads = new ReadSide({
      service: 'audit',
      connection: nats,
      store: eventStore,
      writerUrl: config.SANDLOT_DATABASE_URL,
      readerUrl: config.SANDLOT_DATABASE_READER_URL,
      migrations,
      models: readModels,
      entities: [],
      log: (level, message, fields) => logger[level](fields, message),
    });
    conditions.add(() => databaseClockConditions('audit', reads));
    const loader = (name: string, load: StreamLoaderOptions['load']) =>
      new StreamLoader({
        connection: nats,
        pool: reads.pool,
        service: 'audit',
        name,
        stream: ACCESS_STREAM,
        batchSize: 40, // of up to 500 records each
        load,
        onError: (err) => logger.warn({ err, load: name }, 'records of requests could not be loaded and are tried again'),
      });
    const retention = new AccessRetention({
      pool: reads.pool,
      recordDays: config.SANDLOT_ACCESS_RETENTION_DAYS,
      usageDays: config.SANDLOT_USAGE_RETENTION_DAYS,
      onDropped: (days) => logger.info({ days }, 'records of requests that were too old have been dropped'),
      onError: (err) => logger.warn({ err }, 'records of requests that are too old could not be dropped; it is tried again in an hour'),
    });
    // Two loads, so that the trail does not stand still when the records cannot be stored.
    const loads = [
      loader('refusals', loadRefusals),
      loader('access', (messages, query, copy) => loadAccess(messages, { query, copy, since: retention.since })),
    ];
    const server = new JetStreamServer({ connection: nats, stream: DOMAIN_STREAM });
    conditions.add(() => server.conditions());
    return {
      module: AuditModule,
      controllers: [EntriesController, AccessController, projectionsController('audit'), consumersController('audit')],
      providers: [
        { provide: Entries, useValue: new Entries(reads) },
        { provide: AccessLog, useValue: new AccessLog(reads) },
        { provide: UsageByDay, useValue: new UsageByDay(reads) },
        { provide: ReadSide, useValue: reads },
        { provide: ProjectionRunner, useValue: reads.runner },
        { provide: JetStreamServer, useValue: server },
        { provide: ConsumerAdmin, useValue: new ConsumerAdmin({ server, service: 'audit', commands }) },
        { provide: LOOPS, useValue: {} },
        { provide: AuditLife, useValue: new AuditLife(reads, loads, retention) },
      ],
    };
  }
}

class AuditLife implements OnApplicationBootstrap, BeforeApplicationShutdown {
  constructor(
    private readonly reads: ReadSide,
    private readonly loads: readonly StreamLoader[],
    private readonly retention: AccessRetention,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.reads.start();
    for (const load of this.loads) load.start();
    this.retention.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await Promise.all([this.retention.stop(), ...this.loads.map((load) => load.stop())]);
    await this.reads.stop();
  }
}
