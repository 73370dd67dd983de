import { Module, type BeforeApplicationShutdown, type DynamicModule, type OnApplicationBootstrap } from '@nestjs/common';
import { ACCESS_STREAM, DOMAIN_STREAM } from '@sandlot/contracts';
import { ConsumerAdmin, JetStreamServer } from '@sandlot/consumers';
import { consumersController, LOOPS, projectionsController } from '@sandlot/operations';
import { ProjectionRunner, ReadSide, StreamLoader } from '@sandlot/projections';
import { logger, type ServiceKit } from '@sandlot/service-kit';
import { EntriesController } from './api/entries.controller.js';
import type { AuditSettings } from './config.js';
import { Entries } from './entries.js';
import { loadRefusals } from './projections/refusals.js';
import { trail } from './projections/trail.js';

@Module({})
export class AuditModule {
  static with({ config, nats, eventStore, commands }: ServiceKit<AuditSettings>): DynamicModule {
    const reads = new ReadSide({
      service: 'audit',
      connection: nats,
      store: eventStore,
      writerUrl: config.SANDLOT_DATABASE_URL,
      readerUrl: config.SANDLOT_DATABASE_READER_URL,
      models: [trail],
      entities: [],
      log: (level, message, fields) => logger[level](fields, message),
    });
    const refusals = new StreamLoader({
      connection: nats,
      pool: reads.pool,
      service: 'audit',
      name: 'refusals',
      stream: ACCESS_STREAM,
      load: loadRefusals,
      onError: (error) => logger.warn({ err: error }, 'refused requests could not be loaded and are tried again'),
    });
    const server = new JetStreamServer({ connection: nats, stream: DOMAIN_STREAM });
    return {
      module: AuditModule,
      controllers: [EntriesController, projectionsController('audit'), consumersController('audit')],
      providers: [
        { provide: Entries, useValue: new Entries(reads) },
        { provide: ReadSide, useValue: reads },
        { provide: ProjectionRunner, useValue: reads.runner },
        { provide: JetStreamServer, useValue: server },
        { provide: ConsumerAdmin, useValue: new ConsumerAdmin({ server, service: 'audit', commands }) },
        { provide: LOOPS, useValue: {} },
        { provide: AuditLife, useValue: new AuditLife(reads, refusals) },
      ],
    };
  }
}

class AuditLife implements OnApplicationBootstrap, BeforeApplicationShutdown {
  constructor(
    private readonly reads: ReadSide,
    private readonly refusals: StreamLoader,
  ) {}

  onApplicationBootstrap(): void {
    this.reads.start();
    this.refusals.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.refusals.stop();
    await this.reads.stop();
  }
}
