import { setTimeout as pause } from 'node:timers/promises';
import { Controller, Logger } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { headers } from '@nats-io/transport-node';
import { jetstream } from '@nats-io/jetstream';
import { allOf, catalogue, DEAD_STREAM, DOMAIN_STREAM, UserDisabled, ApiKeyRevoked, type EventDefinition } from '@sandlot/contracts';
import type { RecordedEvent } from '@sandlot/event-store';
import { waitFor } from '@sandlot/testing';
import { jest } from '@jest/globals';
import { dead, DurableConsumer, OnEvent, retry, type Delivery } from './index.js';
import { deadStream, serve, startTestLog, userConsumer, type Handle, type TestLog } from './test-service.js';

describe('a durable consumer', () => {
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
  /** Other tests have left unreadable events, of which each consumer makes letters. */
  const gaveUpOn = async (durable: string, position: number) =>
    (await letterOf(durable))?.header.get('Sandlot-Dead-Position') === String(position);

  beforeAll(async () => {
    log = await startTestLog();
  });

  it('hands each kind of event to its handler and acknowledges it', async () => {
    const seen: unknown[] = [];
    const [user, key] = newIds(2);
    @DurableConsumer({ durable: 'auth-two-kinds', onError: () => retry(10) })
    class TwoKinds {
      @OnEvent(allOf('user'))
      userChanged(@Payload() event: RecordedEvent, @Ctx() { durable, subject, position, attempt, signal }: Delivery) {
        seen.push({ type: event.type, id: event.aggregate.id, durable, subject, position, attempt, aborted: signal.aborted });
      }

      @OnEvent(allOf('apikey'))
      async keyChanged(@Payload() event: RecordedEvent) {
        seen.push({ key: event.aggregate.id, data: event.fact.data });
      }
    }
    await serve(log.connection, [TwoKinds]);
    const position = await disable(user!);
    const last = await log.append('apikey', key!, ApiKeyRevoked({}));
    await settledUpTo('auth-two-kinds', last);
    expect(seen).toContainEqual({
      type: 'user.disabled.v1',
      id: user,
      durable: 'auth-two-kinds',
      subject: `sandlot.auth.user.${user}`,
      position,
      attempt: 1,
      aborted: false,
    });
    expect(seen).toContainEqual({ key, data: {} });
  });

  it('begins at the first event of the log', async () => {
    const ids = newIds(3);
    for (const id of ids) await disable(id);
    const seen = new Set<string>();
    await serve(log.connection, [userConsumer(newName(), (event) => seen.add(event.aggregate.id))]);
    await waitFor(() => ids.every((id) => seen.has(id)));
  });

  it('gives the failure policy the very error and tries again until the handler succeeds', async () => {
    class OutOfOrder extends Error {}
    const durable = newName();
    const [id] = newIds(1);
    const failures: unknown[] = [];
    const attempts: number[] = [];
    const flaky: Handle = (event, { attempt }) => {
      if (event.aggregate.id !== id) return;
      attempts.push(attempt);
      if (attempt < 3) throw new OutOfOrder('not yet');
    };
    const onError = (error: unknown, { attempt }: Delivery) => {
      failures.push([error instanceof OutOfOrder, attempt]);
      return retry(5);
    };
    await serve(log.connection, [userConsumer(durable, flaky, { onError })]);
    await settledUpTo(durable, await disable(id!));
    expect(attempts).toEqual([1, 2, 3]);
    expect(failures).toEqual([[true, 1], [true, 2]]); // prettier-ignore
  });

  it('waits as long as the policy says before the next attempt', async () => {
    const durable = newName();
    const [id] = newIds(1);
    const at: number[] = [];
    const failing: Handle = (event) => {
      if (event.aggregate.id === id && at.push(performance.now()) < 2) throw new Error('once');
    };
    await serve(log.connection, [userConsumer(durable, failing, { onError: () => retry(300) })]);
    await settledUpTo(durable, await disable(id!));
    expect(at[1]! - at[0]!).toBeGreaterThanOrEqual(295);
  });

  it('writes a dead letter with everything about the event, and goes on with those behind it', async () => {
    const durable = newName();
    const [poison, ...others] = newIds(4);
    const seen: string[] = [];
    const choosy: Handle = (event) => {
      if (event.aggregate.id === poison) throw new Error('cannot');
      seen.push(event.aggregate.id);
    };
    const onError = (error: unknown, { attempt }: Delivery) =>
      attempt < 2 ? retry(5) : dead(`gave up: ${(error as Error).message}\nreally`);
    await serve(log.connection, [userConsumer(durable, choosy, { onError })]);
    const position = await disable(poison!);
    let last = 0;
    for (const id of others) last = await disable(id);
    await settledUpTo(durable, last);
    expect(seen).toEqual(expect.arrayContaining(others));
    const letter = (await letterOf(durable))!;
    const original = (await log.manager.streams.getMessage(DOMAIN_STREAM, { seq: position }))!;
    expect(letter.string()).toBe(original.string());
    const header = Object.fromEntries([...letter.header].map(([name, [value]]) => [name, value]));
    const originalHeader = Object.fromEntries([...original.header].map(([name, [value]]) => [name, value]));
    const brokers = Object.keys(originalHeader).filter((name) => name.startsWith('Nats-'));
    for (const name of brokers) delete originalHeader[name];
    expect(brokers).toContain('Nats-Expected-Last-Subject-Sequence');
    expect(header).toEqual({
      ...originalHeader,
      'Nats-Msg-Id': `dead-${durable}-${position}`,
      'Sandlot-Dead-Reason': 'gave up: cannot really',
      'Sandlot-Dead-Attempts': '2',
      'Sandlot-Dead-Subject': `sandlot.auth.user.${poison}`,
      'Sandlot-Dead-Position': String(position),
      'Sandlot-Dead-Durable': durable,
    });
  });

  it('says of which event and of whose request it failed, in its log', async () => {
    const durable = newName();
    const [id] = newIds(1);
    const lines: unknown[] = [];
    const error = jest
      .spyOn(Logger.prototype, 'error')
      .mockImplementation((message: unknown, fields?: unknown) => void lines.push([message, fields]));
    const failed: RecordedEvent[] = [];
    const failing: Handle = (event) => {
      if (event.aggregate.id !== id) return;
      failed.push(event);
      throw new Error('cannot');
    };
    try {
      await serve(log.connection, [userConsumer(durable, failing, { onError: () => dead('enough') })]);
      await settledUpTo(durable, await disable(id!));
    } finally {
      error.mockRestore();
    }
    const [{ id: eventId, correlationId: requestId, position }] = failed as [RecordedEvent];
    expect([eventId, requestId].every((one) => one.length > 5)).toBe(true);
    const said = expect.objectContaining({ consumer: durable, position, eventId, requestId }) as unknown;
    expect(lines).toContainEqual(['a handler failed and gave up', said]);
  });

  it('makes a dead letter of what cannot be read, at once', async () => {
    const durable = newName();
    const [broken, badShape] = newIds(2);
    const attempts: number[] = [];
    await serve(log.connection, [
      userConsumer(durable, (_, { attempt }) => attempts.push(attempt), { onError: () => dead('onError was asked') }),
    ]);
    const client = jetstream(log.connection);
    await client.publish(`sandlot.auth.user.${broken}`, '{"not json');
    const fresh = await log.manager.streams.getMessage(DOMAIN_STREAM, { seq: await disable(badShape!) });
    const wrong = headers();
    for (const [name, [value]] of fresh!.header) if (!name.startsWith('Nats-')) wrong.set(name, value!);
    wrong.set('ce-type', 'dev.sandlot.user.role-changed.v1');
    const { seq } = await client.publish(`sandlot.auth.user.${badShape}-2`, '{"role":"emperor"}', { headers: wrong });
    await settledUpTo(durable, seq);
    expect(await gaveUpOn(durable, seq)).toBe(true);
    const letter = (await letterOf(durable))!;
    expect(letter.header.get('Sandlot-Dead-Attempts')).toBe('1');
    expect(letter.header.get('Sandlot-Dead-Reason')).toMatch(/^cannot be read: .*"admin"\|"user".*role/);
    const { state } = await log.manager.streams.info(DEAD_STREAM, { subjects_filter: `dead.${durable}` });
    expect(state.subjects).toEqual({ [`dead.${durable}`]: 2 });
  });

  it('passes over events of a type that it does not know', async () => {
    const durable = newName();
    const types: string[] = [];
    await serve(log.connection, [userConsumer(durable, (event) => types.push(event.type), { onError: () => dead('no') })]);
    const known = await log.manager.streams.getMessage(DOMAIN_STREAM, { seq: await disable(newIds(1)[0]!) });
    const newer = headers();
    for (const [name, [value]] of known!.header) if (!name.startsWith('Nats-')) newer.set(name, value!);
    newer.set('ce-type', 'dev.sandlot.user.beamed-up.v7');
    const { seq } = await jetstream(log.connection).publish(`sandlot.auth.user.${newName()}`, '{"to":"orbit"}', { headers: newer });
    await settledUpTo(durable, seq);
    expect(types).toContain('user.disabled.v1');
    expect(types).not.toContain('user.beamed-up.v7');
    expect(await gaveUpOn(durable, seq)).toBe(false);
  });

  it('gives the event back when the dead letter cannot be written, and tries again', async () => {
    const durable = newName();
    const [id] = newIds(1);
    let attempts = 0;
    const failing: Handle = (event) => {
      if (event.aggregate.id !== id) return;
      attempts += 1;
      throw new Error('no');
    };
    await serve(log.connection, [userConsumer(durable, failing, { onError: () => dead('no') })]);
    await settledUpTo(durable, await log.append('user', newIds(1)[0]!, UserDisabled({})));
    await log.manager.streams.delete(DEAD_STREAM);
    const position = await disable(id!);
    await waitFor(() => attempts === 1);
    await pause(300);
    expect(await ackFloor(durable)).toBeLessThan(position);
    await log.manager.streams.add(deadStream);
    await settledUpTo(durable, position);
    expect(await gaveUpOn(durable, position)).toBe(true);
  });

  it('tries again when onError itself fails', async () => {
    const durable = newName();
    const [id] = newIds(1);
    let attempts = 0;
    const once: Handle = (event) => {
      if (event.aggregate.id === id && (attempts += 1) === 1) throw new Error('no');
    };
    const onError = () => {
      throw new Error('broken');
    };
    await serve(log.connection, [userConsumer(durable, once, { onError })]);
    await settledUpTo(durable, await disable(id!));
    expect(attempts).toBe(2);
  });

  it('gives one event the same command id each time, and the cause', async () => {
    const { contextFrom } = await import('./index.js');
    const durable = newName();
    const [id] = newIds(1);
    const contexts: ReturnType<typeof contextFrom>[] = [];
    const commanding: Handle = (event) => {
      if (event.aggregate.id !== id) return;
      contexts.push({ ...contextFrom(event, { service: 'auth', what: 'react' }), at: '' });
      if (contexts.length === 1) throw new Error('again');
    };
    await serve(log.connection, [userConsumer(durable, commanding)]);
    const position = await disable(id!);
    await settledUpTo(durable, position);
    expect(contexts[1]).toEqual(contexts[0]);
    const event = await log.manager.streams.getMessage(DOMAIN_STREAM, { seq: position });
    expect(contexts[0]).toMatchObject({ causationId: event!.header.get('ce-id'), correlationId: event!.header.get('ce-correlationid') });
  });

  describe('refuses to start', () => {
    const nothing: Handle = () => undefined;

    it('without onError', () => {
      // @ts-expect-error -- that it does not compile is the point
      expect(() => DurableConsumer({ durable: 'auth-careless' })).toThrow('onError');
    });

    it('under a name that cannot be permanent', () => {
      for (const durable of ['', 'a b', 'a.b', 'Auth', '>'])
        expect(() => DurableConsumer({ durable, onError: () => retry(1) })).toThrow(TypeError);
    });

    it('when two classes have the same durable', async () => {
      const classes = [userConsumer('auth-twice', nothing), userConsumer('auth-twice', nothing)];
      await expect(serve(log.connection, classes)).rejects.toThrow('both are the durable auth-twice');
    });

    it('when a subject has two handlers in a class', async () => {
      @DurableConsumer({ durable: 'auth-ambiguous', onError: () => retry(1) })
      class Ambiguous {
        @OnEvent(allOf('user')) one() {}
        @OnEvent(allOf('user')) two() {}
      }
      await expect(serve(log.connection, [Ambiguous])).rejects.toThrow('Ambiguous handles sandlot.auth.user.* twice');
    });

    it('when the subjects of a class overlap', async () => {
      @DurableConsumer({ durable: 'auth-overlapping', onError: () => retry(1) })
      class Overlapping {
        @OnEvent(allOf('user')) one() {}
        @OnEvent('sandlot.auth.>') two() {}
      }
      await expect(serve(log.connection, [Overlapping])).rejects.toThrow('overlap');
    });

    it('when a class has handlers but no durable, or is in no module', async () => {
      @Controller()
      class Nameless {
        @OnEvent(allOf('user')) one() {}
      }
      await expect(serve(log.connection, [Nameless])).rejects.toThrow('Nameless has @OnEvent but no @DurableConsumer');
      const classes = [userConsumer('auth-forgotten', nothing)];
      await expect(serve(log.connection, [], { classes })).rejects.toThrow('is in no module');
    });
  });
});

