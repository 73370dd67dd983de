import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { headers, type NatsConnection } from '@nats-io/transport-node';
import type { NatsServer } from '@sandlot/embedded';
import { startTestNats, waitFor } from '@sandlot/testing';
import { ensureStreams } from './domain-stream.js';
import { aCommand, anAggregate, renamed, write } from './event-store.features.js';
import { nothing, type AppendResult, type Revision } from './event-store.js';
import { JetStreamEventStore } from './jetstream-event-store.js';
import { connectTo, lastPosition } from './jetstream-under-test.js';
import { verifiedLog, verifyLog } from './log-verifier.js';
import { toWire } from './record.js';

describe('verifying the log', () => {
  let server: NatsServer;
  let connection: NatsConnection;
  let store: JetStreamEventStore;

  beforeEach(async () => {
    server = await startTestNats();
    connection = await connectTo(server.port);
    await ensureStreams(connection);
    store = await JetStreamEventStore.open(connection);
  });

  const append = async (aggregate: ReturnType<typeof anAggregate>, name: string, expected: Revision = nothing) =>
    ((await store.append(aCommand(), [write(aggregate, renamed(name), expected)])) as Extract<AppendResult, { outcome: 'appended' }>)
      .revisions[0]!;

  it('finds nothing wrong with an empty log', async () => {
    expect(await verifiedLog(connection)).toEqual({ ok: true, upTo: 0 });
  });

  it('finds nothing wrong with what the store wrote, and tells how far it is', async () => {
    await Promise.all(
      Array.from({ length: 20 }, async (_, i) => {
        const aggregate = anAggregate();
        await append(aggregate, 'b', await append(aggregate, `a${i}`));
      }),
    );
    const verification = verifyLog(connection, { progressEvery: 16 });
    expect(await verification.next()).toEqual({ done: false, value: { position: 16, upTo: 40 } });
    expect(await verification.next()).toEqual({ done: false, value: { position: 32, upTo: 40 } });
    expect(await verification.next()).toEqual({ done: true, value: { ok: true, upTo: 40 } });
  });

  it.each([
    ['a version that does not follow', { 'ce-version': '3' }, /goes from version 1 to 3/],
    ['another hash than the predecessor has', { 'ce-previoushash': 'A'.repeat(43) }, /carries another hash/],
    ['no event at all', { 'ce-version': '' }, /goes from version 1 to none/],
  ])('finds %s', async (_, change, problem) => {
    const aggregate = anAggregate();
    const revision = await append(aggregate, 'a');
    const [wire] = toWire(aCommand(), write(aggregate, renamed('b'), revision));
    const hdrs = headers();
    for (const [name, value] of new Map([...wire!.headers, ...Object.entries(change as Record<string, string>)]))
      if (value) hdrs.append(name, value);
    await connection.request(wire!.subject, wire!.body, { headers: hdrs, timeout: 2_000 });
    await append(anAggregate(), 'c');
    expect(await verifiedLog(connection)).toEqual({ ok: false, at: 2, problem: expect.stringMatching(problem) });
  });

  it.each([
    ['in the middle', 'event 3', 3],
    ['at the very end', 'event 5', 5],
  ])('finds a flipped bit %s, of which JetStream says nothing', async (_, name, position) => {
    for (let i = 1; i <= 5; i += 1) await append(anAggregate(), `event ${i}`);
    await server.stop();
    await flipBit(server.dataDir, name);
    await server.restart();
    await waitFor(() => lastPosition(connection), { describe: 'the stream is back' });
    expect(await lastPosition(connection)).toBe(5);
    expect(await verifiedLog(connection, { patienceMs: 500 })).toEqual({ ok: false, at: position, problem: 'missing' });
  });
});

async function flipBit(dataDir: string, where: string): Promise<void> {
  const dir = join(dataDir, 'jetstream', '$G', 'streams', 'DOMAIN', 'msgs');
  for (const name of (await readdir(dir)).filter((each) => each.endsWith('.blk'))) {
    const block = await readFile(join(dir, name));
    const at = block.indexOf(where);
    if (at < 0) continue;
    block[at]! ^= 1;
    await writeFile(join(dir, name), block);
    return;
  }
  throw new Error(`${where} stands in no block`);
}
