import { aggregateRef } from '@sandlot/contracts';
import { Commands, MemoryEventStore, nothing, serviceContext } from '@sandlot/event-store';
import { newId, type SandboxId } from '@sandlot/kernel';
import { sandboxDecider } from '../domain/sandbox/decide.js';
import { plainRules } from '../domain/sandbox/settings.fixture.js';
import { Sandboxes } from '../sandboxes.js';
import { Activity } from './activity.js';
import { Countdown } from './countdown.js';
import { LifetimeReconciler } from './lifetime.reconciler.js';

const quota = { sandboxes: 10, cpu: '4', memory: '8Gi' };

/** A machine with a time of day that can be set, and a clock that only goes forward. */
function machine() {
  let time = Date.parse('2026-01-31T12:00:00Z');
  let uptime = 5_000;
  return {
    clock: { now: () => new Date(time) },
    elapsed: () => uptime,
    pass: (seconds: number) => {
      time += seconds * 1_000;
      uptime += seconds * 1_000;
    },
    step: (seconds: number) => void (time += seconds * 1_000),
  };
}

function platform() {
  const { clock, elapsed, pass, step } = machine();
  const store = new MemoryEventStore();
  const owner = { userId: newId('usr'), username: 'alice' };
  const context = () => serviceContext('test', nothing, clock);
  const commands = new Commands(store);
  const sandboxes = new Sandboxes(
    commands,
    store,
    { quota, rules: plainRules, limits: { idleTimeoutSeconds: 0 }, namespacePrefix: 'user-' },
    clock,
  );
  /** A process of its own, with a memory of its own. */
  const provisioner = () => {
    const activity = new Activity(elapsed);
    const options = { warnMs: 300_000, activity, countdown: new Countdown(clock, elapsed), clock };
    const reconciler = new LifetimeReconciler(new Commands(store), options);
    const minutes = async (id: SandboxId, count: number, used: SandboxId[] = []) => {
      for (let ms = 0; ms < count * 60_000; ms += 5_000) {
        pass(5);
        activity.heard({ proxy: 'one', used });
      }
      await look(id);
    };
    /** Until there is nothing more to do at once. */
    const look = async (id: SandboxId) => {
      for (;;) {
        const { againAfterMs } = await reconciler.reconcile(id);
        if (againAfterMs !== 0) return againAfterMs;
      }
    };
    return { look, minutes };
  };
  const request = async (limits: { ttlSeconds?: number; idleTimeoutSeconds?: number; onIdle?: 'pause' | 'delete' }) => {
    const { sandbox } = await sandboxes.request({ context: context(), owner, ports: [{ port: 8888 }], ...limits });
    await report(sandbox.id, { phase: 'running', addresses: [{ port: 8888, address: '10.0.0.7:8888' }] });
    return sandbox.id;
  };
  type Seen = Extract<Parameters<typeof sandboxDecider.decide>[0], { type: 'ReportSandbox' }>['seen'];
  const report = (id: SandboxId, seen: Seen) =>
    commands.handle(context(), async (work) => {
      (await work.load(sandboxDecider, aggregateRef('sandbox', id))).decide({ type: 'ReportSandbox', seen });
    });
  const count = (type: string) => store.all().filter((event) => event.type === type).length;
  const resume = (id: SandboxId) => sandboxes.resume({ context: context(), userId: owner.userId, name: id.replace('_', '-') });
  return { provisioner, request, report, resume, count, pass, step, store };
}

