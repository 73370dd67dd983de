import {
  Inject,
  Injectable,
  Module,
  type BeforeApplicationShutdown,
  type DynamicModule,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import {
  ConfigError,
  isTracing,
  logger,
  passKey,
  signIdentity,
  watchLink,
  type ConfigOf,
  type ServiceDefinition,
  type ServiceKit,
} from '@sandlot/service-kit';
import { AccessRecorder } from './adapters/access-recorder.js';
import { ActivityReporter } from './adapters/activity-reporter.js';
import { LimitShares } from './adapters/limit-shares.js';
import { Jwks } from './adapters/jwks.js';
import { RpcWaker } from './adapters/rpc-waker.js';
import { TlsFiles } from './adapters/tls-files.js';
import { KvDirectory } from './adapters/kv-directory.js';
import { CertificateRule } from './client-certificate.js';
import { TrustedProxies } from './client-origin.js';
import { accessConditions, certificateConditions } from './conditions.js';
import { proxyConfig } from './config.js';
import { LimitsController } from './api/limits.controller.js';
import { RoutingController } from './api/routing.controller.js';
import { DataPlane } from './data-plane.js';
import { Explanations } from './explanations.js';
import { LimitsOfUsers } from './limits-of-users.js';
import { observePlane } from './plane-metrics.js';
import { RequestSpans } from './request-spans.js';
import { TrafficMetrics } from './traffic-metrics.js';
import type { TlsOptions } from './public-server.js';
import { sharedSecret } from './shared-secret.js';
import { Tokens, type TrustedIssuer } from './tokens.js';

const KIT = Symbol('ProxyKit');
const TLS_FILES = Symbol('TlsFiles');
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
  private readonly reporter: ActivityReporter;
  private readonly shares: LimitShares;
  private readonly traffic: TrafficMetrics;
  private readonly stopObserving: () => void;

  constructor(
    @Inject(KIT) private readonly kit: ProxyKit,
    @Inject(TLS_FILES) private readonly tlsFiles: TlsFiles | undefined,
  ) {
    const { config, nats, health } = kit;
    this.directory = KvDirectory.open(nats, {
      discovery: config.SANDLOT_DISCOVERY,
      onProblem: (err, bucket) => logger.warn({ err, bucket }, 'a record or watch failed'),
    });
    this.recorder = new AccessRecorder(nats, {
      overflow: config.SANDLOT_ACCESS_OVERFLOW,
      onDropped: (dropped) => logger.error({ dropped }, 'records of requests are being dropped: NATS does not take them'),
    });
    this.reporter = new ActivityReporter(nats);
    const { recorder } = this;
    this.traffic = new TrafficMetrics(config.SANDLOT_ACCESS_LOG ? recorder : { record: () => undefined }, config.SANDLOT_METRICS_SANDBOXES);
    const issuers = issuersOf(config);
    this.plane = new DataPlane({
      directory: this.directory,
      tokens: issuers.length > 0 ? new Tokens(issuers) : undefined,
      tls: tlsFiles && tlsOptions(tlsFiles, config),
      recorder: this.traffic,
      activity: this.reporter.activity,
      spans: isTracing() ? new RequestSpans() : undefined,
      signer: { sign: (identity) => signIdentity(identity, config.SANDLOT_IDENTITY_KEY) },
      gatewayAddress: new URL(config.SANDLOT_GATEWAY_URL).host,
      sandboxes: { allowLoopback: config.SANDLOT_RUNTIME === 'process' },
      ...(config.SANDLOT_PREVIEW_DOMAIN && { previews: { domain: config.SANDLOT_PREVIEW_DOMAIN, key: passKey(config) } }),
      trustedProxies: config.SANDLOT_TRUSTED_PROXIES.length > 0 ? new TrustedProxies(config.SANDLOT_TRUSTED_PROXIES) : undefined,
      webSocketIdleMs: config.SANDLOT_WEBSOCKET_IDLE_TIMEOUT * 1000,
      tunnelIdleMs: config.SANDLOT_TUNNEL_IDLE_TIMEOUT * 1000,
      limits: {
        requestsPerUser: config.SANDLOT_MAX_REQUESTS_PER_USER,
        connectionsPerUser: config.SANDLOT_MAX_CONNECTIONS_PER_USER,
        requestsPerSecondPerKey: config.SANDLOT_MAX_REQUESTS_PER_SECOND,
        requestsPerSecondPerUser: config.SANDLOT_MAX_REQUESTS_PER_SECOND_PER_USER,
        requestsPerSecondPerSandbox: config.SANDLOT_MAX_REQUESTS_PER_SECOND_PER_SANDBOX,
      },
      wake: {
        waker: new RpcWaker(kit.rpc),
        timeoutMs: config.SANDLOT_WAKE_TIMEOUT * 1000,
        onProblem: (err) => logger.error({ err }, 'a sandbox could not be woken'),
      },
      onError: (err, requestId) => logger.error({ err, requestId }, 'a request failed in the proxy'),
    });
    this.shares = new LimitShares(nats, this.plane.limits);
    this.stopObserving = observePlane({ plane: this.plane, directory: this.directory, recorder, issuers: fetched(issuers) });
    kit.conditions.add(() => {
      const now = new Date();
      return [...accessConditions(recorder, now), ...(tlsFiles ? certificateConditions(tlsFiles, now) : [])];
    });
    const link = watchLink(nats);
    health.add('directory', () => {
      if (link.isUp && !this.directory.current) throw new Error('keys and routes are not being watched');
    });
    health.add('access records', () => {
      if (this.recorder.refusing) throw new Error('requests cannot be recorded and are refused');
    });
  }

  get scheme(): 'http' | 'https' {
    return this.tlsFiles ? 'https' : 'http';
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
    this.reporter.close();
    this.shares.close();
    this.stopObserving();
    this.traffic.close();
    await this.recorder.close({ graceMs: FLUSH_MS });
    await this.directory.close();
    this.tlsFiles?.close();
  }
}

