import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import { newId } from '@sandlot/kernel';
import {
  aggregateRef,
  catalogue,
  DOMAIN_STREAM,
  SandboxPauseRequested,
  subjectOf,
  toHeaders,
  type EventDefinition,
} from '@sandlot/contracts';
import { revisionOf, toWire } from '@sandlot/event-store';
import { startTestNats, waitFor } from '@sandlot/testing';
import { LogVerification, type ProjectionRunner } from './index.js';
import { addStream, before, context, ProjectionsUnderTest, requested, sandboxes, trail, waitForState } from './projections-under-test.js';

const unguarded = { stream: { deny_delete: false, deny_purge: false } };

const halted = (runner: ProjectionRunner, name: string, code: string) =>
  waitForState(runner, name, ({ state, stopped }) => state === 'halted' && stopped?.code === code, `${name} halts with ${code}`);

describe('a read model halts, and never goes on past', () => {
  it('a position that is missing, until an operator gives it up', async () => {
    const platform = await ProjectionsUnderTest.start(unguarded);
    const sandbox = aggregateRef('sandbox', newId('sbx'));
    await platform.scribe.sandbox(9, sandbox);
    const manager = await jetstreamManager(platform.connection);
    await manager.streams.deleteMessage(DOMAIN_STREAM, 5, true);
    const runner = platform.runner();
    for (const name of ['sandboxes', 'trail']) expect(await halted(runner, name, 'GAP')).toMatchObject({ position: 4, stopped: { at: 5 } });
    expect(await platform.shown()).toMatchObject([{ pauses: 3 }]);
    await runner.retry('sandboxes');
    const skipped = () => runner.skip('sandboxes', 5, 'lost for good').then(() => true);
    await waitFor(skipped, { describe: 'it has halted there again, and is told to go on' });
    await waitForState(runner, 'sandboxes', ({ state, position }) => state === 'running' && position === 10, 'it goes on');
    expect(await platform.shown()).toMatchObject([{ pauses: 8 }]);
    await halted(runner, 'trail', 'GAP');
    await runner.rebuild('sandboxes', 'a test');
    await waitForState(runner, 'sandboxes', ({ live, rebuild }) => live === 'green' && !rebuild, 'it is rebuilt');
    expect(await platform.shown()).toMatchObject([{ pauses: 8 }]);
  });

  it('an event of a newer version, until a process comes that can read it', async () => {
    const platform = await ProjectionsUnderTest.start(unguarded);
    const sandbox = aggregateRef('sandbox', newId('sbx'));
    await platform.scribe.sandbox(3, sandbox);
    const store = platform.store;
    const last = (await store.read(sandbox)).at(-1)!;
    const wire = toWire(context(), {
      aggregate: sandbox,
      expected: revisionOf(last),
      facts: [SandboxPauseRequested({ cause: 'user' })],
    })[0]!;
    const newer = 'sandbox.pause-requested.v2';
    await platform.publishRaw(sandbox, { ...Object.fromEntries(wire.headers), 'ce-type': `dev.sandlot.${newer}` }, '{"cause":"user"}');
    const older = platform.runner();
    for (const name of ['sandboxes', 'trail'])
      expect(await halted(older, name, 'NEWER_EVENT')).toMatchObject({
        position: 4,
        stopped: { at: 5, reason: expect.stringContaining(newer) },
      });
    await older.stop();

    const everything = catalogue as Map<string, EventDefinition>;
    everything.set(newer, { type: newer, schema: SandboxPauseRequested.schema });
    try {
      const updated = platform.runner();
      for (const name of ['sandboxes', 'trail'])
        await waitForState(updated, name, ({ state, position }) => state === 'running' && position === 5, 'it goes on');
      await updated.stop();
    } finally {
      everything.delete(newer);
    }
  });

  it('the end of the log when its last record cannot be had', async () => {
    const platform = await ProjectionsUnderTest.start(unguarded);
    await platform.scribe.sandbox(9);
    const manager = await jetstreamManager(platform.connection);
    await manager.streams.deleteMessage(DOMAIN_STREAM, 10, true);
    expect(await halted(platform.runner(), 'sandboxes', 'GAP')).toMatchObject({ position: 9, stopped: { at: 10 } });
  });

  it('a log that is older than what it has read, also when that has grown since', async () => {
    const nats = await startTestNats();
    const platform = await ProjectionsUnderTest.start({ natsUrl: nats.url });
    const runner = platform.runner();
    const sandbox = aggregateRef('sandbox', newId('sbx'));
    await runner.reached('sandboxes', await platform.scribe.sandbox(4, sandbox), { withinMs: 10_000 });
    await nats.stop();
    const backup = join(nats.dataDir, '..', 'backup');
    await cp(nats.dataDir, backup, { recursive: true });
    await nats.restart();
    await waitFor(() => platform.lastPosition(), { describe: 'the log is back' });
    await runner.reached('sandboxes', await platform.scribe.sandbox(4, sandbox), { withinMs: 10_000 });
    const shown = await platform.shown();
    await nats.stop();
    await rm(join(nats.dataDir), { recursive: true });
    await cp(backup, nats.dataDir, { recursive: true });
    await nats.restart();
    expect(await halted(runner, 'sandboxes', 'LOG_REWOUND')).toMatchObject({ position: 9 });
    for (let i = 0; i < 6; i += 1) await platform.scribe.append(aggregateRef('sandbox', newId('sbx')), requested());
    await runner.retry('sandboxes');
    await halted(runner, 'sandboxes', 'CHECKPOINT_MISMATCH');
    expect(await platform.shown()).toEqual(shown);

    await runner.rebuild('sandboxes', 'this is the log now');
    await waitForState(
      runner,
      'sandboxes',
      ({ live, state, rebuild }) => live === 'green' && state === 'running' && !rebuild,
      'it is rebuilt',
    );
    expect((await platform.shown()).length).toBe(7);
    await runner.reached('sandboxes', await platform.scribe.append(aggregateRef('sandbox', newId('sbx')), requested()), {
      withinMs: 10_000,
    });
  });

  it('a stream that was made anew under it, without a break in the connection', async () => {
    const platform = await ProjectionsUnderTest.start(unguarded);
    const runner = platform.runner();
    await runner.reached('sandboxes', await platform.scribe.sandbox(4), { withinMs: 10_000 });
    const shown = await platform.shown();
    await (await jetstreamManager(platform.connection)).streams.delete(DOMAIN_STREAM);
    await addStream(platform.connection);
    for (let i = 0; i < 10; i += 1) await platform.scribe.append(aggregateRef('sandbox', newId('sbx')), requested());
    await halted(runner, 'sandboxes', 'STREAM_RECREATED');
    expect(await platform.shown()).toEqual(shown);
  });

  it('a record that was rewritten behind its checkpoint', async () => {
    const platform = await ProjectionsUnderTest.start();
    const first = platform.runner();
    const position = await platform.scribe.sandbox(4);
    await first.reached('sandboxes', position, { withinMs: 10_000 });
    await first.stop();
    await platform.rows(`update provisioner.checkpoints set event_hash = 'other' where projection = 'sandboxes'`);
    const runner = platform.runner();
    await halted(runner, 'sandboxes', 'CHECKPOINT_MISMATCH');
    await runner.reached('trail', position, { withinMs: 10_000 });
  });

  it.each([
    ['carries the hash of another predecessor', 2, 'x'.repeat(43)],
    ['leaves out a version', 3, undefined],
    ['makes an aggregate a second time', 1, ''],
  ])('an event that %s; all before it is applied, and those that do not take it go on', async (_, version, forged) => {
    const platform = await ProjectionsUnderTest.start();
    const sandbox = aggregateRef('sandbox', newId('sbx'));
    const good = await platform.scribe.append(sandbox, requested('good'));
    const [event] = await platform.store.read(sandbox);
    const { id: _id, previousHash, ...rest } = event!;
    const fact = SandboxPauseRequested({ cause: 'user' });
    const envelope = { ...rest, ...context(), id: newId('evt'), type: fact.type, version, previousHash: forged ?? previousHash };
    await platform.publishRaw(
      sandbox,
      Object.fromEntries(toHeaders({ ...envelope, previousHash: forged ?? event!.hash })),
      JSON.stringify(fact.data),
    );
    const runner = platform.runner({ models: [sandboxes, { ...trail, aggregates: ['user'] }] });
    expect(await halted(runner, 'sandboxes', 'CHAIN_BROKEN')).toMatchObject({
      position: good,
      stopped: { at: good + 1, reason: expect.stringContaining(subjectOf(sandbox)) },
    });
    await runner.reached('trail', good + 1, { withinMs: 10_000 });
    expect(await platform.shown()).toMatchObject([{ name: 'good', pauses: 0 }]);
  });

  it('what the verification of the whole log finds, and goes on when it finds it mended', async () => {
    const platform = await ProjectionsUnderTest.start();
    const position = await platform.scribe.sandbox(4);
    let verdict: Awaited<ReturnType<ConstructorParameters<typeof LogVerification>[0]>> = { ok: true, upTo: 5 };
    const verification = new LogVerification(() => Promise.resolve(verdict), { everyMs: 60_000 });
    const runner = platform.runner({ verification });
    await runner.reached('sandboxes', position, { withinMs: 10_000 });
    verdict = { ok: false, at: 3, problem: 'the hash of position 3 does not fit' };
    await verification.run();
    for (const name of ['sandboxes', 'trail']) expect(await halted(runner, name, 'LOG_DAMAGED')).toMatchObject({ stopped: { at: 3 } });
    verdict = { ok: true, upTo: 5 };
    await runner.retry('sandboxes');
    const next = await platform.scribe.sandbox(4);
    await waitForState(runner, 'sandboxes', ({ position: at }) => at === next, 'it goes on');
    verification.stop();
  });
});

it('a standby halts where the active one did', async () => {
  const platform = await ProjectionsUnderTest.start(unguarded);
  await platform.scribe.sandbox(3);
  await (await jetstreamManager(platform.connection)).streams.deleteMessage(DOMAIN_STREAM, 2, true);
  const applied: number[] = [];
  const watched = before(sandboxes, (events) => applied.push(...events.map(({ position }) => position)));
  const first = platform.runner({ models: [watched] });
  await halted(first, 'sandboxes', 'GAP');
  const second = platform.runner({ models: [watched] });
  await first.stop();
  await waitForState(second, 'sandboxes', ({ active, state }) => active && state === 'halted', 'the second is active and halts');
  expect(applied).toEqual([1]);
});
