import { newId } from '@sandlot/kernel';
import { waitFor } from '@sandlot/testing';
import { MemoryRuntime } from './memory-runtime.js';
import { testRuntime } from './runtime.features.js';

testRuntime('memory', async () => {
  const runtime = new MemoryRuntime({ startMs: 20, backoff: { firstMs: 100 } });
  return { runtime, real: false, crash: async (sandboxId) => runtime.crash(sandboxId), occupyNamespace: false };
});

describe('the memory runtime', () => {
  const owner = newId('usr');
  const spec = { image: 'runtime:1', ports: [{ port: 8888 }] };
  const place = { owner, username: 'alice', namespace: 'user-alice', name: 's1', spec };

  it('fails the next action when told to, once, and without doing it', async () => {
    const runtime = new MemoryRuntime();
    const create = () => runtime.applyNamespace('user-alice', { do: 'create', owner, username: 'alice' });
    runtime.failNext();
    await expect(create()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(await runtime.findNamespace('user-alice', owner)).toEqual({ exists: false });
    await create();
    expect(await runtime.findNamespace('user-alice', owner)).toMatchObject({ ours: true });
  });

  it('starts at once by default, and later when told to', async () => {
    const id = newId('sbx');
    for (const startMs of [0, 50]) {
      const runtime = new MemoryRuntime({ startMs });
      await runtime.applyNamespace('user-alice', { do: 'create', owner, username: 'alice' });
      await runtime.apply(id, { do: 'create', place, running: true });
      expect(await runtime.find(id)).toMatchObject({ running: true, seen: { phase: startMs === 0 ? 'running' : 'pending' } });
      await waitFor(
        () => runtime.find(id),
        {},
        (found) => found.exists && found.seen.phase === 'running',
      );
      await runtime.close();
    }
  });
});
