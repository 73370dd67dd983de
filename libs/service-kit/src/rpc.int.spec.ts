import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ClientNats, Ctx, NatsContext, Payload } from '@nestjs/microservices';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { defineCommand, defineQuery } from '@sandlot/contracts';
import { DomainError } from '@sandlot/kernel';
import { stableTcpProxy, startTestNats, waitFor } from '@sandlot/testing';
import { firstValueFrom } from 'rxjs';
import { z } from 'zod';
import { Handles, logger, NestLog, NoopHttpAdapter, requestContext, RpcClient, RpcServer, withRequestContext } from './index.js';

const Add = defineQuery('svc.test.sum.add', z.object({ a: z.int(), b: z.int().default(1) }), z.object({ sum: z.int() }));
const Fail = defineCommand('svc.test.sum.fail', z.object({ how: z.string() }), z.object({}));
const Slow = defineCommand('svc.test.sum.slow', z.object({ context: z.object({ commandId: z.string() }) }), z.object({}));
const SlowQuery = defineQuery('svc.test.sum.slow-query', z.object({}), z.object({ done: z.boolean() }));
const Context = defineQuery('svc.test.sum.context', z.object({}), z.record(z.string(), z.unknown()));
const Wrong = defineQuery('svc.test.sum.wrong', z.object({}), z.object({ sum: z.int() }));
const Huge = defineQuery('svc.test.sum.huge', z.object({}), z.string());
const Nobody = defineCommand('svc.test.nobody.there', z.object({}), z.object({}));

/** Handlers that wait until the test lets them go on. */
const held: (() => void)[] = [];
const blocked = () => new Promise<void>((resolve) => held.push(resolve));
const release = () => held.splice(0).forEach((go) => go());

@Controller()
class SumController {
  @Handles(Add)
  add({ a, b }: z.output<(typeof Add)['request']>) {
    return { sum: a + b };
  }
  @Handles(Fail)
  fail(@Payload() { how }: { how: string }): Record<string, never> {
    if (how === 'refusal') throw new DomainError('QUOTA_EXCEEDED', 'ten of ten', { holders: ['s1'] });
    throw new Error('hunter2');
  }
  @Handles(Slow)
  async slow() {
    await blocked();
    return {};
  }
  @Handles(SlowQuery)
  async slowQuery() {
    await blocked();
    return { done: true };
  }
  @Handles(Context)
  context(@Payload() _: unknown, @Ctx() nats: NatsContext) {
    return { ...requestContext(), subject: nats.getSubject() };
  }
  @Handles(Wrong)
  wrong() {
    return { sum: 'three' } as unknown as { sum: number };
  }
  @Handles(Huge)
  huge() {
    return 'x'.repeat(2 * 1024 * 1024);
  }
}

@Module({ controllers: [SumController] })
class Sums {}

