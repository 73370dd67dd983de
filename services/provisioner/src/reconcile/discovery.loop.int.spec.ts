import { connect } from '@nats-io/transport-node';
import { DiscoveredRoute, RouteRecord, ROUTES_BUCKET } from '@sandlot/contracts';
import { Commands, ensureStreams, JetStreamEventStore } from '@sandlot/event-store';
import { KvTable } from '@sandlot/service-kit';
import { atEnd, startTestNats, waitFor } from '@sandlot/testing';
import { z } from 'zod';
import { Discovered } from '../discovered.js';
import { discoverySettings } from '../discovery-settings.js';
import { aForeignSandbox } from '../domain/discovery/foreign-sandbox.fixture.js';
import { addressOf, type ForeignSandbox } from '../domain/discovery/foreign-sandbox.js';
import { nothingForeign, type ForeignSandboxes } from '../ports.js';
import { DiscoveryLoop } from './discovery.loop.js';
import { DiscoveryReconciler } from './discovery.reconciler.js';

const settings = z.object(discoverySettings);

describe('the settings of discovery', () => {
  it('S1-03 S1-04 C5 are: nowhere, not shared, port 8888, every 30 s', () => {
    expect(settings.parse({})).toEqual({
      SANDLOT_DISCOVERY: [],
      SANDLOT_DISCOVERY_SHARED: false,
      SANDLOT_DISCOVERY_PORT: 8888,
      SANDLOT_DISCOVERY_REFRESH: 30,
    });
  });

  it('name namespaces, or all of them', () => {
    expect(settings.parse({ SANDLOT_DISCOVERY: 'a, b-1 ,' }).SANDLOT_DISCOVERY).toEqual(['a', 'b-1']);
    expect(settings.parse({ SANDLOT_DISCOVERY: '*' }).SANDLOT_DISCOVERY).toEqual(['*']);
    for (const SANDLOT_DISCOVERY of ['team-*', 'A', 'true/1']) expect(settings.safeParse({ SANDLOT_DISCOVERY }).success).toBe(false);
  });
});

describe('the loop of discovery', () => {
  it('S1-03 C5 looks at everything again after the refresh, also when no watch has told, and at the start at what has gone meanwhile', async () => {
    const nats = await connect({ servers: (await startTestNats()).url });
    atEnd(() => nats.close());
    await ensureStreams(nats);
    const commands = new Commands(await JetStreamEventStore.open(nats));
    const routes = await KvTable.open(nats, ROUTES_BUCKET, DiscoveredRoute);
    const own = await KvTable.open(nats, ROUTES_BUCKET, RouteRecord);
    const loopOver = (there: readonly ForeignSandbox[]) => {
      const at = (address: string) => there.filter((sandbox) => addressOf(sandbox) === address);
      const foreign: ForeignSandboxes = { ...nothingForeign, all: () => there, at };
      const reconciler = new DiscoveryReconciler(commands, new Discovered(foreign, own, { shared: false }), routes);
      const loop = new DiscoveryLoop(nats, reconciler, foreign, 50);
      atEnd(() => loop.stop({ graceMs: 1_000 }));
      loop.start();
      return loop;
    };
    const there: ForeignSandbox[] = [];
    const loop = loopOver(there);
    there.push(aForeignSandbox());
    await waitFor(() => routes.find('d.alice.s1'), { describe: 'a route' });
    there[0] = aForeignSandbox({ state: 'paused', ports: [] });
    await waitFor(
      () => routes.find('d.alice.s1'),
      { describe: 'a paused one' },
      (found) => found?.value.state === 'paused',
    );
    await loop.stop({ graceMs: 1_000 });

    loopOver([]);
    await waitFor(async () => (await routes.find('d.alice.s1')) === undefined, { describe: 'no route' });
  });
});