describe('an event of a newer version', () => {
  it('waits for a process that can read it, and holds up no other', async () => {
    const log = await startTestLog(); // of its own: in any other consumer it would wait as well
    const durable = 'test-newer';
    const disable = (id: string) => log.append('user', id, UserDisabled({}));
    const types: string[] = [];
    const counted = userConsumer(durable, (event) => types.push(event.type), { onError: () => dead('no') });
    const { server } = await serve(log.connection, [counted]);
    const known = await log.manager.streams.getMessage(DOMAIN_STREAM, { seq: await disable('one') });
    const newer = headers();
    for (const [name, [value]] of known!.header) if (!name.startsWith('Nats-')) newer.set(name, value!);
    newer.set('ce-type', 'dev.sandlot.user.disabled.v2');
    expect(server.conditions()).toEqual([]);
    const { seq } = await jetstream(log.connection).publish('sandlot.auth.user.two', '{}', { headers: newer });
    const later = await disable('three');
    const info = () => log.manager.consumers.info(DOMAIN_STREAM, durable);
    await waitFor(async () => {
      const { num_pending: pending, num_ack_pending: unsettled } = await info();
      return pending === 0 && unsettled === 1 && types.length === 2;
    });
    expect(types).toEqual(['user.disabled.v1', 'user.disabled.v1']);
    const message = expect.stringContaining(`position ${seq} holds user.disabled.v2`);
    expect(server.conditions()).toEqual([{ code: 'SL-CONS-05', subject: durable, message }]);

    const everything = catalogue as Map<string, EventDefinition>;
    everything.set('user.disabled.v2', { type: 'user.disabled.v2', schema: UserDisabled.schema });
    try {
      await waitFor(async () => (await info()).ack_floor.stream_seq >= later, { within: 20_000, describe: 'it is handled' });
    } finally {
      everything.delete('user.disabled.v2');
    }
    expect(types).toEqual(['user.disabled.v1', 'user.disabled.v1', 'user.disabled.v2']);
    expect((await log.manager.streams.info(DEAD_STREAM)).state.messages).toBe(0);
  }, 30_000);
});
