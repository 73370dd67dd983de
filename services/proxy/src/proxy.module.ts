import {
  Inject,
  Injectable,
  Module,
  type BeforeApplicationShutdown,
  type DynamicModule,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { logger, signIdentity, type ConfigOf, type ServiceDefinition, type ServiceKit } from '@sandlot/service-kit';
import { AccessRecorder } from './adapters/access-recorder.js';
import { KvDirectory } from './adapters/kv-directory.js';
import { proxyConfig } from './config.js';
import { DataPlane } from './data-plane.js';

const KIT = Symbol('ProxyKit');
const DRAIN_MS = 10_000;
const FLUSH_MS = 4000; // time for one batch that was lost with a connection, and its repetition

type ProxyKit = ServiceKit<ConfigOf<typeof proxyConfig>>;

/** Makes the data plane with its adapters, opens the public port when the service starts and drains it when it stops. */
@Injectable()
export class PublicPort implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly plane: DataPlane;
  /** Where it listens, once it does. */
  port = 0;
  private readonly directory: KvDirectory;
  private readonly recorder: AccessRecorder;

  constructor(@Inject(KIT) private readonly kit: ProxyKit) {
    const { config, nats, health } = kit;
    this.directory = KvDirectory.open(nats, { onProblem: (err, bucket) => logger.warn({ err, bucket }, 'a record or watch failed') });
    this.recorder = new AccessRecorder(nats);
    this.plane = new DataPlane({
      directory: this.directory,
      recorder: config.SANDLOT_ACCESS_LOG ? this.recorder : { record: () => undefined },
      signer: { sign: (identity) => signIdentity(identity, config.SANDLOT_IDENTITY_KEY) },
      gatewayAddress: new URL(config.SANDLOT_GATEWAY_URL).host,
      sandboxes: { allowLoopback: config.SANDLOT_RUNTIME === 'process' },
      onError: (err, requestId) => logger.error({ err, requestId }, 'a request failed in the proxy'),
    });
    health.add('directory', () => {
      if (!this.directory.current) throw new Error('keys and routes are not being watched');
    });
  }

  async onApplicationBootstrap(): Promise<void> {
    const { SANDLOT_PORT, SANDLOT_HOST } = this.kit.config;
    try {
      this.port = (await this.plane.listen(SANDLOT_PORT, SANDLOT_HOST)).port;
    } catch (cause) {
      const taken = (cause as NodeJS.ErrnoException).code === 'EADDRINUSE';
      throw new Error(`${taken ? 'taken' : 'cannot listen'}: ${SANDLOT_HOST}:${SANDLOT_PORT}; choose another with SANDLOT_PORT`, { cause });
    }
  }

  async beforeApplicationShutdown(): Promise<void> {
    if (this.plane.server.listening) await this.plane.close({ graceMs: DRAIN_MS });
    await this.recorder.close({ graceMs: FLUSH_MS });
    await this.directory.close();
  }
}

@Module({})
export class ProxyModule {
  static with(kit: ProxyKit): DynamicModule {
    return { module: ProxyModule, providers: [{ provide: KIT, useValue: kit }, PublicPort], exports: [PublicPort] };
  }
}

export const proxyService: ServiceDefinition<typeof proxyConfig> = {
  name: 'proxy',
  config: proxyConfig,
  module: (kit) => ProxyModule.with(kit),
};
