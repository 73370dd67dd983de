import { jetstreamManager } from '@nats-io/jetstream';
import { newId } from '@sandlot/kernel';
import { aggregateRef, operationRef, ProjectionPositionSkipped, SandboxPauseRequested } from '@sandlot/contracts';
import { startTestNats, startTestPostgres, freshDatabase, waitFor } from '@sandlot/testing';
import { before, ProjectionsUnderTest, requested, sandboxes, trail, waitForState } from './projections-under-test.js';

describe('a read model', () => {
  it('shows what was appended to who waits for its position', async () => {
    const platform = await ProjectionsUnderTest.start();
    const runner = platform.runner();
    for (const pauses of [1, 2, 3]) {
      const position = await platform.scribe.sandbox(pauses);
      await runner.reached('sandboxes', position, { withinMs: 10_000 });
      expect((await platform.shown()).map((row) => row.pauses).sort()).toContain(pauses);
    }
    expect(await platform.shown()).toEqual(await platform.folded());
    await expect(runner.reached('sandboxes', 1_000, { withinMs: 50 })).rejects.toMatchObject({ code: 'POSITION_NOT_REACHED' });
    await expect(runner.reached('unknown', 1, { withinMs: 50 })).rejects.toMatchObject({ code: 'PROJECTION_NOT_FOUND' });
  });

  it('goes on from its checkpoint after a restart, each event once', async () => {
    const platform = await ProjectionsUnderTest.start();
    const sandbox = aggregateRef('sandbox', newId('sbx'));
    const first = platform.runner();
    await first.reached('sandboxes', await platform.scribe.sandbox(50, sandbox), { withinMs: 10_000 });
    await first.stop();
    const position = await platform.scribe.sandbox(50, sandbox);
    await platform.runner().reached('sandboxes', position, { withinMs: 10_000 });
    expect(await platform.shown()).toMatchObject([{ id: sandbox.id, pauses: 100 }]);
  });

  it('has each event once when its connection is killed in the middle of transactions', async () => {
    const platform = await ProjectionsUnderTest.start();
    let kills = 0;
    const fragile = before(sandboxes, async (_, write) => {
      if (kills >= 5) return;
      kills += 1;
      await write.query(`update ${write.slot}.sandboxes set pauses = pauses + 1000`);
      await write.query('select pg_terminate_backend(pg_backend_pid())');
    });
    const runner = platform.runner({ models: [fragile] });
    const position = await platform.scribe.sandbox(500);
    await runner.reached('sandboxes', position, { withinMs: 20_000 });
    expect(kills).toBe(5);
    expect(await platform.shown()).toEqual(await platform.folded());
  });

  it('outlives PostgreSQL: waits, says so, and has each event once', async () => {
    const postgres = await startTestPostgres();
    const platform = await ProjectionsUnderTest.start({ database: await freshDatabase(postgres) });
    const runner = platform.runner();
    await runner.reached('sandboxes', await platform.scribe.sandbox(10), { withinMs: 10_000 });
    await postgres.kill();
    const position = await platform.scribe.sandbox(300);
    await waitForState(
      runner,
      'sandboxes',
      ({ state, stopped }) => state === 'waiting' && stopped?.code === 'UNAVAILABLE',
      'the runner waits',
    );
    await expect(runner.reached('sandboxes', position, { withinMs: 100 })).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await postgres.restart();
    await waitForState(
      runner,
      'sandboxes',
      (status) => status.state === 'running' && status.position >= position,
      'the runner has caught up',
    );
    expect(await platform.shown()).toEqual(await platform.folded());
  });

  it('outlives NATS', async () => {
    const nats = await startTestNats();
    const platform = await ProjectionsUnderTest.start({ natsUrl: nats.url });
    const runner = platform.runner();
    await runner.reached('sandboxes', await platform.scribe.sandbox(10), { withinMs: 10_000 });
    await nats.kill();
    await waitForState(runner, 'sandboxes', ({ state }) => state === 'waiting', 'the runner waits');
    await nats.restart();
    await waitFor(() => platform.lastPosition(), { describe: 'the log is back' });
    await runner.reached('sandboxes', await platform.scribe.sandbox(10), { withinMs: 10_000 });
    expect(await platform.shown()).toEqual(await platform.folded());
  });

  it('comes back from the log when its rows are gone', async () => {
    const platform = await ProjectionsUnderTest.start();
    const first = platform.runner();
    const position = await platform.scribe.sandbox(120);
    await first.reached('sandboxes', position, { withinMs: 10_000 });
    await first.stop();
    const shown = await platform.shown();
    await platform.rows('delete from provisioner_blue.sandboxes');
    await platform.rows('update provisioner.checkpoints set position = 0');
    await platform.runner().reached('sandboxes', position, { withinMs: 10_000 });
    expect(await platform.shown()).toEqual(shown);
  });

  it('is read ahead of by a bounded number of records, however slow it is', async () => {
    const platform = await ProjectionsUnderTest.start();
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    const sizes: number[] = [];
    const slow = before(sandboxes, (events) => (sizes.push(events.length), held));
    const position = await platform.scribe.sandbox(3_000);
    const runner = platform.runner({ models: [slow], batch: 50 });
    await waitFor(() => sizes.length, { describe: 'the first batch is held' });
    const manager = await jetstreamManager(platform.connection);
    const delivered = async (): Promise<number> => {
      const [consumer] = await manager.consumers.list('DOMAIN').next();
      return consumer!.delivered.stream_seq;
    };
    let seen = -1;
    await waitFor(async () => seen === (seen = await delivered()), { describe: 'the reader stands still', every: 300 });
    expect(seen).toBeLessThan(500);
    await expect(runner.reached('sandboxes', position, { withinMs: 50 })).rejects.toMatchObject({ code: 'POSITION_NOT_REACHED' });
    release();
    await runner.reached('sandboxes', position, { withinMs: 20_000 });
    expect(Math.max(...sizes)).toBeLessThanOrEqual(50);
    expect(await platform.shown()).toEqual(await platform.folded());
  });
});

