import { newId } from '@sandlot/kernel';
import { Commands, MemoryEventStore } from '@sandlot/event-store';
import type { DiscoveredRoute, RouteRecord } from '@sandlot/contracts';
import { MemoryTable } from '@sandlot/service-kit';
import { Discovered } from '../discovered.js';
import { aForeignSandbox } from '../domain/discovery/foreign-sandbox.fixture.js';
import { addressOf, type ForeignSandbox } from '../domain/discovery/foreign-sandbox.js';
import { nothingForeign, type ForeignSandboxes } from '../ports.js';
import { DiscoveryReconciler } from './discovery.reconciler.js';

function platform({ shared = false } = {}) {
  const store = new MemoryEventStore();
  const own = new MemoryTable<RouteRecord>();
  const routes = new MemoryTable<DiscoveredRoute>();
  const there: ForeignSandbox[] = [];
  const foreign: ForeignSandboxes = {
    ...nothingForeign,
    all: () => there,
    at: (address) => there.filter((sandbox) => addressOf(sandbox) === address),
  };
  const discovered = new Discovered(foreign, own, { shared });
  const reconciler = (commands = new Commands(store)) => new DiscoveryReconciler(commands, discovered, routes);
  const facts = () => store.all().map(({ type, fact }) => [type, (fact.data as { reason?: string }).reason]);
  const ownSandbox = (name: string) =>
    own.put(
      `alice.${name}`,
      { sandboxId: newId('sbx'), owner: newId('usr'), username: 'alice', name, state: 'paused', ports: [] },
      undefined,
    );
  return { there, own, ownSandbox, routes, discovered, reconciler, reconcile: reconciler().reconcile.bind(reconciler()), facts };
}

describe('discovery', () => {
  it('S1-02 publishes what appears and withdraws what vanishes, each with its event', async () => {
    const { there, reconcile, routes, facts } = platform();
    there.push(aForeignSandbox());
    expect(await reconcile('alice_s1')).toEqual({ changed: 'published' });
    expect(routes.records.get('d.alice.s1')?.value).toMatchObject({ uid: 'uid-research-s1', state: 'running' });
    expect(await reconcile('alice_s1')).toEqual({});
    there.length = 0;
    expect(await reconcile('alice_s1')).toEqual({ changed: 'withdrawn' });
    expect(await reconcile('alice_s1')).toEqual({});
    expect(routes.records.size).toBe(0);
    expect(facts()).toEqual([
      ['discovery.published.v1', undefined],
      ['discovery.withdrawn.v1', 'GONE'],
    ]);
  });

  it('S1-11 tells the proxies whether it is ready, which is no event', async () => {
    const { there, reconcile, routes, facts } = platform();
    there[0] = aForeignSandbox({ state: 'starting', ports: [] });
    await reconcile('alice_s1');
    expect(routes.records.get('d.alice.s1')?.value).toMatchObject({ state: 'starting', ports: [] });
    there[0] = aForeignSandbox();
    expect(await reconcile('alice_s1')).toEqual({ changed: 'published' });
    expect(routes.records.get('d.alice.s1')?.value).toMatchObject({ state: 'running' });
    expect(facts()).toHaveLength(1);
  });

  it('records that another object has taken the place of one', async () => {
    const { there, reconcile, facts } = platform();
    there[0] = aForeignSandbox();
    await reconcile('alice_s1');
    there[0] = aForeignSandbox({ uid: 'another' });
    await reconcile('alice_s1');
    expect(facts().map(([type]) => type)).toEqual(['discovery.published.v1', 'discovery.published.v1']);
  });

  it('never touches an own route, and gives way to one', async () => {
    const { there, own, ownSandbox, reconcile, routes, facts } = platform();
    there.push(aForeignSandbox());
    await reconcile('alice_s1');
    await ownSandbox('s1');
    const before = structuredClone(own.records);
    expect(await reconcile('alice_s1')).toEqual({ changed: 'withdrawn' });
    expect([own.records, routes.records.size]).toEqual([before, 0]);
    expect(facts().at(-1)).toEqual(['discovery.withdrawn.v1', 'NAME_TAKEN']);
  });

  it('C13 gives way to an own sandbox that older clients call by that name', async () => {
    const { there, ownSandbox, discovered } = platform();
    there.push(aForeignSandbox({ name: 'sandbox-s1' }));
    await ownSandbox('s1');
    expect(await discovered.verdictAt('alice_sandbox-s1')).toMatchObject({ objection: { reason: 'NAME_TAKEN' } });
  });

  it('routes neither of two of the same user and name, and the one that is left', async () => {
    const { there, reconcile, routes, facts } = platform();
    there.push(aForeignSandbox());
    await reconcile('alice_s1');
    there.push(aForeignSandbox({ namespace: 'other' }));
    await reconcile('alice_s1');
    expect(routes.records.size).toBe(0);
    there.shift();
    await reconcile('alice_s1');
    expect(routes.records.get('d.alice.s1')?.value).toMatchObject({ namespace: 'other' });
    expect(facts()[1]).toEqual(['discovery.withdrawn.v1', 'NAME_CLASH']);
  });

  it('writes one event when two processes see the same thing at once', async () => {
    const { there, reconciler, facts } = platform();
    there.push(aForeignSandbox());
    await Promise.allSettled([reconciler().reconcile('alice_s1'), reconciler().reconcile('alice_s1')]);
    expect(facts()).toEqual([['discovery.published.v1', undefined]]);
  });
});

