import { aggregateRef, type RebuildPlan } from '@sandlot/contracts';
import { newId } from '@sandlot/kernel';
import { waitFor } from '@sandlot/testing';
import { MemoryRuntime } from './adapters/memory-runtime.js';
import { sandboxDecider } from './domain/sandbox/decide.js';
import type { Runtime, SandboxPlace } from './ports.js';
import { context, platform } from './rebuild.fixture.js';

const told = ({ namespaces, sandboxes }: RebuildPlan) => [
  ...namespaces.map(({ name, outcome, reason }) => [name, outcome, reason].filter(Boolean).join(' ')),
  ...sandboxes.map(({ name, outcome, as, reason }) => [name, outcome, as, reason].filter(Boolean).join(' ')),
];

describe('a rebuild', () => {
  it('has nothing to do where everything is there', async () => {
    const { now, request } = platform(new MemoryRuntime());
    await now.settle(await request('s1'));
    const plan = await now.rebuild.plan();
    expect(told(plan)).toEqual([]);
    expect(plan.counts).toMatchObject({ namespaces: { there: 1 }, sandboxes: { there: 1, 'comes-back': 0 } });
  });

  it('tells what comes back after the runtime was lost, and changes nothing by telling', async () => {
    const { now, request, on, sandboxes, alice, store } = platform(new MemoryRuntime());
    const [first, second, third] = [await request('s1'), await request('s2'), await request('s3')];
    for (const id of [first, second, third]) await now.settle(id);
    await sandboxes.pause({ context: context(), userId: alice.userId, name: 's2' });
    await now.settle(second);
    await sandboxes.delete({ context: context(), userId: alice.userId, name: 's3' });
    await now.settle(third);
    const before = store.all().length;
    const { rebuild, runtime } = on(new MemoryRuntime());
    expect(told(await rebuild.plan())).toEqual(['user-alice comes-back', 's1 comes-back running', 's2 comes-back paused']);
    expect(store.all().length).toBe(before);
    expect(await runtime.list()).toEqual([]);
  });

  it('applies the plan, as facts of who asked for it and what came of it', async () => {
    const { now, request, on, commands, types, store } = platform(new MemoryRuntime());
    const id = await request('s1');
    await now.settle(id);
    const { rebuild, runtime } = on(new MemoryRuntime());
    const asked = context();
    const { plan } = await rebuild.start(asked, 'the cluster is gone');
    expect(plan.counts.sandboxes).toMatchObject({ 'comes-back': 1 });
    await waitFor(() => types().includes('runtime.rebuild-completed.v1'));
    expect(await runtime.find(id)).toMatchObject({ running: true });
    expect((await commands.load(sandboxDecider, aggregateRef('sandbox', id))).state).toMatchObject({ seen: { phase: 'running' } });
    const [requested, completed] = store.all().filter(({ aggregate }) => aggregate.aggregate === 'runtime');
    expect(requested).toMatchObject({
      actor: asked.actor,
      commandId: asked.commandId,
      fact: {
        data: { reason: 'the cluster is gone', comesBack: { namespaces: 1, sandboxes: 1 }, cannot: { namespaces: 0, sandboxes: 0 } },
      },
    });
    expect(completed).toMatchObject({ fact: { data: { looks: 5, failed: 0 } }, causationId: requested!.id });
    expect(await rebuild.status()).toMatchObject({
      latest: { state: 'completed', reason: 'the cluster is gone', comesBack: { namespaces: 1, sandboxes: 1 } },
      plan: { counts: { sandboxes: { there: 1, 'comes-back': 0 } } },
    });
  });

  it('asked for twice by the same command is one request', async () => {
    const { now, types } = platform(new MemoryRuntime());
    const asked = context();
    await now.rebuild.start(asked, 'once');
    await waitFor(() => types().includes('runtime.rebuild-completed.v1'));
    await now.rebuild.start(asked, 'once');
    expect(types().filter((type) => type === 'runtime.rebuild-requested.v1')).toHaveLength(1);
  });

  it('leaves alone what the log does not know, and takes away what the log has deleted', async () => {
    const { now, request, sandboxes, alice, on } = platform(new MemoryRuntime());
    const id = await request('s1');
    await now.settle(id);
    await sandboxes.delete({ context: context(), userId: alice.userId, name: 's1' });
    await now.settle(id);
    const restored = new MemoryRuntime(); // from a copy that is older than the deletion
    const place: SandboxPlace = {
      owner: alice.userId,
      username: 'alice',
      namespace: 'user-alice',
      name: 's1',
      spec: { image: 'runtime:1', ports: [{ port: 8888 }] },
    };
    await restored.applyNamespace('user-alice', { do: 'create', owner: alice.userId, username: 'alice' });
    const stranger = newId('sbx');
    for (const each of [id, stranger]) await restored.apply(each, { do: 'create', place, running: true });
    const { rebuild } = on(restored);
    const { sandboxes: items } = await rebuild.plan();
    expect(items).toMatchObject([
      { id, outcome: 'goes' },
      { id: stranger, outcome: 'left-alone', reason: 'NOT_IN_THE_LOG' },
    ]);
  });

  it('names what is there and does not run although it should, or runs although it is paused', async () => {
    const { now, request, sandboxes, alice } = platform(new MemoryRuntime());
    const [stopped, running] = [await request('s1'), await request('s2')];
    for (const id of [stopped, running]) await now.settle(id);
    await sandboxes.pause({ context: context(), userId: alice.userId, name: 's2' });
    const { uid } = (await now.runtime.find(stopped)) as { uid: string };
    await now.runtime.apply(stopped, { do: 'stop', uid });
    expect(told(await now.rebuild.plan())).toEqual(['s1 starts', 's2 stops']);
    for (const id of [stopped, running]) await now.settle(id);
    expect(told(await now.rebuild.plan())).toEqual([]);
  });

  it('says what cannot come back, and why', async () => {
    const { now, request, on } = platform(new MemoryRuntime());
    await now.settle(await request('s1'));
    const occupied = new MemoryRuntime();
    await occupied.applyNamespace('user-alice', { do: 'create', owner: newId('usr'), username: 'alice' });
    const { rebuild } = on(occupied);
    expect(told(await rebuild.plan())).toEqual(['user-alice cannot NAMESPACE_NOT_OURS', 's1 cannot NAMESPACE_NOT_OURS']);
  });

  it('tells which volumes are there again: what the runtime still has, and buckets in any case', async () => {
    const { now, request, on } = platform(new MemoryRuntime());
    const volumes = [
      { name: 'data', mountPath: '/data', claim: { size: '1Gi', onDelete: 'delete' } },
      { name: 'scratch', mountPath: '/scratch', claim: { size: '1Gi', onDelete: 'delete' } },
      { name: 'files', mountPath: '/files', bucket: { bucketName: 'acme' } },
    ];
    await now.settle(await request('s1', { volumes }));
    const volumesOn = async (runtime: Runtime) => {
      const [sandbox] = (await on(runtime).rebuild.plan()).sandboxes;
      return sandbox!.volumes!.map(({ name, outcome }) => `${name} ${outcome}`);
    };
    const kept = Object.assign(new MemoryRuntime(), { findVolumes: async () => [{ name: 'work' }, { name: 'data' }] });
    expect(await volumesOn(kept)).toEqual(['work re-attaches', 'data re-attaches', 'scratch is-made-anew', 'files re-attaches']);
    const silent = Object.assign(new MemoryRuntime(), { findVolumes: undefined }) as Runtime;
    expect(await volumesOn(silent)).toEqual(['work unknown', 'data unknown', 'scratch unknown', 'files re-attaches']);
  });
});
