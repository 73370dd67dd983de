import { setTimeout as pause } from 'node:timers/promises';
import { connect } from '@nats-io/transport-node';
import { armCrashPoint } from '@sandlot/kernel';
import { DEAD_STREAM, DOMAIN_STREAM, UserCreated, UserDisabled } from '@sandlot/contracts';
import { atEnd, stableTcpProxy, waitFor } from '@sandlot/testing';
import { jest } from '@jest/globals';
import { dead } from './index.js';
import { domainStream, serve, startTestLog, userConsumer, type Handle, type TestLog } from './test-service.js';

describe('the subscription of a durable consumer', () => {
  let log: TestLog;
  let names = 0;
  const newName = () => `test-${(names += 1)}`;
  const disable = (id: string) => log.append('user', id, UserDisabled({}));

  /** New ids each time, for all tests share one log. */
  const newIds = (count: number) => {
    const name = newName();
    return Array.from({ length: count }, (_, i) => `${name}-${i}`);
  };

  const ackFloor = async (durable: string) => (await log.manager.consumers.info(DOMAIN_STREAM, durable)).ack_floor.stream_seq;
  const settledUpTo = (durable: string, position: number) =>
    waitFor(
      () => ackFloor(durable),
      { describe: `${durable} has settled ${position}` },
      (floor) => floor >= position,
    );
  const letterOf = (durable: string) => log.manager.streams.getMessage(DEAD_STREAM, { last_by_subj: `dead.${durable}` });

  beforeAll(async () => {
    log = await startTestLog();
  });

  it('keeps an event from coming again while its handler takes longer than the broker waits', async () => {
    const durable = newName();
    const [id] = newIds(1);
    const attempts: number[] = [];
    const slow: Handle = async (event, { attempt }) => {
      if (event.aggregate.id !== id) return;
      attempts.push(attempt);
      await pause(1_600);
    };
    await serve(log.connection, [userConsumer(durable, slow, { ackWaitMs: 450 })]);
    await settledUpTo(durable, await disable(id!));
    expect(attempts).toEqual([1]);
  });

  it('does not let events time out behind a slow one', async () => {
    const durable = newName();
    const ids = newIds(4);
    const attempts: number[] = [];
    const slow: Handle = async (event, { attempt }) => {
      if (!ids.includes(event.aggregate.id)) return;
      attempts.push(attempt);
      await pause(400);
    };
    await serve(log.connection, [userConsumer(durable, slow, { ackWaitMs: 450, concurrency: 1 })]);
    let last = 0;
    for (const id of ids) last = await disable(id);
    await settledUpTo(durable, last);
    expect(attempts).toEqual([1, 1, 1, 1]);
  });

  it('handles no more at once than it may', async () => {
    const durable = newName();
    const ids = newIds(20);
    let active = 0;
    let most = 0;
    let handled = 0;
    const counting: Handle = async (event) => {
      if (!ids.includes(event.aggregate.id)) return;
      most = Math.max(most, (active += 1));
      await pause(10);
      active -= 1;
      handled += 1;
    };
    for (const id of ids) await disable(id);
    await serve(log.connection, [userConsumer(durable, counting, { concurrency: 3 })]);
    await waitFor(() => handled === ids.length);
    expect(most).toBe(3);
  });

  it('shares its events among the processes of a service', async () => {
    const durable = newName();
    const ids = newIds(30);
    const handled: Record<string, string[]> = { one: [], two: [] };
    const by = (process: string) => userConsumer(durable, async (event) => {
      if (ids.includes(event.aggregate.id)) handled[process]!.push(event.aggregate.id);
      await pause(5);
    }, { concurrency: 1 }); // prettier-ignore
    await serve(log.connection, [by('one')]);
    await serve(await log.connect(), [by('two')]);
    let last = 0;
    for (const id of ids) last = await disable(id);
    await settledUpTo(durable, last);
    expect([...handled.one!, ...handled.two!].sort()).toEqual([...ids].sort());
    expect(handled.one!.length).toBeGreaterThan(0);
    expect(handled.two!.length).toBeGreaterThan(0);
  });

  it('finishes what is being handled when it is closed, and takes nothing more', async () => {
    const durable = newName();
    const [first, second] = newIds(2);
    let begun = false;
    const finished: string[] = [];
    const slow: Handle = async (event) => {
      if (event.aggregate.id !== first && event.aggregate.id !== second) return;
      begun = true;
      await pause(200);
      finished.push(event.aggregate.id);
    };
    const { app } = await serve(log.connection, [userConsumer(durable, slow)]);
    const position = await disable(first!);
    await waitFor(() => begun);
    await app.close();
    await disable(second!);
    await pause(50);
    expect(finished).toEqual([first]);
    expect(await ackFloor(durable)).toBe(position);
  });

  it('aborts the signal of what outlasts the grace and gives the event to another process', async () => {
    const durable = newName();
    const [polite, stubborn] = newIds(2);
    const begun = new Set<string>();
    const hanging: Handle = (event, { signal }) => {
      if (event.aggregate.id !== polite && event.aggregate.id !== stubborn) return;
      begun.add(event.aggregate.id);
      return new Promise((_, reject) => {
        if (event.aggregate.id === polite) signal.addEventListener('abort', () => reject(new Error('aborted')));
      });
    };
    const onError = () => dead('must not be asked');
    const { app } = await serve(log.connection, [userConsumer(durable, hanging, { onError })], { drainGraceMs: 20 });
    await disable(polite!);
    const last = await disable(stubborn!);
    await waitFor(() => begun.size === 2);
    await app.close();
    const handled = new Map<string, number>();
    await serve(log.connection, [userConsumer(durable, (event, { attempt }) => handled.set(event.aggregate.id, attempt))]);
    await settledUpTo(durable, last);
    expect([handled.get(polite!), handled.get(stubborn!)]).toEqual([2, 2]);
    expect(await letterOf(durable)).toBeNull();
  });

  it('makes its consumer anew when somebody has deleted it', async () => {
    const durable = newName();
    const seen = new Set<string>();
    await serve(log.connection, [userConsumer(durable, (event) => seen.add(event.aggregate.id))]);
    const [before, after] = newIds(2);
    await settledUpTo(durable, await disable(before!));
    await log.manager.consumers.delete(DOMAIN_STREAM, durable);
    await disable(after!);
    await waitFor(() => seen.has(after!), { within: 15_000 });
  });

  it('brings an existing consumer up to its settings', async () => {
    const durable = newName();
    const { app } = await serve(log.connection, [userConsumer(durable, () => undefined, { ackWaitMs: 5_000 })]);
    await app.close();
    await serve(log.connection, [userConsumer(durable, () => undefined, { ackWaitMs: 9_000 })]);
    expect((await log.manager.consumers.info(DOMAIN_STREAM, durable)).config.ack_wait).toBe(9_000_000_000);
  });

  it('acknowledges only what was handled: a crash just before it brings the event again', async () => {
    const durable = newName();
    const [id] = newIds(1);
    const handled: number[] = [];
    const kill = jest.spyOn(process, 'kill').mockImplementation(() => {
      throw new Error('killed here');
    });
    const handler: Handle = (event, { attempt }) => {
      if (event.aggregate.id !== id) return;
      handled.push(attempt);
      if (attempt === 1) armCrashPoint('consumer.before-ack');
      else kill.mockImplementation(() => true);
    };
    await serve(log.connection, [userConsumer(durable, handler, { ackWaitMs: 300, concurrency: 1 })]);
    await settledUpTo(durable, await disable(id!));
    armCrashPoint('kv.after-put'); // which nothing here passes
    kill.mockRestore();
    expect(handled).toEqual([1, 2]);
  });
});

