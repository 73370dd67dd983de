import { Controller, Get, Injectable, Module, type OnModuleDestroy } from '@nestjs/common';
import { connect } from '@nats-io/transport-node';
import { createUser } from '@nats-io/nkeys';
import { Commands } from '@sandlot/event-store';
import { defineQuery } from '@sandlot/contracts';
import { freePort, startTestNats, waitFor } from '@sandlot/testing';
import { z } from 'zod';
import {
  commonSettings,
  ConfigError,
  connectNats,
  defineConfig,
  Handles,
  Health,
  identitySettings,
  logger,
  natsSettings,
  Public,
  RpcClient,
  runProcess,
  startService,
  type ServiceDefinition,
} from './index.js';

// Whole services, as small as they can be: settings and one message, and one with a route besides.

const Greet = defineQuery('svc.example.greeting.get', z.object({ name: z.string() }), z.object({ text: z.string() }));
const order: string[] = [];

/** Requests that wait until the test lets them go on. */
const held: (() => void)[] = [];

@Injectable()
class Greeter implements OnModuleDestroy {
  constructor(readonly commands: Commands) {}
  onModuleDestroy() {
    order.push('module destroyed');
  }
}

@Controller()
class GreetingController {
  constructor(private readonly greeter: Greeter) {}

  @Handles(Greet)
  async greet({ name }: { name: string }) {
    if (name === 'slow') await new Promise<void>((resolve) => held.push(resolve));
    order.push(`answered ${name}`);
    return { text: `hello ${name}, ${this.greeter.commands instanceof Commands}` };
  }
}

@Controller('greetings')
class SlowController {
  @Get()
  @Public()
  async slowly() {
    await new Promise<void>((resolve) => held.push(resolve));
    order.push('answered http');
    return { done: true };
  }
}

@Module({ controllers: [GreetingController], providers: [Greeter] })
class ExampleModule {}

@Module({ imports: [ExampleModule], controllers: [SlowController] })
class HttpModule {}

const config = defineConfig(z.object({ ...commonSettings, ...natsSettings, ...identitySettings }));
const example: ServiceDefinition<typeof config> = { name: 'example', config, module: () => ExampleModule };
const withHttp: ServiceDefinition<typeof config> = {
  ...example,
  module: () => HttpModule,
  http: ({ config: { SANDLOT_IDENTITY_KEY } }) => ({ identityKey: SANDLOT_IDENTITY_KEY, port: 0, host: '127.0.0.1' }),
};

describe('a service', () => {
  let env: Record<string, string>;
  beforeAll(async () => {
    logger.level = 'silent';
    const nats = await startTestNats();
    env = { SANDLOT_NATS_URL: nats.url, SANDLOT_METRICS_PORT: '0', SANDLOT_IDENTITY_KEY: 'k'.repeat(32) };
  });
  beforeEach(() => order.splice(0));

  it('starts, answers messages and says that it is ready', async () => {
    const port = await freePort();
    const service = await startService(example, { ...env, SANDLOT_METRICS_PORT: String(port) });
    const ready = await fetch(`http://127.0.0.1:${port}/readyz?verbose`);
    expect({ status: ready.status, text: await ready.text() }).toEqual({ status: 200, text: '[+]nats ok\nready\n' });
    const connection = await connect({ servers: env.SANDLOT_NATS_URL });
    expect(await new RpcClient(connection).call(Greet, { name: 'x' })).toEqual({ text: 'hello x, true' });
    await connection.close();
    await service.close();
    await expect(fetch(`http://127.0.0.1:${port}/livez`)).rejects.toThrow();
  });

  it('is not ready first when it stops, lets what is under way end, and only then takes its module down', async () => {
    const service = await startService(withHttp, env);
    const connection = await connect({ servers: env.SANDLOT_NATS_URL });
    const message = new RpcClient(connection).call(Greet, { name: 'slow' });
    const request = fetch(`${service.url}/greetings`);
    await waitFor(() => held.length === 2);
    const closed = service.close().then(() => order.push('closed'));
    expect((await service.health.readiness()).lines).toContain('[-]draining');
    await waitFor(
      () =>
        fetch(`${service.url}/greetings`).then(
          () => false,
          () => true,
        ),
      { describe: 'new requests are refused' },
    );
    held.splice(0).forEach((go) => go());
    expect(await message).toEqual({ text: 'hello slow, true' });
    expect(await (await request).json()).toEqual({ done: true });
    await closed;
    expect(order.slice(-2)).toEqual(['module destroyed', 'closed']);
    expect(order.slice(0, -2).sort()).toEqual(['answered http', 'answered slow']);
    await connection.close();
  });

  it('breaks off what takes longer than the grace', async () => {
    const service = await startService(withHttp, env, { graceMs: 200 });
    const request = fetch(`${service.url}/greetings`).then(
      () => 'answered',
      () => 'broken off',
    );
    await waitFor(() => held.length === 1);
    await service.close();
    expect(await request).toBe('broken off');
    held.splice(0).forEach((go) => go());
  });

  it('shares a process with others: each has its own readiness in that of the process', async () => {
    const health = new Health();
    const [one, two] = await Promise.all([
      startService(example, env, { sharedHealth: health }),
      startService({ ...withHttp, name: 'example2' }, env, { sharedHealth: health }),
    ]);
    health.started();
    expect(await health.readiness()).toEqual({ ready: true, lines: ['[+]example ok', '[+]example2 ok'] });
    await one.close();
    expect(await health.readiness()).toEqual({ ready: false, lines: ['[-]example [-]nats not connected, [-]draining', '[+]example2 ok'] });
    expect((await fetch(`${two.url}/nothing`)).status).toBe(404);
    await two.close();
  });

  it('that cannot start says why and leaves nothing behind', async () => {
    await expect(startService(example, { ...env, SANDLOT_NATS_URL: 'http://x' })).rejects.toThrow(ConfigError);
    const taken = await startService(withHttp, env);
    const port = Number(new URL(taken.url!).port);
    const again = { ...withHttp, http: () => ({ identityKey: 'k', port, host: '127.0.0.1' }) };
    await expect(startService(again, env)).rejects.toThrow(`port ${port} on 127.0.0.1 is taken`);
    await taken.close();
  });

  it('is ready again after NATS was away', async () => {
    const nats = await startTestNats();
    const service = await startService(example, { ...env, SANDLOT_NATS_URL: nats.url });
    await nats.kill();
    await waitFor(async () => !(await service.health.readiness()).ready);
    await nats.restart();
    await waitFor(async () => (await service.health.readiness()).ready);
    await service.close();
  });

  it('stays ready while NATS is away, and says that it is, where it serves without', async () => {
    const nats = await startTestNats();
    const service = await startService({ ...withHttp, servesWithoutNats: true }, { ...env, SANDLOT_NATS_URL: nats.url });
    await nats.kill();
    const report = await waitFor(
      () => service.health.readiness(),
      { describe: 'word that NATS is away' },
      ({ lines }) => lines.includes('[-]nats not connected'),
    );
    expect(report.ready).toBe(true);
    await service.close();
  });
});

