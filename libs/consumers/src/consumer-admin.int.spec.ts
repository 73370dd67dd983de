import { Ctx, Payload } from '@nestjs/microservices';
import { newId, type CommandContext } from '@sandlot/kernel';
import { allOf, DOMAIN_STREAM, operationRef, UserDisabled } from '@sandlot/contracts';
import { Commands, JetStreamEventStore, type EventStore, type RecordedEvent } from '@sandlot/event-store';
import { waitFor } from '@sandlot/testing';
import { ConsumerAdmin, dead, DurableConsumer, OnEvent, type Delivery, type HandlerClass, type JetStreamServer } from './index.js';
import { serve, startTestLog, type TestLog } from './test-service.js';

interface World {
  log: TestLog;
  store: EventStore;
  server: JetStreamServer;
  admin: ConsumerAdmin;
  /** What the handler was given. */
  seen: { id: string; attempt: number }[];
  /** Ids on which the handler fails. */
  broken: Set<string>;
}

const durable = 'auth-operated';

function command(): CommandContext {
  const commandId = newId('cmd');
  return { commandId, at: new Date().toISOString(), actor: { type: 'admin', id: 'usr_operator' }, correlationId: commandId };
}

async function world(): Promise<World> {
  const log = await startTestLog();
  const seen: World['seen'] = [];
  const broken: World['broken'] = new Set();
  @DurableConsumer({ durable, onError: (error) => dead((error as Error).message) })
  class Operated {
    @OnEvent(allOf('user'))
    changed(@Payload() event: RecordedEvent, @Ctx() { attempt }: Delivery) {
      seen.push({ id: event.aggregate.id, attempt });
      if (broken.has(event.aggregate.id)) throw new Error('out of order');
    }
  }
  const { server } = await serve(log.connection, [Operated as HandlerClass]);
  const store = await JetStreamEventStore.open(log.connection);
  const admin = new ConsumerAdmin({ server, service: 'auth', commands: new Commands(store) });
  return { log, store, server, admin, seen, broken };
}

async function refusal(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(() => 'succeeded', (error: { code: string }) => error.code); // prettier-ignore
}

