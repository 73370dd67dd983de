import { aggregateRef, routeKey, type RouteRecord } from '@sandlot/contracts';
import { Commands, MemoryEventStore, nothing, serviceContext } from '@sandlot/event-store';
import { newId } from '@sandlot/kernel';
import { MemoryTable } from '@sandlot/service-kit';
import { startCluster, type TestCluster } from '@sandlot/testbed';
import { waitFor } from '@sandlot/testing';
import { namespaceDecider } from '../../domain/namespace/namespace.js';
import { plainRules } from '../../domain/sandbox/settings.fixture.js';
import { stateOf } from '../../domain/sandbox/sandbox.js';
import { sandboxDecider } from '../../domain/sandbox/decide.js';
import { Sandboxes } from '../../sandboxes.js';
import { Life, openReplica } from './testing/mortal-replica.js';
import { quota } from './testing/namespace-platform.js';
import { standInNode } from './testing/stand-in-node.js';

/** Rounds at the same time, each with a user of its own. */
const atOnce = 6;

const kinds = [
  ['/api/v1', 'pods'],
  ['/api/v1', 'services'],
  ['/api/v1', 'persistentvolumeclaims'],
  ['/apis/apps/v1', 'statefulsets'],
] as const;

let testbed: TestCluster;
beforeAll(async () => {
  testbed = await startCluster({ volumes: true });
  await standInNode(testbed);
}, 120_000);

/** The whole life of a user's sandbox and namespace; who carries it out is killed after a step, and another one takes over. */
async function wholeLife(username: string, killedAfter?: string) {
  const shared = { testbed, store: new MemoryEventStore(), routes: new MemoryTable<RouteRecord>() };
  const commands = new Commands(shared.store);
  const sandboxes = new Sandboxes(commands, shared.store, {
    quota,
    rules: plainRules,
    limits: { idleTimeoutSeconds: 0 },
    namespacePrefix: 'user-',
  });
  const [userId, namespace] = [newId('usr'), `user-${username}`];
  const context = () => serviceContext('test', nothing);
  const named = () => ({ context: context(), userId, name: 's1' });
  const ports = [{ port: 8888 }];
  const { sandbox } = await sandboxes.request({ context: context(), owner: { userId, username }, name: 's1', ports });

  const first = await openReplica(shared, new Life(killedAfter));
  let replica = first;
  const until = (describe: string, reached: () => Promise<boolean>) =>
    waitFor(
      async () => {
        if (replica.life.over) {
          await replica.close();
          replica = await openReplica(shared, new Life());
        }
        await replica.look(userId, sandbox.id);
        return reached();
      },
      { within: 60_000, describe: `${describe}, ${username} killed after ${killedAfter}` },
    );
  const seen = async () => stateOf((await commands.load(sandboxDecider, aggregateRef('sandbox', sandbox.id))).state as never);
  const objects = async () => {
    const items = kinds.map(async ([root, plural]) => (await testbed.request('GET', `${root}/namespaces/${namespace}/${plural}`)).items);
    const uids = (await Promise.all(items)).map((each: { metadata: { uid: string } }[]) => each.map(({ metadata }) => metadata.uid));
    return Object.fromEntries(kinds.map(([, plural], index) => [plural, uids[index]!]));
  };
  const route = async () => (await shared.routes.find(routeKey(username, 's1')))?.value.state;
  const is = (state: string) => async () => (await seen()) === state && (await route()) === state;
  const isGone = async (path: string) =>
    testbed.request('GET', path).then(
      () => false,
      (error: { status: number }) => error.status === 404,
    );

  await until('it to run', is('running'));
  const made = await objects();
  await sandboxes.pause(named());
  await until('it to be paused', is('paused'));
  const paused = await objects();
  await sandboxes.resume(named());
  await until('it to run again', is('running'));
  const resumed = await objects();
  await sandboxes.delete(named());
  await until('it to be gone', async () => (await seen()) === 'deleted' && (await route()) === undefined);
  const left = await objects();
  await commands.handle(context(), async (work) => {
    (await work.load(namespaceDecider, aggregateRef('namespace', userId))).decide({ type: 'DeleteNamespace' });
  });
  await until('the namespace to be gone', () => isGone(`/api/v1/namespaces/${namespace}`));
  await until('that to be told', async () => shared.store.all().at(-1)?.type === 'namespace.deleted.v1');
  await replica.close();
  // Where the proxies are led is told as often as somebody sees it change; of everything else there is exactly one.
  const types = shared.store.all().flatMap(({ type }) => (type === 'route.published.v1' ? [] : [type]));
  return { steps: first.life.steps, types: types.sort(), made, paused, resumed, left };
}

it('S0-12 a replica that is killed after any of its steps loses nothing, doubles nothing and leaves nothing', async () => {
  const undisturbed = await wholeLife('undisturbed');
  expect(undisturbed.steps).toEqual(
    expect.arrayContaining(['create Namespace', 'create PersistentVolumeClaim', 'create Service', 'create StatefulSet', 'put s1']),
  );
  const killedAt: string[] = [];
  const rounds = [...undisturbed.steps.entries()];
  const worker = async () => {
    for (let next = rounds.shift(); next; next = rounds.shift()) {
      const [round, step] = next;
      const life = await wholeLife(`u${round}`, step);
      if (life.steps.at(-1) === step) killedAt.push(step);
      expect({ step, types: life.types }).toEqual({ step, types: undisturbed.types });
      const one = [expect.any(String)];
      const all = { pods: one, services: one, persistentvolumeclaims: one, statefulsets: one };
      expect(life).toMatchObject({ made: all, paused: { ...all, pods: [] }, resumed: all });
      expect(life.resumed['persistentvolumeclaims']).toEqual(life.made['persistentvolumeclaims']);
      expect(Object.values(life.left).flat()).toEqual([]);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  // How often a step is repeated depends on when the cluster tells what; that it is done at all does not.
  const onceAtLeast = undisturbed.steps.filter((step) => !step.includes('#'));
  expect(killedAt).toEqual(expect.arrayContaining(onceAtLeast));
}, 300_000);
