import { Module, type BeforeApplicationShutdown, type DynamicModule, type OnApplicationBootstrap } from '@nestjs/common';
import { DiscoveredRoute, DOMAIN_STREAM, RouteRecord, ROUTES_BUCKET, type NamespaceConcernName, type Quota } from '@sandlot/contracts';
import { ConsumerAdmin, idsOf, JetStreamServer } from '@sandlot/consumers';
import { consumersController, databaseClockConditions, LOOPS, projectionsController } from '@sandlot/operations';
import { ProjectionRunner, ReadSide } from '@sandlot/projections';
import { KvTable, logger, type ServiceKit } from '@sandlot/service-kit';
import { openForeignSandboxes } from './adapters/kubernetes/open-foreign-sandboxes.js';
import { ActivitySubscription } from './adapters/activity-subscription.js';
import { openKubernetesRuntime } from './adapters/kubernetes/open-runtime.js';
import { sandboxServiceAccount } from './adapters/kubernetes/service-account.js';
import { MemoryRuntime } from './adapters/memory-runtime.js';
import { ProcessRuntime } from './adapters/process-runtime.js';
import { DiscoveryController } from './api/discovery.controller.js';
import { NamespacesController } from './api/namespaces.controller.js';
import { PreviewsController } from './api/previews.controller.js';
import { QuotasController } from './api/quotas.controller.js';
import { RebuildController } from './api/rebuild.controller.js';
import { SandboxesController } from './api/sandboxes.controller.js';
import { SessionsController } from './api/sessions.controller.js';
import type { ProvisionerSettings } from './config.js';
import {
  LifetimeConsumer,
  NamespaceConsumer,
  NetworkPolicyConsumer,
  QuotaConsumer,
  RouteConsumer,
  SandboxConsumer,
  ServiceAccountConsumer,
} from './consumers/reconcile.consumers.js';
import { UserConsumer } from './consumers/user.consumer.js';
import { Discovered } from './discovered.js';
import { migrations } from './migrations/migrations.js';
import { Namespaces } from './namespaces.js';
import { nothingForeign, type ForeignSandboxes, type Runtime } from './ports.js';
import { Previews } from './previews.js';
import { readModels } from './projections/read-models.js';
import { Quotas } from './quotas.js';
import { DiscoveryLoop } from './reconcile/discovery.loop.js';
import { DiscoveryReconciler } from './reconcile/discovery.reconciler.js';
import { Activity } from './reconcile/activity.js';
import { LifetimeReconciler } from './reconcile/lifetime.reconciler.js';
import {
  LifetimeLoop,
  NamespaceLoop,
  NetworkPolicyLoop,
  QuotaLoop,
  RouteLoop,
  SandboxLoop,
  ServiceAccountLoop,
} from './reconcile/loops.js';
import { NamespaceReconciler } from './reconcile/namespace.reconciler.js';
import { NetworkPolicyReconciler } from './reconcile/network-policy.reconciler.js';
import { QuotaReconciler } from './reconcile/quota.reconciler.js';
import { RouteReconciler } from './reconcile/route.reconciler.js';
import { SandboxReconciler } from './reconcile/sandbox.reconciler.js';
import { ServiceAccountReconciler } from './reconcile/service-account.reconciler.js';
import { Rebuild } from './rebuild.js';
import { observeSandboxes } from './sandbox-counts.js';
import { SandboxList } from './sandbox-list.js';
import { Sandboxes } from './sandboxes.js';
import { Sessions } from './sessions.js';
import { settingRules } from './setting-rules.js';

