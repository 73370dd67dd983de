import { aggregateRef, type RouteRecord } from '@sandlot/contracts';
import { Commands, MemoryEventStore, nothing, serviceContext } from '@sandlot/event-store';
import { newId, type SandboxId, type UserId } from '@sandlot/kernel';
import { MemoryTable } from '@sandlot/service-kit';
import { MemoryRuntime } from '../adapters/memory-runtime.js';
import { sandboxDecider } from '../domain/sandbox/decide.js';
import { plainRules } from '../domain/sandbox/settings.fixture.js';
import { ledgerDecider } from '../domain/ledger/ledger.js';
import { namespaceDecider } from '../domain/namespace/namespace.js';
import { stateOf, type KnownSandbox } from '../domain/sandbox/sandbox.js';
import { Quotas } from '../quotas.js';
import { Sandboxes } from '../sandboxes.js';
import { NamespaceReconciler } from './namespace.reconciler.js';
import { QuotaReconciler } from './quota.reconciler.js';
import { RouteReconciler } from './route.reconciler.js';
import { SandboxReconciler } from './sandbox.reconciler.js';

const quota = { sandboxes: 10, cpu: '4', memory: '8Gi' };

function platform() {
  const store = new MemoryEventStore();
  const commands = new Commands(store);
  const runtime = new MemoryRuntime();
  const routes = new MemoryTable<RouteRecord>();
  const userId = newId('usr');
  const sandboxes = new Sandboxes(commands, store, {
    quota,
    rules: plainRules,
    limits: { idleTimeoutSeconds: 0 },
    namespacePrefix: 'user-',
  });
  const reconcilers = {
    namespace: new NamespaceReconciler(commands, runtime),
    quota: new QuotaReconciler(commands, runtime, quota),
    sandbox: new SandboxReconciler(commands, runtime),
    route: new RouteReconciler(commands, routes),
  };
  const context = () => serviceContext('test', nothing);
  /** Looks at everything until nothing changes any more. */
  const settle = async (id?: SandboxId) => {
    for (let before = -1; before !== store.all().length;) {
      before = store.all().length;
      await reconcilers.namespace.reconcile(userId);
      await reconcilers.quota.reconcile(userId);
      for (const known of id ? [id] : []) {
        for (let again = true; again;) again = (await reconcilers.sandbox.reconcile(known)).againAfterMs === 0;
        await reconcilers.route.reconcile(known);
      }
    }
  };
  const request = async (name: string) =>
    (await sandboxes.request({ context: context(), owner: { userId, username: 'alice' }, name, ports: [{ port: 8888 }] })).sandbox.id;
  const sandbox = async (id: SandboxId) => (await commands.load(sandboxDecider, aggregateRef('sandbox', id))).state as KnownSandbox;
  const types = () => store.all().map(({ type }) => type);
  return { store, commands, runtime, routes, userId, sandboxes, reconcilers, context, settle, request, sandbox, types };
}

const named = (userId: UserId, context: ReturnType<ReturnType<typeof platform>['context']>) => ({ context, userId, name: 's1' });