describe('an operator', () => {
  let { log, store, admin, seen, broken } = {} as World;
  beforeEach(async () => {
    ({ log, store, admin, seen, broken } = await world());
  });

  const view = async () => (await admin.list())[0]!;
  const idle = (position: number) => waitFor(view, {}, ({ position: at, unacknowledged }) => at >= position && unacknowledged === 0);
  const operations = async () =>
    (await store.read(operationRef('auth', 'consumer', durable))).map(({ fact, actor }) => ({ ...fact, by: actor.id }));

  it('sees how far a consumer is', async () => {
    broken.add('u2');
    const first = await log.append('user', 'u1', UserDisabled({}));
    await idle(first);
    await log.append('user', 'u2', UserDisabled({}));
    await idle(2);
    expect(await admin.list()).toEqual([
      { name: durable, service: 'auth', position: 2, pending: 0, unacknowledged: 0, redelivered: 0, pausedUntil: null, deadLetters: 1 },
    ]);
  });

  it('pauses a consumer until a time, and resumes it sooner', async () => {
    await idle(await log.append('user', 'u1', UserDisabled({})));
    const until = new Date(Date.now() + 3600_000);
    await admin.pause(command(), durable, until);
    expect((await view()).pausedUntil).toBe(until.toISOString());
    await log.append('user', 'u2', UserDisabled({}));
    await waitFor(view, {}, ({ pending }) => pending === 1);
    expect(seen).toHaveLength(1);
    await admin.resume(command(), durable);
    await waitFor(() => seen.length === 2);
    expect((await view()).pausedUntil).toBeNull();
    expect(await operations()).toEqual([
      { type: 'consumer.paused.v1', data: { until: until.toISOString() }, by: 'usr_operator' },
      { type: 'consumer.resumed.v1', data: {}, by: 'usr_operator' },
    ]);
  });

  it('has everything handled again from a position on, under the same durable', async () => {
    for (const id of ['u1', 'u2', 'u3']) await log.append('user', id, UserDisabled({}));
    await idle(3);
    expect(await admin.replayFrom(command(), durable, 1)).toEqual({ fromPosition: 1 });
    await waitFor(() => seen.length === 6);
    expect(seen.map(({ id }) => id).sort()).toEqual(['u1', 'u1', 'u2', 'u2', 'u3', 'u3']);
    await admin.replayFrom(command(), durable, 3);
    await waitFor(() => seen.length === 7);
    expect(seen.at(-1)).toEqual({ id: 'u3', attempt: 1 });
    expect((await operations()).map(({ data }) => data)).toEqual([{ fromPosition: 1 }, { fromPosition: 3 }]);
    await waitFor(async () => (await log.manager.consumers.info(DOMAIN_STREAM, durable)).num_pending === 0);
  });

  it('has everything handled again from a time on', async () => {
    await log.append('user', 'u1', UserDisabled({}));
    const second = await log.append('user', 'u2', UserDisabled({}));
    await idle(2);
    const { time } = (await log.manager.streams.getMessage(DOMAIN_STREAM, { seq: second }))!;
    expect(await admin.replayFrom(command(), durable, time)).toEqual({ fromPosition: 2 });
    await waitFor(() => seen.length === 3);
    expect(seen.at(-1)?.id).toBe('u2');
    const { fromPosition } = await admin.replayFrom(command(), durable, new Date(Date.now() + 60_000));
    expect(fromPosition).toBe(4); // behind the two events and the record of the first replay
  });

  it('lists dead letters, oldest first and page by page', async () => {
    for (const id of ['u1', 'u2', 'u3']) broken.add(id);
    for (const id of ['u1', 'u2', 'u3']) await idle(await log.append('user', id, UserDisabled({})));
    const letters = await admin.deadLetters({ limit: 10 });
    expect(letters.map(({ position }) => position)).toEqual([1, 2, 3]);
    expect(letters[0]).toEqual({
      id: 1,
      service: 'auth',
      consumer: durable,
      reason: 'out of order',
      attempts: 1,
      subject: 'sandlot.auth.user.u1',
      position: 1,
      type: 'user.disabled.v1',
      at: expect.stringMatching(/^\d{4}-.*Z$/),
    });
    expect((await admin.deadLetters({ limit: 1, after: 1, durable })).map(({ id }) => id)).toEqual([2]);
    expect(await admin.deadLetters({ limit: 10, after: 3 })).toEqual([]);
  });

  it('replays a dead letter: its event is handled again, by that handler, and the letter is settled', async () => {
    broken.add('u1');
    await idle(await log.append('user', 'u1', UserDisabled({})));
    expect(await refusal(admin.replayDeadLetter(command(), 1))).toBe('UNAVAILABLE'); // still broken
    expect(await admin.deadLetters({ limit: 10 })).toHaveLength(1);
    broken.clear();
    await admin.replayDeadLetter(command(), 1);
    expect(seen).toEqual([1, 1, 1].map((attempt) => ({ id: 'u1', attempt })));
    expect(await admin.deadLetters({ limit: 10 })).toEqual([]);
    expect((await view()).deadLetters).toBe(0);
    expect(await refusal(admin.replayDeadLetter(command(), 1))).toBe('DEAD_LETTER_NOT_FOUND');
    expect(await operations()).toEqual([
      { type: 'consumer.dead-letter-replayed.v1', data: { deadLetter: 1, position: 1 }, by: 'usr_operator' },
    ]);
  });

  it('discards a dead letter, and gets another when a replay of the consumer fails on the event again', async () => {
    broken.add('u1');
    await idle(await log.append('user', 'u1', UserDisabled({})));
    await admin.discardDeadLetter(command(), 1);
    expect(await admin.deadLetters({ limit: 10 })).toEqual([]);
    expect(seen).toHaveLength(1);
    await admin.replayFrom(command(), durable, 1);
    await waitFor(
      () => admin.deadLetters({ limit: 10 }),
      { describe: 'a letter' },
      (letters) => letters.length === 1,
    );
    await admin.replayFrom(command(), durable, 1);
    await waitFor(
      () => admin.deadLetters({ limit: 10 }),
      { describe: 'one more letter' },
      (letters) => letters.length === 2,
    );
    expect((await operations())[0]).toEqual({
      type: 'consumer.dead-letter-discarded.v1',
      data: { deadLetter: 1, position: 1 },
      by: 'usr_operator',
    });
  });

  it('is told which consumers and letters are not there', async () => {
    expect(await refusal(admin.pause(command(), 'auth-other', new Date()))).toBe('CONSUMER_NOT_FOUND');
    expect(await refusal(admin.deadLetters({ limit: 1, durable: 'provisioner-quota' }))).toBe('CONSUMER_NOT_FOUND');
    expect(await refusal(admin.discardDeadLetter(command(), 99))).toBe('DEAD_LETTER_NOT_FOUND');
  });
});