/** The only file that picks adapters: where sandboxes run, and what holds the routes. */
@Module({})
export class ProvisionerModule {
  static async with({ config, nats, commands, eventStore, conditions }: ServiceKit<ProvisionerSettings>): Promise<DynamicModule> {
    const quota: Quota = { sandboxes: config.SANDLOT_QUOTA_SANDBOXES, cpu: config.SANDLOT_QUOTA_CPU, memory: config.SANDLOT_QUOTA_MEMORY };
    const runtime = await openRuntime(config);
    conditions.add(async () => {
      const message = await runtime.trouble?.();
      return message === undefined ? [] : [{ code: 'SL-RUN-01', subject: `provisioner/${runtime.name}`, message }];
    });
    const namespaceLoop = new NamespaceLoop(nats, new NamespaceReconciler(commands, runtime));
    const quotaLoop = new QuotaLoop(nats, new QuotaReconciler(commands, runtime, quota));
    const networkPolicyLoop = new NetworkPolicyLoop(nats, new NetworkPolicyReconciler(commands, runtime, config.SANDLOT_EGRESS));
    const serviceAccountLoop = new ServiceAccountLoop(
      nats,
      new ServiceAccountReconciler(commands, runtime, config.SANDLOT_SERVICE_ACCOUNT_ANNOTATIONS),
    );
    const sandboxLoop = new SandboxLoop(nats, new SandboxReconciler(commands, runtime));
    const routes = await KvTable.open(nats, ROUTES_BUCKET, RouteRecord);
    const routeLoop = new RouteLoop(nats, new RouteReconciler(commands, routes));
    const foreign = await openForeign(config);
    const discovered = new Discovered(foreign, routes, { shared: config.SANDLOT_DISCOVERY_SHARED });
    const discoveryLoop = new DiscoveryLoop(
      nats,
      new DiscoveryReconciler(commands, discovered, await KvTable.open(nats, ROUTES_BUCKET, DiscoveredRoute)),
      foreign,
      config.SANDLOT_DISCOVERY_REFRESH * 1_000,
    );
    const activity = new Activity();
    const lifetimeLoop = new LifetimeLoop(
      nats,
      new LifetimeReconciler(commands, { activity, warnMs: config.SANDLOT_EXPIRY_WARNING * 1_000 }),
    );
    const reads = new ReadSide({
      service: 'provisioner',
      connection: nats,
      store: eventStore,
      writerUrl: config.SANDLOT_DATABASE_URL,
      readerUrl: config.SANDLOT_DATABASE_READER_URL,
      migrations,
      models: readModels,
      entities: [],
      log: (level, message, fields) => logger[level](fields, message),
    });
    conditions.add(() => databaseClockConditions('provisioner', reads));
    const list = new SandboxList(reads);
    const server = new JetStreamServer({ connection: nats, stream: DOMAIN_STREAM });
    conditions.add(() => server.conditions());
    const loops = {
      'provisioner-namespace': namespaceLoop,
      'provisioner-quota': quotaLoop,
      'provisioner-network-policy': networkPolicyLoop,
      'provisioner-service-account': serviceAccountLoop,
      'provisioner-lifetime': lifetimeLoop,
      'provisioner-sandbox': sandboxLoop,
      'provisioner-route': routeLoop,
    };
    return {
      module: ProvisionerModule,
      controllers: [
        SandboxesController,
        SessionsController,
        PreviewsController,
        NamespacesController,
        QuotasController,
        RebuildController,
        DiscoveryController,
        NamespaceConsumer,
        QuotaConsumer,
        NetworkPolicyConsumer,
        ServiceAccountConsumer,
        SandboxConsumer,
        RouteConsumer,
        LifetimeConsumer,
        UserConsumer,
        projectionsController('provisioner'),
        consumersController('provisioner'),
      ],
      providers: [
        {
          provide: Sandboxes,
          useValue: new Sandboxes(commands, eventStore, {
            quota,
            rules: settingRules(config),
            limits: { idleTimeoutSeconds: config.SANDLOT_IDLE_TIMEOUT },
            namespacePrefix: config.SANDLOT_NAMESPACE_PREFIX,
          }),
        },
        { provide: Sessions, useValue: new Sessions(commands) },
        { provide: Previews, useValue: new Previews(commands) },
        { provide: Quotas, useValue: new Quotas(commands, quota) },
        { provide: Namespaces, useValue: new Namespaces(commands, runtime, config.SANDLOT_NAMESPACE_PREFIX) },
        {
          provide: Rebuild,
          useValue: new Rebuild({ commands, runtime, loops, idsOf: (aggregate) => idsOf(nats, aggregate), log: logger }),
        },
        { provide: SandboxList, useValue: list },
        { provide: Discovered, useValue: discovered },
        { provide: NamespaceLoop, useValue: namespaceLoop },
        { provide: QuotaLoop, useValue: quotaLoop },
        { provide: NetworkPolicyLoop, useValue: networkPolicyLoop },
        { provide: ServiceAccountLoop, useValue: serviceAccountLoop },
        { provide: SandboxLoop, useValue: sandboxLoop },
        { provide: RouteLoop, useValue: routeLoop },
        { provide: LifetimeLoop, useValue: lifetimeLoop },
        { provide: LOOPS, useValue: loops },
        { provide: ProjectionRunner, useValue: reads.runner },
        { provide: JetStreamServer, useValue: server },
        { provide: ConsumerAdmin, useValue: new ConsumerAdmin({ server, service: 'provisioner', commands }) },
        { provide: DiscoveryLife, useValue: new DiscoveryLife(foreign, discoveryLoop) },
        {
          provide: ProvisionerLife,
          useValue: new ProvisionerLife(
            runtime,
            loops,
            reads,
            () => new ActivitySubscription(nats, activity, logger),
            () => observeSandboxes(list, discovered),
          ),
        },
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
    case 'statefulset':
    case 'agent-sandbox':
    case 'auto': {
      const prepared = config.SANDLOT_KUBERNETES_NAMESPACES; // without any, the whole cluster
      return openKubernetesRuntime({
        workload: config.SANDLOT_RUNTIME,
        kubeconfig: config.SANDLOT_KUBECONFIG,
        routeBy: config.SANDLOT_ROUTE_BY,
        log: logger,
        cluster: {
          requestsPerSecond: config.SANDLOT_KUBERNETES_REQUESTS_PER_SECOND,
          burst: config.SANDLOT_KUBERNETES_BURST,
          log: logger,
          ...(prepared.length > 0 && { namespaces: prepared }),
        },
        namespaces: {
          podSecurity: config.SANDLOT_POD_SECURITY,
          peers: {
            proxy: config.SANDLOT_PROXY_PEERS,
            dns: config.SANDLOT_DNS_PEERS,
            gateway: config.SANDLOT_EGRESS_PEERS,
            deny: config.SANDLOT_EGRESS_DENY,
          },
          defaults: {
            requests: { cpu: config.SANDLOT_DEFAULT_CPU_REQUEST, memory: config.SANDLOT_DEFAULT_MEMORY_REQUEST },
            limits: { cpu: config.SANDLOT_DEFAULT_CPU, memory: config.SANDLOT_DEFAULT_MEMORY },
          },
          ...(prepared.length > 0 && { prepared }),
        },
        pods: {
          serviceAccountName: sandboxServiceAccount,
          imagePullPolicy: config.SANDLOT_IMAGE_PULL_POLICY,
          imagePullSecrets: config.SANDLOT_IMAGE_PULL_SECRETS,
          runtimeImage: config.SANDLOT_DEFAULT_IMAGE,
          terminationGraceSeconds: config.SANDLOT_STOP_GRACE_SECONDS,
        },
        volumes: { disk: config.SANDLOT_DEFAULT_DISK, ...(config.SANDLOT_STORAGE_CLASS && { storageClass: config.SANDLOT_STORAGE_CLASS }) },
      });
    }
  }
}

async function openForeign(config: ProvisionerSettings): Promise<ForeignSandboxes> {
  const namespaces = config.SANDLOT_DISCOVERY;
  if (namespaces.length === 0) return nothingForeign;
  if (config.SANDLOT_RUNTIME === 'process' || config.SANDLOT_RUNTIME === 'memory')
    throw new Error(
      `SANDLOT_DISCOVERY needs Kubernetes, and SANDLOT_RUNTIME is ${config.SANDLOT_RUNTIME}: set it to auto, agent-sandbox or statefulset`,
    );
  return openForeignSandboxes({
    kubeconfig: config.SANDLOT_KUBECONFIG,
    namespaces,
    namespacePrefix: config.SANDLOT_NAMESPACE_PREFIX,
    defaultPort: config.SANDLOT_DISCOVERY_PORT,
    log: logger,
    cluster: {
      requestsPerSecond: config.SANDLOT_KUBERNETES_REQUESTS_PER_SECOND,
      burst: config.SANDLOT_KUBERNETES_BURST,
      log: logger,
    },
  });
}

type Loops = Record<
  `provisioner-${'namespace' | NamespaceConcernName | 'lifetime' | 'sandbox' | 'route'}`,
  NamespaceLoop | QuotaLoop | NetworkPolicyLoop | ServiceAccountLoop | LifetimeLoop | SandboxLoop | RouteLoop
>;

/** What runs for as long as the service does. */
class ProvisionerLife implements OnApplicationBootstrap, BeforeApplicationShutdown {
  constructor(
    private readonly runtime: Runtime,
    private readonly loops: Loops,
    private readonly reads: ReadSide,
    private readonly listen: () => ActivitySubscription,
    private readonly count: () => () => void,
  ) {}

  private listening: ActivitySubscription | undefined;
  private stopCounting: (() => void) | undefined;

  async onApplicationBootstrap(): Promise<void> {
    await this.reads.start();
    this.listening = this.listen();
    this.stopCounting = this.count();
    this.runtime.watch((sandboxId) => void this.loops['provisioner-sandbox'].wake(sandboxId));
    this.runtime.watchNamespaces((owner, concern) => {
      const concerned = concern ? [concern] : (['namespace', 'quota', 'network-policy', 'service-account'] as const);
      for (const name of concerned) void this.loops[`provisioner-${name}`].wake(owner);
    });
    for (const loop of Object.values(this.loops)) loop.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.listening?.close();
    this.stopCounting?.();
    await Promise.all(Object.values(this.loops).map((loop) => loop.stop({ graceMs: 5_000 })));
    await this.runtime.close();
    await this.reads.stop();
  }
}

/** The same for what somebody else has made. No event wakes its loop, so it is none of those that operators pause and replay. */
class DiscoveryLife implements OnApplicationBootstrap, BeforeApplicationShutdown {
  constructor(
    private readonly foreign: ForeignSandboxes,
    private readonly loop: DiscoveryLoop,
  ) {}

  onApplicationBootstrap(): void {
    this.foreign.watch((address) => void this.loop.wake(address));
    this.loop.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.loop.stop({ graceMs: 5_000 });
    await this.foreign.close();
  }
}