describe('the subscription of a durable consumer on a broker of its own', () => {
  it('handles every event at least once when the broker is killed in the middle', async () => {
    const log = await startTestLog();
    const handled = new Set<string>();
    const handler: Handle = async (event) => {
      await pause(5);
      handled.add(event.aggregate.id);
    };
    await serve(log.connection, [userConsumer('auth-survivor', handler, { ackWaitMs: 1_000, concurrency: 4 })]);
    const ids = Array.from({ length: 120 }, (_, i) => `u${i}`);
    for (const id of ids.slice(0, 60)) await log.append('user', id, UserDisabled({}));
    await waitFor(() => handled.size > 10);
    await log.nats.kill();
    await log.nats.restart();
    for (const id of ids.slice(60)) await log.append('user', id, UserDisabled({}));
    await waitFor(
      () => handled.size,
      { within: 20_000, describe: 'all 120 events handled' },
      (size) => size === ids.length,
    );
    const settled = async () => (await log.manager.consumers.info(DOMAIN_STREAM, 'auth-survivor')).ack_floor.stream_seq;
    await waitFor(settled, { within: 10_000 }, (floor) => floor === 120);
  });

  it('starts before the stream is there', async () => {
    const log = await startTestLog();
    await log.manager.streams.delete(DOMAIN_STREAM);
    const seen: string[] = [];
    await serve(log.connection, [userConsumer('auth-early', (event) => seen.push(event.type))]);
    await log.manager.streams.add(domainStream);
    await log.append('user', 'u1', UserCreated({ username: 'u', role: 'user', personal: { email: null, displayName: null } }));
    await waitFor(() => seen.length === 1, { within: 15_000 });
    expect(seen).toEqual(['user.created.v1']);
  });

  it('handles no more at once than it may after a reconnect either', async () => {
    const log = await startTestLog();
    const proxy = await stableTcpProxy(log.nats.port);
    const connection = await connect({ servers: `127.0.0.1:${proxy.port}`, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
    atEnd(() => connection.close());
    const held = Promise.withResolvers<void>();
    const active = new Set<string>();
    const handler: Handle = (event) => {
      active.add(event.aggregate.id);
      return held.promise;
    };
    await serve(connection, [userConsumer('auth-reconnected', handler, { concurrency: 3 })]);
    for (const id of ['u1', 'u2']) await log.append('user', id, UserDisabled({}));
    await waitFor(() => active.size === 2);
    proxy.cut();
    proxy.restore();
    await waitFor(() => connection.flush().then(() => true));
    for (const id of ['u3', 'u4', 'u5', 'u6']) await log.append('user', id, UserDisabled({}));
    const delivered = async () => (await log.manager.consumers.info(DOMAIN_STREAM, 'auth-reconnected')).delivered.stream_seq;
    await waitFor(delivered, {}, (position) => position >= 3);
    expect(active.size).toBe(3);
    expect(await delivered()).toBe(3);
    held.resolve();
    await waitFor(() => active.size === 6);
  });

  it('can be closed while the broker is away', async () => {
    const log = await startTestLog();
    const { app } = await serve(log.connection, [userConsumer('auth-alone', () => undefined)], { drainGraceMs: 100 });
    await log.nats.kill();
    await waitFor(() => app.close().then(() => true));
    await log.nats.restart();
  });

  it('gets what was sent into a connection that looked alive and was not', async () => {
    const log = await startTestLog();
    const proxy = await stableTcpProxy(log.nats.port);
    const connection = await connect({ servers: `127.0.0.1:${proxy.port}`, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
    atEnd(() => connection.close());
    const seen = new Map<string, number>();
    const handler: Handle = (event, { attempt }) => seen.set(event.aggregate.id, attempt);
    await serve(connection, [userConsumer('auth-half-open', handler, { ackWaitMs: 1_000 })]);
    await log.append('user', 'before', UserDisabled({}));
    await waitFor(() => seen.has('before'));
    proxy.stall();
    await log.append('user', 'during', UserDisabled({}));
    const unacknowledged = async () => (await log.manager.consumers.info(DOMAIN_STREAM, 'auth-half-open')).num_ack_pending;
    await waitFor(unacknowledged, { describe: 'the event is sent' }, (count) => count === 1);
    proxy.cut();
    proxy.restore();
    await log.append('user', 'after', UserDisabled({}));
    await waitFor(() => seen.has('during') && seen.has('after'), { within: 15_000 });
    expect(seen.get('during')).toBe(2);
  });
});
