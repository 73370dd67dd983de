import type { NatsConnection } from '@nats-io/transport-node';
import type { DynamicModule, INestApplication, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { CustomTransportStrategy } from '@nestjs/microservices';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Commands, JetStreamEventStore, type EventStore } from '@sandlot/event-store';
import { armCrashPoint, type CrashPoint } from '@sandlot/kernel';
import { answerConditions, Conditions } from './conditions.js';
import { loadConfig, type ConfigDefinition, type ConfigOf, type Environment, type LoadedConfig } from './config.js';
import { Health } from './health.js';
import type { HttpAppOptions } from './http-app.js';
import { logger, NestLog } from './logging.js';
import { connectNats, type NatsConfig } from './nats.js';
import { watchLink } from './nats-link.js';
import { NoopHttpAdapter } from './noop-http-adapter.js';
import { startOperationsServer } from './operations-server.js';
import { withRequestContext } from './request-context.js';
import { RpcClient } from './rpc-client.js';
import { RpcServer } from './rpc-server.js';
import { startTelemetry } from './telemetry.js';

/*
 * What a service is made of, and how it starts and stops. A service's main.ts is `await runService(authService, process.env)`;
 * standalone calls startService for each. Nothing here is global but logs and telemetry, so services share a process without knowing it.
 *
 * Start: settings, telemetry, operations port (live, not ready), NATS, the module, messages and events, its HTTP port; ready.
 * Stop: not ready, no new requests or messages, those under way get the grace, then the module's own shutdown hooks, NATS last.
 */

export interface ServiceDefinition<Definition extends ConfigDefinition = ConfigDefinition> {
  /** `auth`: the queue group, the prefix of its NATS inbox and subjects, the name in logs. */
  readonly name: string;
  /** Spreads commonSettings and natsSettings. */
  readonly config: Definition;
  /**
   * Stays ready while NATS is away. For those behind a port, which all lose NATS at once: what they can still answer must reach them, and they refuse
   * the rest better than a load balancer without a backend.
   */
  readonly servesWithoutNats?: boolean;
  /** The service's module. What it may inject besides its own: see KitModule. */
  module(kit: ServiceKit<ConfigOf<Definition>>): DynamicModule | Type | Promise<DynamicModule | Type>;
  /** Transports besides the messages of `@Handles`; closed at the stop before anything else, and closing them twice must be harmless. */
  strategies?(kit: ServiceKit<ConfigOf<Definition>>, app: INestApplication): CustomTransportStrategy[] | Promise<CustomTransportStrategy[]>;
  /** Serves the module's controllers on Fastify. `port` 0 takes a free one. */
  http?(kit: ServiceKit<ConfigOf<Definition>>): HttpAppOptions & { port: number; host: string };
  /** Between the making of the application and its start: routes that no controller serves, documents. */
  prepare?(app: INestApplication, kit: ServiceKit<ConfigOf<Definition>>): Promise<void> | void;
}

/** What every service is given. */
export interface ServiceKit<Values = Record<string, unknown>> {
  readonly name: string;
  readonly config: Values;
  readonly sources: LoadedConfig['sources'];
  readonly nats: NatsConnection;
  readonly eventStore: EventStore;
  readonly commands: Commands;
  readonly rpc: RpcClient;
  readonly health: Health;
  /** What is wrong with this process or with what it alone sees: add to it. */
  readonly conditions: Conditions;
}

export interface StartOptions {
  /**
   * Of the process that several services share: the service adds its readiness to it, and leaves telemetry and the operations port to
   * that process.
   */
  readonly sharedHealth?: Health;
  /** How long what is under way may take at the stop, in ms. Default 10,000. */
  readonly graceMs?: number;
  /** Gives up a start that waits for NATS. */
  readonly signal?: AbortSignal;
}

export interface RunningService {
  readonly name: string;
  readonly app: INestApplication;
  readonly health: Health;
  /** Where its HTTP is, if it serves any: `http://127.0.0.1:8081`. */
  readonly url?: string;
  readonly metricsPort?: number;
  /** Drains and stops; later calls wait for the first. */
  close(): Promise<void>;
}

// For @Inject() in a service's providers; Commands, RpcClient and Health are injected by their classes.
export const NATS_CONNECTION = Symbol('NatsConnection');
export const EVENT_STORE = Symbol('EventStore');
export const SERVICE_KIT = Symbol('ServiceKit');

class KitModule {
  static with(kit: ServiceKit): DynamicModule {
    const providers = [
      { provide: SERVICE_KIT, useValue: kit },
      { provide: NATS_CONNECTION, useValue: kit.nats },
      { provide: EVENT_STORE, useValue: kit.eventStore },
      { provide: Commands, useValue: kit.commands },
      { provide: RpcClient, useValue: kit.rpc },
      { provide: Health, useValue: kit.health },
      { provide: Conditions, useValue: kit.conditions },
    ];
    return { module: KitModule, global: true, providers, exports: providers.map(({ provide }) => provide) };
  }
}

class ServiceModule {}

/** Throws a ConfigError when the settings are bad; any other error says what could not be started, and leaves nothing running. */
export function startService<Definition extends ConfigDefinition>(
  definition: ServiceDefinition<Definition>,
  env: Environment,
  options: StartOptions = {},
): Promise<RunningService> {
  return withRequestContext({ service: definition.name }, () => start(definition, env, options));
}

