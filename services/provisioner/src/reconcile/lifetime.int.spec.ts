import { connect, type NatsConnection } from '@nats-io/transport-node';
import { ACTIVITY_SUBJECT, aggregateRef, type SandboxLimits } from '@sandlot/contracts';
import { Commands, ensureStreams, JetStreamEventStore, nothing, serviceContext, type EventStore } from '@sandlot/event-store';
import { newId, type SandboxId } from '@sandlot/kernel';
import { atEnd, startTestNats, waitFor } from '@sandlot/testing';
import { ActivitySubscription } from '../adapters/activity-subscription.js';
import { sandboxDecider } from '../domain/sandbox/decide.js';
import { limitsOf } from '../domain/sandbox/limits.js';
import { Activity } from './activity.js';
import { LifetimeReconciler } from './lifetime.reconciler.js';
import { LifetimeLoop } from './loops.js';

let nats: NatsConnection;
let store: EventStore;
beforeAll(async () => {
  nats = await connect({ servers: (await startTestNats()).url });
  atEnd(() => nats.close());
  await ensureStreams(nats);
  store = await JetStreamEventStore.open(nats);
});

/** A provisioner, as far as it sees to lifetimes: it looks at everything once, and from then on at what it is woken for. */
function provisioner() {
  const loop = new LifetimeLoop(nats, new LifetimeReconciler(new Commands(store), { warnMs: 300_000 }));
  loop.start();
  const dies = () => loop.stop({ graceMs: 1_000 });
  atEnd(dies);
  return { loop, dies };
}

async function request(asked: SandboxLimits): Promise<{ id: SandboxId; over: () => boolean }> {
  const id = newId('sbx');
  const limits = limitsOf(asked, { idleTimeoutSeconds: 0 }, new Date());
  const sandboxOf = {
    owner: newId('usr'),
    username: 'alice',
    namespace: 'user-alice',
    name: 's1',
    spec: { image: 'r', ports: [{ port: 8888 }] },
  };
  await new Commands(store).handle(serviceContext('test', nothing), async (work) => {
    const sandbox = await work.create(sandboxDecider, aggregateRef('sandbox', id));
    sandbox.decide({ type: 'RequestSandbox', ...sandboxOf, ...limits });
  });
  return { id, over: () => Date.now() > Date.parse(limits.expiry!.expiresAt) };
}

const typesOf = async (id: SandboxId) => {
  const types: string[] = [];
  for (const event of await store.read(aggregateRef('sandbox', id))) types.push(event.type);
  return types;
};
const ended = (id: SandboxId) => waitFor(() => typesOf(id), { describe: 'the sandbox has expired' }, (types) => types.includes('sandbox.expired.v1')); // prettier-ignore

describe('a lifetime in the log', () => {
  it('ends on the timers of several provisioners once (S4-18)', async () => {
    const several = [provisioner(), provisioner(), provisioner()];
    const { id } = await request({ ttlSeconds: 1 });
    for (const { loop } of several) for (let twice = 0; twice < 2; twice += 1) void loop.wake(id);
    await ended(id);
    for (const { loop } of several) await loop.wake(id);
    const types = await typesOf(id);
    expect(types.filter((type) => type !== 'sandbox.expiry-near.v1')).toEqual(['sandbox.requested.v1', 'sandbox.expired.v1']);
    expect(new Set(types).size).toBe(types.length);
  });

  it('ends when the provisioner is back that was killed before and missed it', async () => {
    const first = provisioner();
    const { id, over } = await request({ ttlSeconds: 1 });
    await first.loop.wake(id);
    await first.dies();
    await waitFor(over, { describe: 'its time is over' });
    expect(await typesOf(id)).not.toContain('sandbox.expired.v1');
    provisioner();
    expect(await ended(id)).toContain('sandbox.expired.v1');
  });
});

describe('what the proxies say', () => {
  it('is heard by every provisioner, and what cannot be read harms nobody', async () => {
    const warnings: string[] = [];
    let now = 0;
    const ears = [1, 2].map(() => {
      const activity = new Activity(() => now);
      activity.idleFor('sbx_01k9zq4m3te1sbr8v0yk2n6d5x');
      atEnd(() => listening.close());
      const listening = new ActivitySubscription(nats, activity, { warn: (_, message) => void warnings.push(message) });
      return activity;
    });
    await nats.flush();
    const say = async (body: string) => {
      nats.publish(ACTIVITY_SUBJECT, body);
      await nats.flush();
    };
    await say('{"proxy":"one","used":[]}');
    now = 10_000;
    await waitFor(() => ears.every((activity) => activity.idleFor('sbx_01k9zq4m3te1sbr8v0yk2n6d5x') === 10_000));
    await say('no json');
    await say('{"proxy":"one","used":["sbx_01k9zq4m3te1sbr8v0yk2n6d5x"]}');
    await waitFor(() => ears.every((activity) => activity.idleFor('sbx_01k9zq4m3te1sbr8v0yk2n6d5x') === 0));
    expect(warnings).toHaveLength(2); // one of each
  });
});
