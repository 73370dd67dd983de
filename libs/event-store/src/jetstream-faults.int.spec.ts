import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NatsConnection } from '@nats-io/transport-node';
import type { AggregateRef } from '@sandlot/contracts';
import type { NatsServer } from '@sandlot/embedded';
import type { CommandContext } from '@sandlot/kernel';
import { atEnd, itUnless, stableTcpProxy, startTestNats, waitFor, type StableTcpProxy } from '@sandlot/testing';
import { ensureStreams } from './domain-stream.js';
import { aCommand, anAggregate, names, renamed, write } from './event-store.features.js';
import { revisionOf } from './event-store.js';
import { JetStreamEventStore } from './jetstream-event-store.js';
import { connectTo, lastPosition, startLog } from './jetstream-under-test.js';

describe.each([1, 3] as const)('an append whose answer is lost, on %i replicas', (replicas) => {
  let direct: NatsConnection;
  let proxy: StableTcpProxy;
  let store: JetStreamEventStore;
  let impatient: JetStreamEventStore;

  beforeAll(async () => {
    const [port] = await startLog(replicas);
    direct = await connectTo(port!);
    proxy = await stableTcpProxy(port!);
    store = await JetStreamEventStore.open(await connectTo(proxy.port), { attemptTimeoutMs: 1_000 });
    impatient = await JetStreamEventStore.open(await connectTo(proxy.port), { attemptTimeoutMs: 500, appendDeadlineMs: 800 });
  }, 60_000);
  beforeEach(async () => {
    proxy.restore();
    for (const each of [store, impatient])
      await waitFor(async () => (await each.append(aCommand(), [write(anAggregate(), renamed('warm'))])).outcome === 'appended');
  });

  /** Starts an append and loses the connection when the server has it and we do not know yet. */
  const losingTheAnswer = async (through: JetStreamEventStore, ...append: Parameters<JetStreamEventStore['append']>) => {
    const before = await lastPosition(direct);
    proxy.delay(200);
    const result = through.append(...append);
    const position = await waitFor(
      async () => lastPosition(direct),
      { describe: 'the server has it' },
      (last) => last > before,
    );
    proxy.cut();
    return { result, position };
  };

  it.each([
    ['one event', ['a']],
    ['several', ['a', 'b', 'c']],
  ])('has one effect (%s)', async (_, facts) => {
    const aggregate = anAggregate();
    const { result, position } = await losingTheAnswer(store, aCommand(), [write(aggregate, renamed(...facts))]);
    proxy.restore();
    expect(await result).toEqual({ outcome: 'already-applied', position });
    expect(names(await store.read(aggregate))).toEqual(facts);
  });

  it('is a conflict when somebody else appended behind it, and has its one effect', async () => {
    const aggregate = anAggregate();
    const context = aCommand();
    const other = await JetStreamEventStore.open(direct);
    const { result } = await losingTheAnswer(store, context, [write(aggregate, renamed('mine'))]);
    const [mine] = await other.read(aggregate);
    await other.append(aCommand(), [write(aggregate, renamed('theirs'), revisionOf(mine!))]);
    proxy.restore();
    expect(await result).toMatchObject({ outcome: 'conflict', aggregate });
    expect((await store.read(aggregate)).map(({ commandId }) => commandId === context.commandId)).toEqual([true, false]);
  });

  it('is unknown at the deadline, and the same append finds out', async () => {
    const aggregate = anAggregate();
    const context = aCommand();
    const { result, position } = await losingTheAnswer(impatient, context, [write(aggregate, renamed('a'))]);
    expect(await result).toEqual({ outcome: 'unknown' });
    proxy.restore();
    await waitFor(async () => {
      expect(await store.append(context, [write(aggregate, renamed('a'))])).toEqual({ outcome: 'already-applied', position });
      return true;
    });
    expect(names(await store.read(aggregate))).toEqual(['a']);
  });

  it('has one effect when all its attempts arrive late', async () => {
    const aggregate = anAggregate();
    const context = aCommand();
    proxy.stall();
    expect(await impatient.append(context, [write(aggregate, renamed('a', 'b'))])).toEqual({ outcome: 'unknown' });
    proxy.restore();
    await waitFor(async () => {
      expect(await store.append(context, [write(aggregate, renamed('a', 'b'))])).toMatchObject({ outcome: 'already-applied' });
      return true;
    });
    expect(names(await store.read(aggregate))).toEqual(['a', 'b']);
  });
});