describe('the reconcilers', () => {
  it('S0-27 bring a requested sandbox to run in a namespace with a quota, and tell the proxies', async () => {
    const { settle, request, sandbox, routes, types } = platform();
    const id = await request('s1');
    await settle(id);
    expect(stateOf(await sandbox(id))).toBe('running');
    expect(routes.records.get('alice.s1')?.value).toMatchObject({
      sandboxId: id,
      state: 'running',
      ports: [{ port: 8888, address: expect.any(String) }],
    });
    expect(new Set(types())).toEqual(
      new Set([
        'ledger.sandbox-admitted.v1',
        'namespace.requested.v1',
        'sandbox.requested.v1',
        'namespace.provisioned.v1',
        'namespace.quota-applied.v1',
        'sandbox.started.v1',
        'route.published.v1',
      ]),
    );
  });

  it('change nothing and record nothing when they look again', async () => {
    const { settle, request, store, userId, reconcilers } = platform();
    const id = await request('s1');
    await settle(id);
    const before = store.all().length;
    for (let round = 0; round < 2; round += 1) {
      expect(await reconcilers.namespace.reconcile(userId)).toEqual({});
      expect(await reconcilers.quota.reconcile(userId)).toEqual({});
      expect(await reconcilers.sandbox.reconcile(id)).toEqual({});
      expect(await reconcilers.route.reconcile(id)).toEqual({});
    }
    expect(store.all().length).toBe(before);
  });

  it('wait for the namespace before they make a sandbox in it', async () => {
    const { reconcilers, request, runtime } = platform();
    const id = await request('s1');
    expect(await reconcilers.sandbox.reconcile(id)).toEqual({ againAfterMs: expect.any(Number) });
    expect(await runtime.find(id)).toEqual({ exists: false });
  });

  it('S0-30 S0-31 pause and resume, and withdraw the address meanwhile', async () => {
    const { settle, request, sandbox, sandboxes, routes, userId, context } = platform();
    const id = await request('s1');
    await settle(id);
    await sandboxes.pause(named(userId, context()));
    await settle(id);
    expect(stateOf(await sandbox(id))).toBe('paused');
    expect(routes.records.get('alice.s1')?.value).toMatchObject({ state: 'paused', ports: [] });
    await sandboxes.resume(named(userId, context()));
    await settle(id);
    expect(stateOf(await sandbox(id))).toBe('running');
  });

  it('S0-29 delete, and free the name and the place in the quota in the same moment', async () => {
    const { settle, request, sandbox, sandboxes, routes, runtime, store, userId, context } = platform();
    const id = await request('s1');
    await settle(id);
    await sandboxes.delete(named(userId, context()));
    await expect(request('s1')).rejects.toMatchObject({ code: 'SANDBOX_EXISTS' });
    await settle(id);
    expect(stateOf(await sandbox(id))).toBe('deleted');
    expect(await runtime.find(id)).toEqual({ exists: false });
    expect(routes.records.size).toBe(0);
    const [deleted, released] = ['sandbox.deleted.v1', 'ledger.sandbox-released.v1'].map((type) =>
      store.all().find((event) => event.type === type),
    );
    expect(deleted?.commandId).toBe(released?.commandId);
    await expect(request('s1')).resolves.not.toBe(id);
  });

  it('leave the route of a newer sandbox of the same name alone', async () => {
    const { settle, request, reconcilers, sandboxes, routes, userId, context } = platform();
    const old = await request('s1');
    await settle(old);
    await sandboxes.delete(named(userId, context()));
    await settle(old);
    const young = await request('s1');
    await settle(young);
    await reconcilers.route.reconcile(old);
    expect(routes.records.get('alice.s1')?.value.sandboxId).toBe(young);
  });

  it('keep what is left of an expired sandbox until its name is somebody else’s, and put it up never again', async () => {
    const { settle, commands, reconcilers, sandboxes, routes, userId, context, request } = platform();
    const asked = { context: context(), owner: { userId, username: 'alice' }, name: 's1', ports: [{ port: 8888 }], ttlSeconds: 60 };
    const { id: old, expiresAt } = (await sandboxes.request(asked)).sandbox;
    await settle(old);
    await commands.handle(context(), async (work) => {
      (await work.load(sandboxDecider, aggregateRef('sandbox', old))).decide({ type: 'ExpireSandbox', expiresAt: expiresAt! });
    });
    await settle(old);
    expect(routes.records.get('alice.s1')?.value).toMatchObject({ sandboxId: old, state: 'deleted', reason: 'EXPIRED', ports: [] });
    const young = await request('s1');
    await settle(young);
    await reconcilers.route.reconcile(old);
    expect(routes.records.get('alice.s1')?.value).toMatchObject({ sandboxId: young, state: 'running' });
    await sandboxes.delete(named(userId, context()));
    await settle(young);
    await reconcilers.route.reconcile(old);
    expect(routes.records.size).toBe(0);
  });

  it('make again what the runtime has lost, and say so', async () => {
    const { settle, request, sandbox, runtime, types } = platform();
    const id = await request('s1');
    await settle(id);
    const found = await runtime.find(id);
    if (found.exists) await runtime.apply(id, { do: 'delete', uid: found.uid });
    await settle(id);
    expect(stateOf(await sandbox(id))).toBe('running');
    expect(types()).toContain('sandbox.failed.v1');
  });

  it('S0-07 apply another quota, and repair one that has drifted', async () => {
    const { settle, request, reconcilers, commands, runtime, userId, context } = platform();
    await request('s1');
    await settle();
    await new Quotas(commands, quota).set(userId, { cpu: '8' }, context());
    expect(await reconcilers.quota.reconcile(userId)).toEqual({ changed: 'applied quota' });
    const other = { concern: 'quota', quota: { ...quota, cpu: '8' } } as const;
    expect(await runtime.findConcern('user-alice', userId, other)).toMatchObject({ asWanted: true });
    const found = await runtime.findNamespace('user-alice', userId);
    if (found.exists)
      await runtime.applyNamespace('user-alice', { do: 'apply', uid: found.uid, owner: userId, concern: { concern: 'quota', quota } });
    expect(await reconcilers.quota.reconcile(userId)).toEqual({ changed: 'applied quota' });
    expect(await reconcilers.quota.reconcile(userId)).toEqual({});
  });

  it('take the namespace down only when the last sandbox in it is gone', async () => {
    const { settle, request, sandboxes, commands, runtime, userId, context } = platform();
    const id = await request('s1');
    await settle(id);
    await commands.handle(context(), async (work) => {
      (await work.load(namespaceDecider, aggregateRef('namespace', userId))).decide({ type: 'DeleteNamespace' });
    });
    await settle(id);
    expect(await runtime.findNamespace('user-alice', userId)).toMatchObject({ exists: true });
    await sandboxes.delete(named(userId, context()), 'user-deleted');
    await settle(id);
    expect((await commands.load(ledgerDecider, aggregateRef('ledger', userId))).state.sandboxes.size).toBe(0);
    expect(await runtime.findNamespace('user-alice', userId)).toEqual({ exists: false });
  });
});
