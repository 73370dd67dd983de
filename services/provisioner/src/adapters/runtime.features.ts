import { isDeepStrictEqual } from 'node:util';
import { newId, type SandboxId, type UserId } from '@sandlot/kernel';
import type { NamespaceConcernName, Quota } from '@sandlot/contracts';
import { runTwice, waitFor } from '@sandlot/testing';
import type { NamespaceConcern } from '../domain/namespace/concern.js';
import { namespaceOf } from '../reconcile/plan.js';
import type { Found, NamespaceAction, Runtime, SandboxAction, SandboxPlace } from '../ports.js';

export interface RuntimeUnderTest {
  runtime: Runtime;
  /** Whether sandboxes answer at their addresses. */
  real: boolean;
  /** Ends a running sandbox as a fault of its own would. */
  crash(sandboxId: SandboxId): Promise<void>;
  /** Of the sandboxes. Default: one that nobody pulls. */
  image?: string;
  /** Makes something of that name that Sandlot did not make. `false` where the runtime is nobody else's. */
  occupyNamespace: false | ((name: string) => Promise<void>);
}

type Existing = Extract<Found, { exists: true }>;

/**
 * What every runtime does. Whoever passes starts a sandbox again within a few seconds of its first crash. Where a step takes time, its effect
 * is waited for.
 */
