import { aggregateRef } from '@sandlot/contracts';
import { Commands, MemoryEventStore, nothing, serviceContext } from '@sandlot/event-store';
import { newId, type SandboxId } from '@sandlot/kernel';
import { ledgerDecider } from './domain/ledger/ledger.js';
import { sandboxDecider } from './domain/sandbox/decide.js';
import { plainRules } from './domain/sandbox/settings.fixture.js';
import { Sandboxes } from './sandboxes.js';

const quota = { sandboxes: 10, cpu: '4', memory: '8Gi' };
const limits = { idleTimeoutSeconds: 0 };
const context = () => serviceContext('test', nothing);

function platform({ namespacePrefix = 'user-' } = {}) {
  const store = new MemoryEventStore();
  const commands = new Commands(store);
  const sandboxes = new Sandboxes(commands, store, { quota, rules: plainRules, limits, namespacePrefix });
  const owner = { userId: newId('usr'), username: 'alice' };
  return {
    owner,
    store,
    commands,
    sandboxes,
    events: () => store.all().length,
    create: async (name: string) => (await sandboxes.request({ context: context(), owner, name, ports: [{ port: 8888 }] })).sandbox.id,
    /** As the reconciler reports it. */
    gone: (id: SandboxId) =>
      commands.handle(context(), async (work) => {
        const sandbox = await work.load(sandboxDecider, aggregateRef('sandbox', id));
        sandbox.decide({ type: 'DeleteSandbox', cause: 'user' });
        sandbox.decide({ type: 'ReportSandbox', seen: { phase: 'gone' } });
        (await work.load(ledgerDecider, aggregateRef('ledger', owner.userId))).decide({ type: 'ReleaseSandbox', sandboxId: id });
      }),
  };
}

describe('a command that is repeated', () => {
  it('does not take effect on the sandbox that has the name by now', async () => {
    const { owner, sandboxes, create, gone, events } = platform();
    const first = await create('s1');
    const deleting = { context: context(), userId: owner.userId, name: 's1' };
    const pausing = { ...deleting, context: context() };
    await sandboxes.pause(pausing);
    await sandboxes.delete(deleting);
    await gone(first);
    await gone(await create('s1'));
    await create('s1');
    const before = events();
    for (const again of [() => sandboxes.delete(deleting), () => sandboxes.pause(pausing)])
      expect((await again()).sandbox).toMatchObject({ id: first, state: 'deleted' });
    expect(events()).toBe(before);
    expect(await sandboxes.get(owner.userId, 's1')).toMatchObject({ state: 'starting' });
  });

  it('is not told that there is no such sandbox, when that is its own doing', async () => {
    const { owner, sandboxes, create, gone } = platform();
    const id = await create('s1');
    const deleting = { context: context(), userId: owner.userId, name: 's1' };
    await sandboxes.delete(deleting);
    await gone(id);
    expect((await sandboxes.delete(deleting)).sandbox).toMatchObject({ id, state: 'deleted' });
    await expect(sandboxes.delete({ ...deleting, context: context() })).rejects.toMatchObject({ code: 'SANDBOX_NOT_FOUND' });
  });

  it('is not refused for the version that it has made itself', async () => {
    const { owner, sandboxes, create } = platform();
    await create('s1');
    const pausing = { context: context(), userId: owner.userId, name: 's1', expectedVersion: 1 };
    await sandboxes.pause(pausing);
    expect((await sandboxes.pause(pausing)).sandbox).toMatchObject({ state: 'pausing', version: 2 });
  });
});

describe('where a sandbox is', () => {
  it('says its owner’s namespace, made with the first', async () => {
    const { owner, sandboxes, create } = platform({ namespacePrefix: 'box-' });
    await create('s1');
    expect(await sandboxes.get(owner.userId, 's1')).toMatchObject({ namespace: 'box-alice' });
  });

  it('stays where the others are when namespaces are to be called otherwise by now', async () => {
    const { owner, store, commands, create } = platform({ namespacePrefix: 'user-' });
    await create('s1');
    const renamed = new Sandboxes(commands, store, { quota, rules: plainRules, limits, namespacePrefix: 'box-' });
    const second = { context: context(), owner, name: 's2', ports: [{ port: 8888 }] };
    expect((await renamed.request(second)).sandbox).toMatchObject({ namespace: 'user-alice' });
  });

  it('S0-33 is the only one that a request may name', async () => {
    const { owner, sandboxes, create } = platform();
    await create('s1');
    const named = (namespace: string) => ({ context: context(), userId: owner.userId, name: 's1', namespace });
    await expect(sandboxes.delete(named('user-bob'))).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await expect(
      sandboxes.request({ context: context(), owner, namespace: 'user-bob', name: 's2', ports: [{ port: 8888 }] }),
    ).rejects.toMatchObject({ code: 'FORBIDDEN' });
    expect((await sandboxes.delete(named('user-alice'))).sandbox).toMatchObject({ state: 'deleting' });
  });
});