describe('an event that cannot be applied', () => {
  const poisoned = (armed: { poison: boolean }) =>
    before(sandboxes, (events) => {
      if (armed.poison && events.some((event) => (event.fact.data as { name?: string }).name === 'poison'))
        throw new TypeError('cannot take this');
    });

  it('parks one read model, at its position, with all before it applied; the others go on', async () => {
    const platform = await ProjectionsUnderTest.start();
    const armed = { poison: true };
    await platform.scribe.sandbox(5);
    const poison = await platform.scribe.append(aggregateRef('sandbox', newId('sbx')), requested('poison'));
    const last = await platform.scribe.sandbox(5);
    const runner = platform.runner({ models: [poisoned(armed), trail] });
    const parked = await waitForState(runner, 'sandboxes', ({ state }) => state === 'parked', 'it is parked');
    expect(parked).toMatchObject({
      position: poison - 1,
      stopped: { code: 'POISON', at: poison, reason: expect.stringContaining('cannot take this') },
    });
    await runner.reached('trail', last, { withinMs: 10_000 });
    await expect(runner.reached('sandboxes', last, { withinMs: 60_000 })).rejects.toMatchObject({
      code: 'POSITION_NOT_REACHED',
      details: { state: 'parked' },
    });
    expect(await platform.shown()).toMatchObject([{ pauses: 5 }]);

    await runner.stop();
    armed.poison = false;
    const next = platform.runner({ models: [poisoned(armed), trail] });
    await waitForState(next, 'sandboxes', ({ active, state }) => active && state === 'parked', 'it is still parked after a restart');
    await next.retry('sandboxes');
    await waitForState(next, 'sandboxes', ({ state, position }) => state === 'running' && position >= last, 'it goes on');
    expect(await platform.shown()).toEqual(await platform.folded());
  });

  it('is left out once an operator skips it, also when all is rebuilt on an empty database', async () => {
    const platform = await ProjectionsUnderTest.start();
    const sandbox = aggregateRef('sandbox', newId('sbx'));
    const poison = await platform.scribe.append(sandbox, requested('poison'));
    const last = await platform.scribe.sandbox(5, sandbox);
    const models = [poisoned({ poison: true })];
    const runner = platform.runner({ models });
    await waitForState(runner, 'sandboxes', ({ state }) => state === 'parked', 'it is parked');
    await expect(runner.skip('sandboxes', last, 'the wrong one')).rejects.toMatchObject({ code: 'CONFLICT' });
    await platform.scribe.append(
      operationRef('provisioner', 'projection', 'sandboxes'),
      ProjectionPositionSkipped({ position: poison, reason: 'r' }),
    );
    await runner.skip('sandboxes', poison, 'it was written by hand');
    await runner.skip('sandboxes', poison, 'again');
    await waitForState(runner, 'sandboxes', ({ state, position }) => state === 'running' && position >= last, 'it goes on');
    expect(await platform.shown()).toMatchObject([{ name: '', pauses: 5 }]);
    await runner.stop();

    await platform.asOwner('delete from provisioner.checkpoints; delete from provisioner.projections');
    const next = platform.runner({ models });
    await next.reached('sandboxes', last, { withinMs: 10_000 });
    expect(await platform.shown()).toMatchObject([{ name: '', pauses: 5 }]);
    expect(next.status()).toMatchObject([{ skipped: [poison] }]);
  });

  it('parks only those that take its aggregate when it cannot even be read', async () => {
    const platform = await ProjectionsUnderTest.start();
    await platform.publishRaw(aggregateRef('user', newId('usr')), { 'ce-type': 'dev.sandlot.user.created.v1' }, '{"broken');
    const sandbox = aggregateRef('sandbox', newId('sbx'));
    const last = await platform.scribe.sandbox(2, sandbox);
    const runner = platform.runner();
    await waitForState(runner, 'trail', ({ state, stopped }) => state === 'parked' && stopped?.at === 1, 'the trail is parked');
    await runner.reached('sandboxes', last, { withinMs: 10_000 });
    await runner.skip('trail', 1, 'not ours');
    await waitForState(runner, 'trail', ({ state, position }) => state === 'running' && position >= last, 'the trail goes on');
    expect(await platform.rows('select position::int from provisioner.trail order by 1')).toEqual([
      { position: 2 },
      { position: 3 },
      { position: 4 },
    ]);
  });
});