describe('the connection to NATS', () => {
  it('uses the identity of the service, which decides what it may do', async () => {
    logger.level = 'silent';
    const identity = createUser();
    const inbox = '_INBOX_example.>';
    const nats = await startTestNats({
      users: [
        {
          nkey: identity.getPublicKey(),
          permissions: { publish: { allow: ['svc.example.>', inbox] }, subscribe: { allow: [inbox, 'svc.example.>'] } },
        },
      ],
    });
    const seed = new TextDecoder().decode(identity.getSeed());
    const service = await startService(example, {
      SANDLOT_NATS_URL: nats.url,
      SANDLOT_NATS_NKEY: seed,
      SANDLOT_METRICS_PORT: '0',
      SANDLOT_IDENTITY_KEY: 'k'.repeat(32),
    });
    const own = await connectNats({ SANDLOT_NATS_URL: nats.url, SANDLOT_NATS_NKEY: seed }, 'example');
    expect(await new RpcClient(own).call(Greet, { name: 'x' })).toEqual({ text: 'hello x, true' });
    await own.close();
    await service.close();
    const stranger = new TextDecoder().decode(createUser().getSeed());
    await expect(connectNats({ SANDLOT_NATS_URL: nats.url, SANDLOT_NATS_NKEY: stranger }, 'example')).rejects.toThrow(
      'cannot connect to NATS',
    );
  });

  it('is waited for when NATS starts later', async () => {
    const port = await freePort();
    const connecting = connectNats({ SANDLOT_NATS_URL: `nats://127.0.0.1:${port}` }, 'example');
    await startTestNats({ port });
    const connection = await connecting;
    expect(connection.isClosed()).toBe(false);
    await connection.close();
  });
});

describe('the main program', () => {
  const exit = process.exit;
  const write = process.stderr.write;
  const run = async (start: (signal: AbortSignal) => Promise<{ close(): Promise<void> }>) => {
    const seen: { code?: number; text: string } = { text: '' };
    process.exit = ((code: number) => void (seen.code = code)) as never;
    process.stderr.write = ((text: string) => (seen.text += text)) as never;
    await runProcess('example', { SANDLOT_LOG_LEVEL: 'silent' }, start);
    return seen;
  };
  afterEach(() => {
    process.exit = exit;
    process.stderr.write = write;
    for (const event of ['SIGTERM', 'SIGINT', 'uncaughtException'] as const) process.removeAllListeners(event);
  });

  it('ends with 2 and every problem when the settings are bad', async () => {
    const seen = await run(() => Promise.reject(new ConfigError(['SANDLOT_A is required', 'SANDLOT_B is required'])));
    expect(seen).toEqual({
      code: 2,
      text: 'example cannot start: the settings are not valid:\n  - SANDLOT_A is required\n  - SANDLOT_B is required\n',
    });
  });

  it('ends with 1 and one line with the cause when it cannot start', async () => {
    const seen = await run(() => Promise.reject(new Error('cannot open the log', { cause: new Error('ECONNREFUSED') })));
    expect(seen).toEqual({ code: 1, text: 'example cannot start: cannot open the log: ECONNREFUSED\n' });
  });

  it('ends with 0 at a signal while it waits for NATS', async () => {
    const port = await freePort();
    const env = { SANDLOT_NATS_URL: `nats://127.0.0.1:${port}`, SANDLOT_METRICS_PORT: '0', SANDLOT_IDENTITY_KEY: 'k'.repeat(32) };
    const running = run((signal) => startService(example, env, { signal }));
    process.emit('SIGTERM', 'SIGTERM');
    expect(await running).toEqual({ code: 0, text: '' });
  });

  it('closes at a signal, and ends at once at the second', async () => {
    let closing = false;
    let finish!: () => void;
    const close = () => ((closing = true), new Promise<void>((resolve) => (finish = resolve)));
    const seen = await run(() => Promise.resolve({ close }));
    process.emit('SIGTERM', 'SIGTERM');
    await waitFor(() => closing);
    expect(seen.code).toBeUndefined();
    process.emit('SIGTERM', 'SIGTERM');
    expect(seen.code).toBe(143);
    finish();
    await waitFor(() => seen.code === 0);
  });
});
