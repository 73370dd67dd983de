import { Module, type BeforeApplicationShutdown, type DynamicModule, type OnApplicationBootstrap } from '@nestjs/common';
import { DOMAIN_STREAM, RouteRecord, ROUTES_BUCKET, type Quota } from '@sandlot/contracts';
import { ConsumerAdmin, JetStreamServer } from '@sandlot/consumers';
import { consumersController, LOOPS, projectionsController } from '@sandlot/operations';
import { ProjectionRunner, ReadSide } from '@sandlot/projections';
import { KvTable, logger, type ServiceKit } from '@sandlot/service-kit';
import { MemoryRuntime } from './adapters/memory-runtime.js';
import { ProcessRuntime } from './adapters/process-runtime.js';
import { QuotasController } from './api/quotas.controller.js';
import { SandboxesController } from './api/sandboxes.controller.js';
import type { ProvisionerSettings } from './config.js';
import { NamespaceConsumer, QuotaConsumer, RouteConsumer, SandboxConsumer } from './consumers/reconcile.consumers.js';
import { UserConsumer } from './consumers/user.consumer.js';
import type { Runtime } from './ports.js';
import { sandboxes } from './projections/sandboxes.js';
import { Quotas } from './quotas.js';
import { NamespaceLoop, QuotaLoop, RouteLoop, SandboxLoop } from './reconcile/loops.js';
import { NamespaceReconciler } from './reconcile/namespace.reconciler.js';
import { QuotaReconciler } from './reconcile/quota.reconciler.js';
import { RouteReconciler } from './reconcile/route.reconciler.js';
import { SandboxReconciler } from './reconcile/sandbox.reconciler.js';
import { SandboxList } from './sandbox-list.js';
import { Sandboxes } from './sandboxes.js';

/** The only file that picks adapters: where sandboxes run, and what holds the routes. */
@Module({})
export class ProvisionerModule {
  static async with({ config, nats, commands, eventStore }: ServiceKit<ProvisionerSettings>): Promise<DynamicModule> {
    const quota: Quota = { sandboxes: config.SANDLOT_QUOTA_SANDBOXES, cpu: config.SANDLOT_QUOTA_CPU, memory: config.SANDLOT_QUOTA_MEMORY };
    const runtime = await openRuntime(config);
    const namespaceLoop = new NamespaceLoop(nats, new NamespaceReconciler(commands, runtime));
    const quotaLoop = new QuotaLoop(nats, new QuotaReconciler(commands, runtime, quota));
    const sandboxLoop = new SandboxLoop(nats, new SandboxReconciler(commands, runtime));
    const routeLoop = new RouteLoop(nats, new RouteReconciler(commands, await KvTable.open(nats, ROUTES_BUCKET, RouteRecord)));
    const reads = new ReadSide({
      service: 'provisioner',
      connection: nats,
      store: eventStore,
      writerUrl: config.SANDLOT_DATABASE_URL,
      readerUrl: config.SANDLOT_DATABASE_READER_URL,
      models: [sandboxes],
      entities: [],
      log: (level, message, fields) => logger[level](fields, message),
    });
    const server = new JetStreamServer({ connection: nats, stream: DOMAIN_STREAM });
    const loops = {
      'provisioner-namespace': namespaceLoop,
      'provisioner-quota': quotaLoop,
      'provisioner-sandbox': sandboxLoop,
      'provisioner-route': routeLoop,
    };
    return {
      module: ProvisionerModule,
      controllers: [
        SandboxesController,
        QuotasController,
        NamespaceConsumer,
        QuotaConsumer,
        SandboxConsumer,
        RouteConsumer,
        UserConsumer,
        projectionsController('provisioner'),
        consumersController('provisioner'),
      ],
      providers: [
        { provide: Sandboxes, useValue: new Sandboxes(commands, eventStore, { quota, image: config.SANDLOT_DEFAULT_IMAGE }) },
        { provide: Quotas, useValue: new Quotas(commands, quota) },
        { provide: SandboxList, useValue: new SandboxList(reads) },
        { provide: NamespaceLoop, useValue: namespaceLoop },
        { provide: QuotaLoop, useValue: quotaLoop },
        { provide: SandboxLoop, useValue: sandboxLoop },
        { provide: RouteLoop, useValue: routeLoop },
        { provide: LOOPS, useValue: loops },
        { provide: ProjectionRunner, useValue: reads.runner },
        { provide: JetStreamServer, useValue: server },
        { provide: ConsumerAdmin, useValue: new ConsumerAdmin({ server, service: 'provisioner', commands }) },
        { provide: ProvisionerLife, useValue: new ProvisionerLife(runtime, sandboxLoop, Object.values(loops), reads) },
      ],
    };
  }
}

async function openRuntime(config: ProvisionerSettings): Promise<Runtime> {
  switch (config.SANDLOT_RUNTIME) {
    case 'process':
      return ProcessRuntime.open({
        dataDir: config.SANDLOT_DATA_DIR,
        log: logger,
        ...(config.SANDLOT_SANDBOX_PATH && { environment: { PATH: config.SANDLOT_SANDBOX_PATH } }),
      });
    case 'memory':
      return new MemoryRuntime();
  }
}

/** What runs for as long as the service does. */
class ProvisionerLife implements OnApplicationBootstrap, BeforeApplicationShutdown {
  constructor(
    private readonly runtime: Runtime,
    private readonly sandboxLoop: SandboxLoop,
    private readonly loops: readonly (NamespaceLoop | QuotaLoop | SandboxLoop | RouteLoop)[],
    private readonly reads: ReadSide,
  ) {}

  onApplicationBootstrap(): void {
    this.reads.start();
    this.runtime.watch((sandboxId) => void this.sandboxLoop.wake(sandboxId));
    for (const loop of this.loops) loop.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await Promise.all(this.loops.map((loop) => loop.stop({ graceMs: 5_000 })));
    await this.runtime.close();
    await this.reads.stop();
  }
}