describe('several processes', () => {
  it('have one that applies; another takes over when it loses its lock, and what it still does has no effect', async () => {
    const platform = await ProjectionsUnderTest.start();
    const first = platform.runner();
    await waitForState(first, 'sandboxes', ({ active, state }) => active && state === 'running', 'the first is active');
    const second = platform.runner();
    const sandbox = aggregateRef('sandbox', newId('sbx'));
    const position = await platform.scribe.sandbox(10, sandbox);
    await second.reached('sandboxes', position, { withinMs: 10_000 }); // by polling
    expect(second.status()[0]).toMatchObject({ active: false });

    const takeovers = 3;
    for (let round = 0; round < takeovers; round += 1) {
      await platform.rows(`select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and granted`);
      const reached = await platform.scribe.sandbox(200, sandbox);
      await Promise.all([first, second].map((runner) => runner.reached('sandboxes', reached, { withinMs: 15_000 })));
    }
    await waitFor(
      () => [first, second].map((runner) => runner.status()[0]!.active),
      { describe: 'one is active' },
      (active) => active.filter(Boolean).length === 1,
    );
    expect(await platform.shown()).toEqual(await platform.folded());
    expect(await platform.shown()).toMatchObject([{ pauses: 10 + takeovers * 200 }]);
  });

  it('do not apply a batch twice when one has lost its lock in the middle of it and does not know', async () => {
    const platform = await ProjectionsUnderTest.start();
    const sandbox = aggregateRef('sandbox', newId('sbx'));
    const gate = Promise.withResolvers<void>();
    let holding = false;
    const held = before(sandboxes, (events) => ((holding = events[0]!.version > 1), holding && gate.promise));
    const asleep = platform.runner({ models: [held] });
    await asleep.reached('sandboxes', await platform.scribe.sandbox(0, sandbox), { withinMs: 10_000 });
    const position = await platform.scribe.sandbox(20, sandbox);
    await waitFor(() => holding, { describe: 'the first is in the middle of a batch' });
    await platform.rows(`select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and granted`);
    const awake = platform.runner({ models: [sandboxes] });
    const waiting = () => platform.rows(`select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like '%checkpoints%'`);
    await waitFor(waiting, { describe: 'the second meets the first at the checkpoint' }, (rows) => rows.length > 0);
    gate.resolve();
    const statuses = () => [asleep, awake].map((runner) => runner.status()[0]!);
    const done = (seen: ReturnType<typeof statuses>) => seen.some((status) => status.active && status.position === position);
    await waitFor(statuses, { describe: 'the second has found the batch applied' }, done);
    await asleep.stop();
    expect(await platform.shown()).toMatchObject([{ pauses: 20 }]);
  });

  it("take an operator's act wherever it arrives", async () => {
    const platform = await ProjectionsUnderTest.start();
    const active = platform.runner();
    await waitForState(active, 'sandboxes', ({ active }) => active, 'the first is active');
    const standby = platform.runner();
    const position = await platform.scribe.sandbox(10);
    await active.reached('sandboxes', position, { withinMs: 10_000 });
    await standby.rebuild('sandboxes', 'because');
    await waitForState(standby, 'sandboxes', ({ live, rebuild }) => live === 'green' && !rebuild, 'the rebuild is shown');
    expect(await platform.shown()).toEqual(await platform.folded());
  });
});

