import { tempDir, waitFor } from '@sandlot/testing';
import { openRuntime } from './adapters/process-runtime.fixture.js';
import { context, platform } from './rebuild.fixture.js';

it('a rebuild makes sandboxes of the process runtime again on a machine that has none of them', async () => {
  const lost = await openRuntime(await tempDir());
  const { now, request, on, sandboxes, alice, types } = platform(lost);
  const [running, paused] = [await request('s1'), await request('s2')];
  for (const id of [running, paused]) await now.settle(id);
  await sandboxes.pause({ context: context(), userId: alice.userId, name: 's2' });
  await now.settle(paused);
  await lost.close();

  const { rebuild, runtime } = on(await openRuntime(await tempDir()));
  const work = [{ name: 'work', outcome: 'is-made-anew' }];
  expect((await rebuild.plan()).sandboxes).toMatchObject([
    { id: running, outcome: 'comes-back', as: 'running', volumes: work },
    { id: paused, outcome: 'comes-back', as: 'paused', volumes: work },
  ]);
  await rebuild.start(context(), 'another machine');
  await waitFor(() => types().includes('runtime.rebuild-completed.v1'));
  await waitFor(
    () => runtime.find(running),
    { within: 20_000, describe: 'the sandbox runs' },
    (found) => found.exists && found.seen.phase === 'running',
  );
  expect(await runtime.find(paused)).toMatchObject({ exists: true, seen: { phase: 'stopped' } });
  expect((await rebuild.status()).plan.counts).toMatchObject({ sandboxes: { there: 2, 'comes-back': 0 } });
});