export function testRuntime(name: string, factory: () => Promise<RuntimeUnderTest>): void {
  describe(`the ${name} runtime`, () => {
    let under: RuntimeUnderTest;
    let runtime: Runtime;
    let owner: UserId;
    let username: string;
    let place: SandboxPlace;
    let id: SandboxId;
    let count = 0;

    beforeAll(async () => {
      under = await factory();
      runtime = under.runtime;
    }, 120_000); // it may bring a controller with it
    afterAll(() => runtime?.close());
    beforeEach(async () => {
      owner = newId('usr');
      username = `user${++count}`;
      id = newId('sbx');
      const spec = {
        image: under.image ?? 'runtime:1',
        ports: [
          { name: 'api', port: 8888 },
          { port: 3000, protocol: 'h2c' as const },
        ],
      };
      place = { owner, username, namespace: namespaceOf(username), name: 's1', spec };
    });

    const namespaceTwice = (action: NamespaceAction) => runTwice((again) => runtime.applyNamespace(place.namespace, again), action);
    const createNamespace = () => namespaceTwice({ do: 'create', owner, username });
    const namespaceGone = () =>
      waitFor(
        () => runtime.findNamespace(place.namespace, owner),
        { describe: 'the namespace is gone', within: 30_000 },
        ({ exists }) => !exists,
      );
    const foundNamespace = async () => {
      const found = await runtime.findNamespace(place.namespace, owner);
      if (!found.exists) throw new Error('there is no namespace');
      return found;
    };

    /** What each concern's reconciler has done before a sandbox is made. */
    const concerns: { [Name in NamespaceConcernName]: NamespaceConcern } = {
      quota: { concern: 'quota', quota: { sandboxes: 10, cpu: '4', memory: '8Gi' } },
      'network-policy': { concern: 'network-policy', egress: 'internet' },
      'service-account': { concern: 'service-account', annotations: {} },
    };
    async function prepareNamespace(): Promise<void> {
      await createNamespace();
      const { uid } = await foundNamespace();
      for (const name of runtime.concerns) await namespaceTwice({ do: 'apply', uid, owner, concern: concerns[name] });
    }

    const asWanted = async (quota: Quota) => (await runtime.findConcern(place.namespace, owner, { concern: 'quota', quota })).asWanted;

    const twice = (action: SandboxAction) => runTwice((again) => runtime.apply(id, again), action);
    const start = (uid: string) => twice({ do: 'start', uid, place });
    const every = (uid: string): SandboxAction[] => [
      { do: 'stop', uid },
      { do: 'start', uid, place },
      { do: 'delete', uid },
    ];
    /** Again and again, as the reconciler does: what was asked for may leave something behind. */
    async function deleted(uid: string): Promise<void> {
      await twice({ do: 'delete', uid });
      await waitFor(
        async () => {
          const now = await runtime.find(id);
          const left = now.exists ? now : now.remains;
          if (left && left.underway !== 'delete') await runtime.apply(id, { do: 'delete', uid: left.uid });
          return now;
        },
        { describe: 'nothing is left', within: 20_000 },
        deepEqual({ exists: false }),
      );
    }
    const found = async (): Promise<Existing> => {
      const seen = await runtime.find(id);
      if (!seen.exists) throw new Error('there is no sandbox');
      return seen;
    };
    const eventually = (phase: Existing['seen']['phase']) =>
      waitFor(found, { describe: `the sandbox is ${phase}`, within: 20_000 }, ({ seen }) => seen.phase === phase);
    async function given({ running }: { running: boolean }): Promise<Existing> {
      await prepareNamespace();
      await twice({ do: 'create', place, running });
      return eventually(running ? 'running' : 'stopped');
    }
    function serverOf({ seen }: Existing): string {
      if (seen.phase !== 'running') throw new Error('it does not run');
      return `http://${seen.addresses[0]?.address}`;
    }
    const execute = async (sandbox: Existing, command: string): Promise<unknown> => {
      const response = await fetch(`${serverOf(sandbox)}/execute`, { method: 'POST', body: JSON.stringify({ command }) });
      return response.json();
    };

    describe('a namespace', () => {
      it('is not there until it is created, and has no quota at first', async () => {
        expect(await runtime.findNamespace(place.namespace, owner)).toEqual({ exists: false });
        await createNamespace();
        expect(await foundNamespace()).toEqual({ exists: true, uid: expect.any(String), ours: true });
        expect(await asWanted({ sandboxes: 10, cpu: '4', memory: '8Gi' })).toBe(false);
      });

      it('is not ours for another user', async () => {
        await createNamespace();
        expect(await runtime.findNamespace(place.namespace, newId('usr'))).toMatchObject({ exists: true, ours: false });
      });

      it('keeps its quota, and its uid when the quota changes', async () => {
        await createNamespace();
        const { uid } = await foundNamespace();
        for (const sandboxes of [10, 20]) {
          const quota: Quota = { sandboxes, cpu: '4', memory: '8Gi' };
          await namespaceTwice({ do: 'apply', uid, owner, concern: { concern: 'quota', quota } });
          expect(await foundNamespace()).toEqual({ exists: true, uid, ours: true });
          expect(await asWanted(quota)).toBe(true);
          expect(await asWanted({ ...quota, cpu: '3' })).toBe(false);
        }
      });

      it('is deleted when it is empty, and then is another one under the same name', async () => {
        await createNamespace();
        const { uid } = await foundNamespace();
        await namespaceTwice({ do: 'delete', uid });
        await namespaceGone();
        await createNamespace();
        const other = await foundNamespace();
        expect(other.uid).not.toBe(uid);
        await namespaceTwice({ do: 'delete', uid });
        await namespaceTwice({ do: 'apply', uid, owner, concern: { concern: 'quota', quota: { sandboxes: 1, cpu: '1', memory: '1Gi' } } });
        expect(await foundNamespace()).toEqual(other);
      });

      it('is not deleted while it holds a sandbox', async () => {
        await given({ running: false });
        const { uid } = await foundNamespace();
        await expect(runtime.applyNamespace(place.namespace, { do: 'delete', uid })).rejects.toMatchObject({ code: 'CONFLICT' });
        expect(await found()).toMatchObject({ exists: true });
        expect(await foundNamespace()).toMatchObject({ uid, ours: true });
      });

      it('that somebody else made is left alone', async () => {
        if (!under.occupyNamespace) return;
        await under.occupyNamespace(place.namespace);
        await createNamespace();
        const occupied = await foundNamespace();
        expect(occupied).toMatchObject({ ours: false });
        await namespaceTwice({ do: 'delete', uid: occupied.uid });
        expect(await foundNamespace()).toEqual(occupied);
      });
    });

    describe('a sandbox', () => {
      it('is refused without a namespace of its owner', async () => {
        const create = () => runtime.apply(id, { do: 'create', place, running: true });
        await expect(create()).rejects.toMatchObject({ code: 'NAMESPACE_NOT_FOUND' });
        await runtime.applyNamespace(place.namespace, { do: 'create', owner: newId('usr'), username });
        await expect(create()).rejects.toMatchObject({ code: 'NAMESPACE_NOT_FOUND' });
        expect(await runtime.find(id)).toEqual({ exists: false });
      });

      it('S0-27 is created running, and is then seen running at an address for each of its ports', async () => {
        const { uid, running, seen } = await given({ running: true });
        const address = expect.stringMatching(/^[^:]+:\d+$/);
        expect({ running, seen }).toEqual({
          running: true,
          seen: {
            phase: 'running',
            addresses: [
              { name: 'api', port: 8888, address },
              { port: 3000, address },
            ],
          },
        });
        expect((await found()).uid).toBe(uid);
      });

      it('S1-07 answers at its address', async () => {
        const sandbox = await given({ running: true });
        if (!under.real) return;
        expect((await fetch(`${serverOf(sandbox)}/health`)).status).toBe(200);
        expect(await execute(sandbox, 'echo hello')).toMatchObject({ stdout: 'hello\n', exit_code: 0 });
      });

      it('is created paused, and does not start by itself', async () => {
        expect(await given({ running: false })).toEqual({
          exists: true,
          uid: expect.any(String),
          running: false,
          seen: { phase: 'stopped' },
        });
      });

      it('S0-30 S0-31 keeps its files when it is stopped and started', async () => {
        const before = await given({ running: true });
        if (under.real) await execute(before, 'mkdir -p a/b && echo kept > a/b/file');
        await twice({ do: 'stop', uid: before.uid });
        expect(await eventually('stopped')).toMatchObject({ uid: before.uid, running: false });
        await start(before.uid);
        expect(await found()).toMatchObject({ uid: before.uid, running: true });
        const after = await eventually('running');
        if (under.real) expect(await execute(after, 'cat a/b/file')).toMatchObject({ stdout: 'kept\n' });
      });

      it('can be stopped and deleted before it has started', async () => {
        await prepareNamespace();
        await runtime.apply(id, { do: 'create', place, running: true });
        const { uid } = await found();
        await twice({ do: 'stop', uid });
        expect(await eventually('stopped')).toMatchObject({ running: false });
        await runtime.apply(id, { do: 'start', uid, place });
        await deleted(uid);
      });

      it.each([{ running: true }, { running: false }])('S0-29 leaves nothing when it is deleted ($running)', async ({ running }) => {
        const { uid } = await given({ running });
        await deleted(uid);
        expect(await runtime.list()).not.toContain(id);
        await namespaceTwice({ do: 'delete', uid: (await foundNamespace()).uid }); // refused if anything were left
      });

      it('is another one when it is created again, and actions on the old one do nothing', async () => {
        const old = await given({ running: true });
        await deleted(old.uid);
        const now = await given({ running: true });
        expect(now.uid).not.toBe(old.uid);
        for (const action of every(old.uid)) await twice(action);
        expect(await found()).toEqual(now);
      });

      it('takes actions on what never was without harm', async () => {
        for (const action of every('nothing')) await twice(action);
        expect(await runtime.find(id)).toEqual({ exists: false });
      });

      it('is listed, running or not', async () => {
        const ids: SandboxId[] = [];
        for (const running of [true, false]) {
          id = newId('sbx');
          place = { ...place, name: `s${ids.push(id)}` };
          await given({ running });
        }
        expect(await runtime.list()).toEqual(expect.arrayContaining(ids));
      });

      it('that crashed is seen as failed, and runs again: by itself, or started when it may be', async () => {
        const { uid } = await given({ running: true });
        await under.crash(id);
        const failed = await eventually('failed');
        const seen = { phase: 'failed', reason: 'RUNTIME_CRASHED', message: expect.any(String) };
        if (failed.running) expect(failed).toEqual({ exists: true, uid, running: true, seen });
        else {
          expect(failed).toEqual({ exists: true, uid, running: false, seen, startableAt: expect.any(Number) });
          const { startableAt = 0 } = failed;
          expect(startableAt).toBeGreaterThan(Date.now() - 20_000);
          await waitFor(() => Date.now() >= startableAt, { describe: 'the time to start again' });
          await start(uid);
        }
        expect((await eventually('running')).uid).toBe(uid);
      });

      it('that crashed can be stopped and deleted', async () => {
        const { uid } = await given({ running: true });
        await under.crash(id);
        await eventually('failed');
        await twice({ do: 'stop', uid });
        await eventually('stopped');
        await deleted(uid);
      });

      it('is told of when it begins to run, when it crashes, and when it may start or has started again', async () => {
        const seen: string[] = [];
        const watched = id;
        runtime.watch((changed) => {
          if (changed === watched) void runtime.find(watched).then((now) => now.exists && seen.push(now.seen.phase));
        });
        await given({ running: true });
        await waitFor(() => seen.includes('running'), { describe: 'the watch tells that it runs' });
        await under.crash(id);
        const toldOfItsEnd = () => {
          const [, ...after] = seen.includes('failed') ? seen.slice(seen.indexOf('failed')) : [];
          return after.some((phase) => phase === 'failed' || phase === 'running');
        };
        await waitFor(toldOfItsEnd, { describe: 'the watch tells of the crash and its end', within: 20_000 });
      });
    });
  });
}

const deepEqual =
  (wanted: unknown) =>
  (seen: unknown): boolean =>
    isDeepStrictEqual(seen, wanted);