describe('without NATS', () => {
  let server: NatsServer;
  let store: JetStreamEventStore;

  beforeAll(async () => {
    server = await startTestNats();
    const connection = await connectTo(server.port);
    await ensureStreams(connection);
    store = await JetStreamEventStore.open(connection, { attemptTimeoutMs: 300, appendDeadlineMs: 1_000 });
  });

  it('appending and reading are unavailable, not unknown and not forever, and go on when it is back', async () => {
    const aggregate = anAggregate();
    await server.kill();
    await waitFor(() =>
      store.append(aCommand(), [write(aggregate, renamed('a'))]).then(
        () => false,
        (error) => error.code === 'UNAVAILABLE',
      ),
    );
    await expect(store.append(aCommand(), [write(aggregate, renamed('a'))])).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(store.read(aggregate)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await server.restart();
    await waitFor(async () => (await store.append(aCommand(), [write(aggregate, renamed('b'))])).outcome === 'appended');
    expect(names(await store.read(aggregate))).toEqual(['b']);
  });

  it('keeps what was acknowledged over kills under load, once', async () => {
    const acknowledged = new Map<ReturnType<typeof anAggregate>, string>();
    let running = true;
    const writer = async () => {
      while (running) {
        const [aggregate, context] = [anAggregate(), aCommand()];
        for (let done = false; !done && running;) {
          const result = await store.append(context, [write(aggregate, renamed('a', 'b'))]).catch(() => undefined);
          if (!result || result.outcome === 'unknown') continue;
          expect(['appended', 'already-applied']).toContain(result.outcome);
          acknowledged.set(aggregate, context.commandId);
          done = true;
        }
      }
    };
    const writers = Array.from({ length: 8 }, writer);
    for (let round = 1; round <= 3; round += 1) {
      const before = acknowledged.size;
      await waitFor(() => acknowledged.size > before + 50, { describe: 'load' });
      await server.kill();
      await server.restart();
    }
    running = false;
    await Promise.all(writers);
    for (const [aggregate, commandId] of acknowledged) {
      const events = await waitFor(() => store.read(aggregate));
      expect(events.map((event) => [event.commandId, event.version])).toEqual([
        [commandId, 1],
        [commandId, 2],
      ]);
    }
  });

  it('ends with an error when the connection was closed for good', async () => {
    const connection = await connectTo(server.port);
    const closed = await JetStreamEventStore.open(connection);
    await connection.close();
    await expect(closed.append(aCommand(), [write(anAggregate(), renamed('a'))])).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(closed.read(anAggregate())).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
});

const disk = await smallDisk(4);
beforeAll(() => void (disk && atEnd(() => execFileSync('umount', ['-l', disk]))));

/** Undefined where none can be mounted. Before the tests are known, for the title says so. */
async function smallDisk(megabytes: number): Promise<string | undefined> {
  const dir = await mkdtemp(join(tmpdir(), 'sandlot-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', dir], { stdio: 'ignore' });
    return dir;
  } catch {
    return undefined;
  }
}

itUnless(disk ? undefined : 'a small disk cannot be mounted: that takes root')(
  'acknowledges nothing that is not stored when the disk of NATS is full, and goes on after a restart with room',
  async () => {
    const dir = disk!;
    const ballast = join(dir, 'ballast');
    await writeFile(ballast, Buffer.alloc(2_000_000));
    const server = await startTestNats({ dataDir: join(dir, 'nats') });
    const connection = await connectTo(server.port);
    await ensureStreams(connection);
    const store = await JetStreamEventStore.open(connection, { attemptTimeoutMs: 300, appendDeadlineMs: 500 });
    const large = renamed('x'.repeat(20_000));
    const acknowledged: AggregateRef[] = [];
    const refused: { context: CommandContext; aggregate: AggregateRef }[] = [];
    while (refused.length < 3) {
      const [context, aggregate] = [aCommand(), anAggregate()];
      const outcome = await store.append(context, [write(aggregate, large)]).then(
        (result) => result.outcome,
        (error) => error.code as string,
      );
      if (outcome === 'appended') acknowledged.push(aggregate);
      else refused.push({ context, aggregate });
      expect(['appended', 'unknown', 'UNAVAILABLE']).toContain(outcome);
      expect(acknowledged.length).toBeLessThan(200); // the disk does get full
    }
    await server.kill();
    await rm(ballast);
    await server.restart();
    for (const { context, aggregate } of refused)
      await waitFor(
        () => store.append(context, [write(aggregate, large)]),
        {},
        ({ outcome }) => outcome === 'appended' || outcome === 'already-applied',
      );
    expect(acknowledged.length).toBeGreaterThan(10);
    for (const aggregate of [...acknowledged, ...refused.map((each) => each.aggregate)])
      expect(await store.read(aggregate)).toHaveLength(1);
  },
);