describe('the list of what was discovered', () => {
  const everything = { limit: 200 };

  it('S1-08 C3 gives a user their own, and an administrator all of it, with what is wrong', async () => {
    const { there, discovered } = platform();
    there.push(
      aForeignSandbox(),
      aForeignSandbox({ name: 'hers', user: 'bob' }),
      aForeignSandbox({ name: 'nobodys', user: undefined }),
      aForeignSandbox({ name: 'spoofed', namespace: 'user-bob', tenant: 'bob' }),
    );
    expect(await discovered.page({ ...everything, username: 'alice' })).toEqual({
      items: [{ username: 'alice', name: 's1', namespace: 'research', service: '10.1.2.3', ready: true }],
      nextCursor: null,
    });
    const all = (await discovered.page(everything)).items;
    expect(all.map(({ username, name, reason }) => [`${username}/${name}`, reason])).toEqual([
      ['bob/hers', undefined],
      ['default/nobodys', undefined],
      ['alice/s1', undefined],
      ['alice/spoofed', 'NAMESPACE_OF_ANOTHER'],
    ]);
    expect(discovered.count()).toBe(3);
  });

  it('S1-05 gives a user those without a label where they are shared', async () => {
    const { there, discovered } = platform({ shared: true });
    there.push(aForeignSandbox({ user: undefined }));
    expect((await discovered.page({ ...everything, username: 'alice' })).items).toMatchObject([{ username: 'default', name: 's1' }]);
  });

  it('tells a user why two of one name are not routed', async () => {
    const { there, discovered } = platform();
    there.push(aForeignSandbox(), aForeignSandbox({ namespace: 'other' }));
    const { items } = await discovered.page({ ...everything, username: 'alice' });
    expect(items).toMatchObject([
      { namespace: 'other', ready: false, reason: 'NAME_CLASH' },
      { namespace: 'research', ready: false, reason: 'NAME_CLASH' },
    ]);
  });

  it('goes page by page', async () => {
    const { there, discovered } = platform();
    for (const name of ['c', 'a', 'b']) there.push(aForeignSandbox({ name }));
    const first = await discovered.page({ limit: 2 });
    const second = await discovered.page({ limit: 2, cursor: first.nextCursor! });
    expect([first.items.map(({ name }) => name), second.items.map(({ name }) => name), second.nextCursor]).toEqual([
      ['a', 'b'],
      ['c'],
      null,
    ]);
  });
});