describe('a message between services', () => {
  let connection: NatsConnection;
  let url: string;
  let server: RpcServer;
  let client: RpcClient;
  let stop: () => Promise<void>;

  beforeAll(async () => {
    logger.level = 'silent';
    const nats = await startTestNats();
    url = nats.url;
    connection = await connect({ servers: url, inboxPrefix: '_INBOX_test' });
    ({ server, stop } = await serve(connection));
    client = new RpcClient(connection);
  });
  afterAll(async () => {
    release();
    await stop();
    await connection.close();
  });

  async function serve(on: NatsConnection) {
    const app = await NestFactory.create(Sums, new NoopHttpAdapter(), { logger: new NestLog() });
    const rpc = new RpcServer(on, 'test', 2_000);
    app.connectMicroservice({ strategy: rpc });
    await app.init();
    await app.startAllMicroservices();
    return { server: rpc, stop: () => app.close() };
  }
  const refusal = (call: Promise<unknown>) =>
    call.then(
      () => undefined,
      (error: unknown) => (error instanceof DomainError ? { code: error.code, details: error.details, message: error.message } : error),
    );

  it('is answered, with defaults filled in by its schema', async () => {
    expect(await client.call(Add, { a: 2 })).toEqual({ sum: 3 });
  });

  it('is refused when it is not valid, with the fields', async () => {
    const invalid = { a: 'two' } as unknown as { a: number };
    expect(await refusal(client.call(Add, invalid))).toMatchObject({ code: 'VALIDATION_FAILED', details: { errors: [{ pointer: '/a' }] } });
  });

  it('brings a refusal back as it was thrown', async () => {
    expect(await refusal(client.call(Fail, { how: 'refusal' }))).toEqual({
      code: 'QUOTA_EXCEEDED',
      message: 'ten of ten',
      details: { holders: ['s1'] },
    });
  });

  it('brings nothing back of an error that is no refusal', async () => {
    const seen = await refusal(client.call(Fail, { how: 'error' }));
    expect(seen).toMatchObject({ code: 'INTERNAL' });
    expect(JSON.stringify(seen)).not.toContain('hunter2');
  });

  it('has an unknown outcome when a command is not answered in time, and none when it is a query', async () => {
    const slow = client.call(Slow, { context: { commandId: 'cmd_1' } }, { withinMs: 100 });
    expect(await refusal(slow)).toMatchObject({ code: 'OUTCOME_UNKNOWN', details: { commandId: 'cmd_1' } });
    release();
    expect(await refusal(client.call(SlowQuery, {}, { withinMs: 100 }))).toMatchObject({ code: 'UNAVAILABLE' });
    release();
  });

  it('fails at once when nobody is there', async () => {
    const began = performance.now();
    expect(await refusal(client.call(Nobody, {}, { withinMs: 20_000 }))).toMatchObject({ code: 'UNAVAILABLE' });
    expect(performance.now() - began).toBeLessThan(10_000);
  });

  it('is no longer waited for when its caller has gone', async () => {
    const gone = new AbortController();
    const call = client.call(SlowQuery, {}, { signal: gone.signal });
    gone.abort(new Error('gone'));
    await expect(call).rejects.toThrow('gone');
    release();
    await expect(client.call(Add, { a: 1 }, { signal: gone.signal })).rejects.toThrow('gone');
  });

  it('is an internal error when the reply is not what it should be, or too large', async () => {
    expect(await refusal(client.call(Wrong, {}))).toMatchObject({ code: 'INTERNAL' });
    expect(await refusal(client.call(Huge, {}))).toMatchObject({ code: 'INTERNAL', message: expect.stringContaining('does not fit') });
  });

  it('is not sent when it is too large', async () => {
    expect(await refusal(client.call(Fail, { how: 'x'.repeat(2 * 1024 * 1024) }))).toMatchObject({ code: 'BODY_TOO_LARGE' });
  });

  it('takes the request id and the trace along', async () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const seen = await withRequestContext({ service: 'caller', requestId: 'r1', traceparent }, () => client.call(Context, {}));
    expect(seen).toEqual({ service: 'test', requestId: 'r1', traceparent, subject: 'svc.test.sum.context' });
  });

  it("understands Nest's own client", async () => {
    const nest = new ClientNats({ servers: url });
    expect(await firstValueFrom(nest.send(Add.subject, { a: 1, b: 2 }))).toEqual({ sum: 3 });
    await expect(firstValueFrom(nest.send(Fail.subject, { how: 'refusal' }))).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' });
    await nest.close();
  });

  it('is answered by one instance of several', async () => {
    const second = await connect({ servers: url });
    const other = await serve(second);
    const answers = await Promise.all(Array.from({ length: 20 }, (_, a) => client.call(Add, { a })));
    expect(answers.map(({ sum }) => sum)).toEqual(Array.from({ length: 20 }, (_, a) => a + 1));
    await other.stop();
    await second.close();
  });

  it('is UNAVAILABLE while NATS is away, for certain, and goes through when it is back', async () => {
    const proxy = await stableTcpProxy(Number(new URL(url).port));
    const flaky = await connect({ servers: `127.0.0.1:${proxy.port}`, maxReconnectAttempts: -1, reconnectTimeWait: 20 });
    const through = new RpcClient(flaky);
    expect(await through.call(Add, { a: 1 })).toEqual({ sum: 2 });
    proxy.cut();
    await waitFor(
      async () => (await refusal(through.call(Fail, { how: 'refusal' }, { withinMs: 100 }))) as { code: string },
      {},
      ({ code }) => code === 'UNAVAILABLE',
    );
    proxy.restore();
    expect(await waitFor(() => through.call(Add, { a: 2 }))).toEqual({ sum: 3 });
    await flaky.close();
  });

  it('that is under way is still answered when the service stops; later ones are not taken', async () => {
    const last = client.call(SlowQuery, {});
    await waitFor(() => held.length > 0);
    let closed = false;
    const closing = server.close().then(() => (closed = true));
    await waitFor(
      async () => (await refusal(client.call(Add, { a: 1 }))) as { code: string } | undefined,
      {},
      (seen) => seen?.code === 'UNAVAILABLE',
    );
    expect(closed).toBe(false);
    release();
    expect(await last).toEqual({ done: true });
    await closing;
  });
});
