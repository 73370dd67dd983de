import { Module, type BeforeApplicationShutdown, type DynamicModule, type OnApplicationBootstrap } from '@nestjs/common';
import { ACCESS_STREAM, DOMAIN_STREAM, KeyRecord, KEYS_BUCKET, UsernameRecord, UserRecord } from '@sandlot/contracts';
import { backoff, ConsumerAdmin, idsOf, JetStreamServer } from '@sandlot/consumers';
import { KvSubjectKeys, loadMasterKeys, PersonalData } from '@sandlot/event-store';
import { databaseClockConditions, consumersController, LOOPS, projectionsController } from '@sandlot/operations';
import { ProjectionRunner, ReadSide, StreamLoader } from '@sandlot/projections';
import { KvTable, logger, type ServiceKit } from '@sandlot/service-kit';
import { SealedPersonal } from './adapters/sealed-personal.js';
import { ApiKeys } from './api-keys.js';
import { ApiKeysController } from './api/api-keys.controller.js';
import { MasterKeysController } from './api/master-keys.controller.js';
import { UsersController } from './api/users.controller.js';
import { BootstrapAdmin } from './bootstrap-admin.js';
import type { AuthSettings } from './config.js';
import { ForgetConsumer } from './consumers/forget.consumer.js';
import { KeyDirectoryConsumer, KeyDirectoryLoop } from './consumers/key-directory.consumer.js';
import { migrations } from './migrations/migrations.js';
import { PERSONAL_VAULT } from './ports.js';
import { ApiKeyRow, KeyUsageRow } from './projections/api-keys.js';
import { loadKeyUsage } from './projections/key-usage.js';
import { readModels } from './projections/read-models.js';
import { UserRow } from './projections/users.js';
import { KeyDirectoryReconciler } from './reconcile/key-directory.reconciler.js';
import { UserList } from './user-list.js';
import { Users } from './users.js';

/** The only file that picks adapters: NATS for the log, the buckets and the keys of personal data, PostgreSQL for what is listed. */
@Module({})
export class AuthModule {
  static async with({ config, nats, commands, eventStore, conditions }: ServiceKit<AuthSettings>): Promise<DynamicModule> {
    const vault = new SealedPersonal(
      new PersonalData(await KvSubjectKeys.open(nats), await loadMasterKeys(config.SANDLOT_MASTER_KEY_PATH), {
        reload: () => loadMasterKeys(config.SANDLOT_MASTER_KEY_PATH),
      }),
    );
    const reads = new ReadSide({
      service: 'auth',
      connection: nats,
      store: eventStore,
      writerUrl: config.SANDLOT_DATABASE_URL,
      readerUrl: config.SANDLOT_DATABASE_READER_URL,
      migrations,
      models: readModels,
      entities: [UserRow, ApiKeyRow, KeyUsageRow],
      log: (level, message, fields) => logger[level](fields, message),
    });
    conditions.add(() => databaseClockConditions('auth', reads));
    const usage = new StreamLoader({
      connection: nats,
      pool: reads.pool,
      service: 'auth',
      name: 'key_usage',
      stream: ACCESS_STREAM,
      load: loadKeyUsage,
      onError: (error) => logger.warn({ err: error }, 'the usage of keys could not be loaded and is tried again'),
    });
    const directory = new KeyDirectoryReconciler(
      commands,
      await KvTable.open(nats, KEYS_BUCKET, KeyRecord),
      await KvTable.open(nats, KEYS_BUCKET, UserRecord),
      await KvTable.open(nats, KEYS_BUCKET, UsernameRecord),
    );
    const loop = new KeyDirectoryLoop({
      name: 'key-directory',
      reconcile: (id) => directory.reconcile(id),
      concurrency: 16,
      everyMs: 10 * 60_000,
      async *all() {
        yield* idsOf(nats, 'user');
        yield* idsOf(nats, 'apikey');
      },
      onError: (_, __, attempt) => backoff(attempt, { firstMs: 50, maxMs: 10_000 }),
    });
    const server = new JetStreamServer({ connection: nats, stream: DOMAIN_STREAM });
    conditions.add(() => server.conditions());
    const bootstrap = (usersOf: Users, keys: ApiKeys) => new BootstrapAdmin(commands, usersOf, keys);
    return {
      module: AuthModule,
      controllers: [
        MasterKeysController,
        UsersController,
        ApiKeysController,
        KeyDirectoryConsumer,
        ForgetConsumer,
        projectionsController('auth'),
        consumersController('auth'),
      ],
      providers: [
        { provide: PERSONAL_VAULT, useValue: vault },
        { provide: Users, useValue: new Users(commands, vault) },
        { provide: ApiKeys, useValue: new ApiKeys(commands) },
        { provide: UserList, useValue: new UserList(reads, vault) },
        { provide: KeyDirectoryLoop, useValue: loop },
        { provide: ProjectionRunner, useValue: reads.runner },
        { provide: JetStreamServer, useValue: server },
        { provide: ConsumerAdmin, useValue: new ConsumerAdmin({ server, service: 'auth', commands }) },
        { provide: LOOPS, useValue: { 'auth-key-directory': loop } },
        { provide: BootstrapAdmin, useFactory: bootstrap, inject: [Users, ApiKeys] },
        {
          provide: AuthLife,
          useFactory: (admin: BootstrapAdmin) => new AuthLife(admin, config.SANDLOT_ADMIN_KEY_PATH, loop, reads, usage),
          inject: [BootstrapAdmin],
        },
      ],
    };
  }
}

/** What runs for as long as the service does. */
class AuthLife implements OnApplicationBootstrap, BeforeApplicationShutdown {
  constructor(
    private readonly admin: BootstrapAdmin,
    private readonly adminKeyPath: string | undefined,
    private readonly loop: KeyDirectoryLoop,
    private readonly reads: ReadSide,
    private readonly usage: StreamLoader,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.reads.start();
    this.usage.start();
    const admin = this.adminKeyPath ? await this.admin.ensure(this.adminKeyPath) : [];
    this.loop.start();
    // Whoever sees that the platform is ready takes the key and knocks.
    await Promise.all(admin.map((id) => this.loop.published(id, { withinMs: 10_000 })));
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.loop.stop({ graceMs: 5_000 });
    await this.usage.stop();
    await this.reads.stop();
  }
}