async function start<Definition extends ConfigDefinition>(
  definition: ServiceDefinition<Definition>,
  env: Environment,
  { sharedHealth, graceMs = 10_000, signal }: StartOptions,
): Promise<RunningService> {
  const { name } = definition;
  const undo: (() => Promise<unknown>)[] = [];
  const stop = async () => {
    for (let step = undo.pop(); step; step = undo.pop()) await step();
  };
  try {
    const { values, sources } = loadConfig(definition.config, env) as LoadedConfig<Definition>;
    armFrom(values.SANDLOT_CRASH_AT);
    const health = new Health();
    const metricsPort = await openOperations(name, values, env, health, sharedHealth, undo);
    const nats = await connectNats(values as unknown as NatsConfig, name, signal);
    undo.push(() => closeNats(nats));
    addNatsCheck(health, nats, definition.servesWithoutNats);
    const eventStore = await JetStreamEventStore.open(nats);
    const conditions = new Conditions();
    const own = { commands: new Commands(eventStore), rpc: new RpcClient(nats), health, conditions };
    const { app, url } = await startApp(definition, { name, config: values, sources, nats, eventStore, ...own }, graceMs, undo);
    const answering = answerConditions(nats, name, conditions);
    undo.push(() => Promise.resolve(answering.unsubscribe()));
    health.started();
    let stopping: Promise<void> | undefined;
    const close = () => {
      health.drain();
      return (stopping ??= withRequestContext({ service: name }, stop));
    };
    return { name, app, health, url, metricsPort, close };
  } catch (error) {
    await stop().catch((cause: unknown) => logger.warn({ err: cause }, 'the clean-up after a failed start failed too'));
    throw error;
  }
}

/** Crash tests only. */
function armFrom(setting: unknown): void {
  if (typeof setting !== 'string') return;
  const [point, nth = '1'] = setting.split(':');
  armCrashPoint(point as CrashPoint, Number(nth));
}

async function openOperations(
  name: string,
  values: Record<string, unknown>,
  env: Environment,
  health: Health,
  shared: Health | undefined,
  undo: (() => Promise<unknown>)[],
): Promise<number | undefined> {
  if (shared) {
    shared.add(name, async () => {
      const { ready, lines } = await health.readiness();
      if (!ready) throw new Error(lines.filter((line) => line.startsWith('[-]')).join(', '));
    });
    return undefined;
  }
  const telemetry = await startTelemetry(name, env);
  undo.push(() => telemetry.close());
  const port = values.SANDLOT_METRICS_PORT;
  if (typeof port !== 'number' || port === 0) return undefined;
  const server = await startOperationsServer({ port, host: String(values.SANDLOT_METRICS_HOST), health, telemetry });
  undo.push(() => server.close());
  return server.port;
}

async function startApp<Definition extends ConfigDefinition>(
  definition: ServiceDefinition<Definition>,
  kit: ServiceKit<ConfigOf<Definition>>,
  graceMs: number,
  undo: (() => Promise<unknown>)[],
): Promise<{ app: INestApplication; url?: string }> {
  const module = { module: ServiceModule, imports: [KitModule.with(kit), await definition.module(kit)] };
  const options = definition.http?.(kit);
  const http = options && (await makeHttp(module, options));
  const app = http?.app ?? (await NestFactory.create(module, new NoopHttpAdapter(), { abortOnError: false, logger: new NestLog() }));
  undo.push(() => app.close());
  await definition.prepare?.(app, kit);
  const rpc = new RpcServer(kit.nats, kit.name, graceMs);
  const strategies = [rpc, ...((await definition.strategies?.(kit, app)) ?? [])];
  for (const strategy of strategies) app.connectMicroservice({ strategy });
  await app.init();
  undo.push(() => Promise.all(strategies.map((strategy) => strategy.close() as unknown)));
  await app.startAllMicroservices();
  if (!http) return { app };
  undo.push(() => http.drain(graceMs));
  return { app, url: await http.listen() };
}

/** Fastify is loaded by those that serve HTTP on it only: it takes some MB, and of five services the gateway alone needs it. */
async function makeHttp(module: DynamicModule, { port, host, ...options }: HttpAppOptions & { port: number; host: string }) {
  const { createHttpApp, drainHttp } = await import('./http-app.js');
  const app = await createHttpApp(module, options);
  return { app, listen: () => listen(app, port, host), drain: (graceMs: number) => drainHttp(app, graceMs) };
}

async function listen(app: NestFastifyApplication, port: number, host: string): Promise<string> {
  try {
    await app.listen(port, host);
  } catch (cause) {
    const taken = (cause as NodeJS.ErrnoException).code === 'EADDRINUSE';
    throw new Error(
      taken ? `port ${port} on ${host} is taken; stop the other program or choose another port` : `cannot listen on ${host}:${port}`,
      {
        cause,
      },
    );
  }
  return app.getUrl();
}

function addNatsCheck(health: Health, nats: NatsConnection, servesWithout = false): void {
  const link = watchLink(nats);
  const check = () => {
    if (!link.isUp) throw new Error('not connected');
  };
  health.add('nats', check, { onlyReported: servesWithout });
}

/** What was published last must still leave; a connection that is down has nothing to wait for. */
async function closeNats(nats: NatsConnection): Promise<void> {
  if (nats.isClosed()) return;
  await (watchLink(nats).isUp ? nats.drain() : nats.close());
}