/** None where no issuer is trusted: then a token is nothing but a malformed key. */
function issuersOf({ SANDLOT_JWT_ISSUERS, SANDLOT_JWT_SECRET }: ProxyKit['config']): TrustedIssuer[] {
  const issuers: TrustedIssuer[] = (SANDLOT_JWT_ISSUERS ?? []).map((issuer) => {
    const onProblem = (err: unknown) => logger.warn({ err, issuer: issuer.name }, 'the keys of an issuer of tokens could not be fetched');
    return { ...issuer, keys: new Jwks({ url: issuer.jwksUrl, onProblem }) };
  });
  return SANDLOT_JWT_SECRET ? [...issuers, sharedSecret(SANDLOT_JWT_SECRET)] : issuers;
}

const fetched = (issuers: readonly TrustedIssuer[]) =>
  issuers.flatMap(({ name, keys }) => (keys instanceof Jwks ? [{ name, fetches: keys.fetches }] : []));

/** Undefined where the public port speaks without TLS. */
async function tlsFilesOf(config: ProxyKit['config']): Promise<TlsFiles | undefined> {
  const { SANDLOT_TLS_CERT_FILE: certFile, SANDLOT_TLS_KEY_FILE: keyFile, SANDLOT_TLS_CLIENT_CA_FILE: clientCaFile } = config;
  // Half of it would serve without protection what was meant to have it, or believe nobody.
  const missing = { SANDLOT_TLS_CERT_FILE: !certFile && (keyFile || clientCaFile), SANDLOT_TLS_KEY_FILE: !keyFile && certFile };
  const problems = Object.entries(missing).flatMap(([name, needed]) => (needed ? `${name} is required with the other TLS settings` : []));
  if (problems.length > 0) throw new ConfigError(problems);
  if (!certFile || !keyFile) return undefined;
  const files = await TlsFiles.open({
    certFile,
    keyFile,
    clientCaFile,
    onProblem: (err) => logger.error({ err }, 'the new certificate cannot be served; the one before goes on being served'),
    onReload: (expires) => logger.info({ expires }, 'a new certificate is being served'),
  });
  if (files.expires.getTime() < Date.now()) logger.warn({ expires: files.expires }, 'the certificate has expired');
  return files;
}

function tlsOptions(files: TlsFiles, { SANDLOT_TLS_CLIENT_CA_FILE, SANDLOT_TLS_CLIENT_USER }: ProxyKit['config']): TlsOptions {
  return {
    credentials: files.credentials,
    onChange: (listener) => files.onChange(listener),
    clients: SANDLOT_TLS_CLIENT_CA_FILE ? new CertificateRule(SANDLOT_TLS_CLIENT_USER) : undefined,
  };
}

@Module({})
export class ProxyModule {
  static with(kit: ProxyKit): DynamicModule {
    const tlsFiles = { provide: TLS_FILES, useFactory: () => tlsFilesOf(kit.config) };
    const explanations = { provide: Explanations, useFactory: ({ plane }: PublicPort) => plane.explanations, inject: [PublicPort] };
    const limits = { provide: LimitsOfUsers, useFactory: ({ plane }: PublicPort) => plane.limitsOfUsers, inject: [PublicPort] };
    const providers = [{ provide: KIT, useValue: kit }, tlsFiles, PublicPort, explanations, limits];
    return { module: ProxyModule, controllers: [RoutingController, LimitsController], providers, exports: [PublicPort] };
  }
}

export const proxyService: ServiceDefinition<typeof proxyConfig> = {
  name: 'proxy',
  config: proxyConfig,
  servesWithoutNats: true,
  module: (kit) => ProxyModule.with(kit),
};