describe('the lifetime of a sandbox', () => {
  it('is warned of and ended on time (S4-18)', async () => {
    const { provisioner, request, count, pass } = platform();
    const { look } = provisioner();
    const id = await request({ ttlSeconds: 3600 });
    expect(await look(id)).toBe(3_300_000);
    pass(3_300);
    expect(await look(id)).toBe(300_000);
    pass(299.999);
    expect(await look(id)).toBeCloseTo(1);
    expect([count('sandbox.expiry-near.v1'), count('sandbox.expired.v1')]).toEqual([1, 0]);
    pass(0.001);
    expect(await look(id)).toBeUndefined();
    expect([count('sandbox.expiry-near.v1'), count('sandbox.expired.v1')]).toEqual([1, 1]);
  });

  it('does not follow steps of the time of day, in either direction', async () => {
    const { provisioner, request, count, pass, step } = platform();
    const { look } = provisioner();
    const id = await request({ ttlSeconds: 60 });
    await look(id);
    step(7_200);
    pass(20);
    expect(await look(id)).toBe(10_000);
    step(-86_400);
    pass(39);
    expect(await look(id)).toBe(1_000);
    expect(count('sandbox.expired.v1')).toBe(0);
    pass(1);
    await look(id);
    expect(count('sandbox.expired.v1')).toBe(1);
  });

  it('ends at once after a restart, when it was over meanwhile, and without a warning that is too late', async () => {
    const { provisioner, request, count, pass } = platform();
    const id = await request({ ttlSeconds: 600 });
    await provisioner().look(id);
    pass(10_000);
    await provisioner().look(id);
    expect([count('sandbox.expiry-near.v1'), count('sandbox.expired.v1')]).toEqual([0, 1]);
  });

  it('goes on after a restart with what is left of it', async () => {
    const { provisioner, request, pass } = platform();
    const id = await request({ ttlSeconds: 3600 });
    await provisioner().look(id);
    pass(3_000);
    expect(await provisioner().look(id)).toBe(300_000);
  });

  it('ends once, however many provisioners and timers there are', async () => {
    const { provisioner, request, count, pass, store } = platform();
    const id = await request({ ttlSeconds: 60, idleTimeoutSeconds: 60 });
    const several = [provisioner(), provisioner(), provisioner()];
    const all = () => Promise.all([...several, ...several].map(({ look }) => look(id)));
    await all();
    pass(30);
    await all();
    pass(30);
    await all();
    const before = store.all().length;
    await all();
    expect([count('sandbox.expiry-near.v1'), count('sandbox.expired.v1'), store.all().length]).toEqual([1, 1, before]);
  });
});

describe('an idle sandbox', () => {
  it('is paused after its limit, and not before when it was used (S2-35)', async () => {
    const { provisioner, request, count } = platform();
    const { look, minutes } = provisioner();
    const id = await request({ idleTimeoutSeconds: 300 });
    await look(id);
    await minutes(id, 4);
    await minutes(id, 2, [id]);
    await minutes(id, 4);
    expect(count('sandbox.pause-requested.v1')).toBe(0);
    await minutes(id, 2);
    expect(count('sandbox.pause-requested.v1')).toBe(1);
  });

  it('is deleted when that was asked for, with how long it was idle', async () => {
    const { provisioner, request, store } = platform();
    const { look, minutes } = provisioner();
    const id = await request({ idleTimeoutSeconds: 60, onIdle: 'delete' });
    await look(id);
    await minutes(id, 2);
    const [ended] = store.all().filter(({ type }) => type === 'sandbox.idle-expired.v1');
    expect(ended?.fact.data).toEqual({ idleSince: '2026-01-31T12:00:05.000Z', timeoutSeconds: 60 }); // when a proxy was first heard
  });

  it('is resumed once, however many wake it', async () => {
    const { provisioner, request, report, resume, count } = platform();
    const { look, minutes } = provisioner();
    const id = await request({ idleTimeoutSeconds: 60 });
    await look(id);
    await minutes(id, 2);
    await report(id, { phase: 'stopped' });
    await Promise.all(Array.from({ length: 20 }, () => resume(id)));
    expect([count('sandbox.pause-requested.v1'), count('sandbox.resume-requested.v1')]).toEqual([1, 1]);
  });

  it('has its whole time again when it is resumed, and when the provisioner is restarted', async () => {
    const { provisioner, request, report, resume, count } = platform();
    const first = provisioner();
    const id = await request({ idleTimeoutSeconds: 300 });
    await first.look(id);
    await first.minutes(id, 6);
    await report(id, { phase: 'stopped' });
    await first.minutes(id, 60);
    await resume(id);
    await report(id, { phase: 'running', addresses: [{ port: 8888, address: '10.0.0.8:8888' }] });
    await first.minutes(id, 4);
    await provisioner().minutes(id, 4);
    expect(count('sandbox.pause-requested.v1')).toBe(1);
  });
});