describe('a rebuild', () => {
  it('under live traffic is never seen half done, and ends equal to a fold of the log', async () => {
    const platform = await ProjectionsUnderTest.start();
    const refs = Array.from({ length: 5 }, () => aggregateRef('sandbox', newId('sbx')));
    for (const ref of refs) await platform.scribe.sandbox(1_000, ref);
    let building = '';
    const slower = before(sandboxes, async (_, write) => {
      if (write.slot === building) await new Promise((resolve) => setTimeout(resolve, 40)); // never quite there by itself
    });
    const runner = platform.runner({ models: [slower], batch: 300 });
    await runner.reached('sandboxes', await platform.lastPosition(), { withinMs: 20_000 });

    let done = false;
    const sums: number[] = [];
    const traffic = async (): Promise<void> => {
      while (!done) for (const ref of refs) await platform.scribe.append(ref, SandboxPauseRequested({ cause: 'user' }));
    };
    const queries = async (): Promise<void> => {
      while (!done)
        sums.push((await platform.rows<{ sum: number }>('select coalesce(sum(pauses), 0)::int as sum from provisioner.sandboxes'))[0]!.sum);
    };
    const busy = [traffic(), queries()];
    for (const live of ['green', 'blue']) {
      building = `provisioner_${live}`;
      await runner.rebuild('sandboxes', 'a test');
      await waitForState(runner, 'sandboxes', (status) => status.live === live && !status.rebuild, `${live} is shown`);
    }
    done = true;
    await Promise.all(busy);
    await runner.reached('sandboxes', await platform.lastPosition(), { withinMs: 10_000 });
    expect(sums[0]).toBeGreaterThanOrEqual(5_000);
    expect(sums.every((sum, i) => i === 0 || sum >= sums[i - 1]!)).toBe(true);
    expect(await platform.shown()).toEqual(await platform.folded());
    await waitFor(
      () => platform.rows('select 1 from provisioner_green.sandboxes'),
      { describe: 'the old tables are empty' },
      (rows) => rows.length === 0,
    );
  });

  it('goes on where it was when the process ends in the middle of it', async () => {
    const platform = await ProjectionsUnderTest.start();
    await platform.scribe.sandbox(1_000);
    let slow = true;
    const gate = before(sandboxes, async (_, write) => {
      if (slow && write.slot.endsWith('green')) await new Promise((resolve) => setTimeout(resolve, 50));
    });
    const first = platform.runner({ models: [gate], batch: 20 });
    await first.reached('sandboxes', await platform.lastPosition(), { withinMs: 10_000 });
    await first.rebuild('sandboxes', 'a test');
    const half = await waitForState(first, 'sandboxes', ({ rebuild }) => (rebuild?.position ?? 0) > 100, 'it is under way');
    expect(half.rebuild!.progress).toBeGreaterThan(0);
    await first.stop();
    slow = false;
    const second = platform.runner({ models: [gate] });
    await waitForState(second, 'sandboxes', ({ live, rebuild }) => live === 'green' && !rebuild, 'it is shown');
    expect(await platform.shown()).toEqual(await platform.folded());
  });
});

describe('the past', () => {
  it('is folded up to a position or a time, for one query', async () => {
    const platform = await ProjectionsUnderTest.start();
    const runner = platform.runner();
    const sandbox = aggregateRef('sandbox', newId('sbx'));
    const early = await platform.scribe.sandbox(3, sandbox);
    await waitFor(() => new Promise((resolve) => setTimeout(() => resolve(true), 5)));
    const time = new Date().toISOString();
    await waitFor(() => new Promise((resolve) => setTimeout(() => resolve(true), 5)));
    await runner.reached('sandboxes', await platform.scribe.sandbox(7, sandbox), { withinMs: 10_000 });
    const pausesAt = (at: number | string, limit?: number) =>
      runner.withModelAt('sandboxes', at, async (past) => (await past.query(`select pauses from ${past.slot}.sandboxes`)).rows, { limit });
    expect(await pausesAt(early)).toEqual([{ pauses: 3 }]);
    expect(await pausesAt(early - 1)).toEqual([{ pauses: 2 }]);
    expect(await pausesAt(time)).toEqual([{ pauses: 3 }]);
    expect(await pausesAt(new Date().toISOString())).toEqual([{ pauses: 10 }]);
    expect(await pausesAt('2020-01-01T00:00:00.000Z')).toEqual([]);
    await expect(pausesAt(early, 2)).rejects.toMatchObject({ code: 'VALIDATION_FAILED' });
    await expect(pausesAt(9_999)).rejects.toMatchObject({ code: 'POSITION_NOT_REACHED' });
    expect(await platform.shown()).toMatchObject([{ pauses: 10 }]);
  });
});
