import { newId } from '@sandlot/kernel';
import { faultyApiServer, startCluster, type TestCluster } from '@sandlot/testbed';
import { waitFor } from '@sandlot/testing';
import type { Found, Runtime, SandboxPlace } from '../../ports.js';
import { givenSandboxes, type GivenSandbox, type GivenSandboxes } from './testing/given-sandboxes.js';
import { runtimeOn } from './testing/runtime-on.js';
import { podOf, readyPodOf, standInNode, type StandInNode } from './testing/stand-in-node.js';

let testbed: TestCluster;
let node: StandInNode;
let runtime: Runtime;
let sandboxes: GivenSandboxes;
beforeAll(async () => {
  testbed = await startCluster({ volumes: true });
  node = await standInNode(testbed);
  ({ runtime } = await runtimeOn(testbed));
  sandboxes = givenSandboxes(runtime);
}, 120_000);
afterEach(() => node.silent(false));

const namespaceFor = (...asked: Parameters<GivenSandboxes['namespaceFor']>) => sandboxes.namespaceFor(...asked);
const given = (...asked: Parameters<GivenSandboxes['given']>) => sandboxes.given(...asked);
const messageOf = ({ seen }: Extract<Found, { exists: true }>): string => (seen.phase === 'failed' ? seen.message : '');
const podUid = async ({ id }: GivenSandbox) => (await podOf(node, id)).metadata.uid;
const merge = 'application/merge-patch+json';

describe('a sandbox that does not run says why, in the words of the cluster, and can be deleted', () => {
  it('when its image cannot be pulled', async () => {
    const sandbox = await given({ image: 'registry.invalid/missing:1' });
    expect(messageOf(await sandbox.seen('failed', 'IMAGE_PULL_FAILED'))).toMatch(
      /failed to pull.*missing:1.*; check the name of the image/,
    );
    await sandbox.deleted();
  });

  it('when no node can take it', async () => {
    const sandbox = await given({ nodeSelector: { 'example.com/gpu': 'yes' } });
    expect(messageOf(await sandbox.seen('failed', 'UNSCHEDULABLE'))).toMatch(/0\/1 nodes are available.*node affinity\/selector/);
    await sandbox.deleted();
  });

  it('when its storage class does not exist', async () => {
    const claim = { storageClassName: 'nonexistent', size: '1Gi', onDelete: 'delete' as const };
    const sandbox = await given({ volumes: [{ name: 'data', mountPath: '/data', claim }] });
    const failed = await waitFor(
      () => sandbox.seen('failed', 'VOLUME_PENDING'),
      {},
      (found) => /nonexistent/.test(messageOf(found)),
    );
    expect(messageOf(failed)).toMatch(/storageclass\.storage\.k8s\.io "nonexistent" not found; check that the storage class exists/);
    await sandbox.deleted();
  });

  it('when the quota of the cluster has no room for its pod', async () => {
    const sandbox = await given({ resources: { requests: { cpu: '8' }, limits: { cpu: '8' } } });
    expect(messageOf(await sandbox.seen('failed', 'QUOTA_REFUSED'))).toMatch(/exceeded quota: sandlot.*cpu=8/);
    await sandbox.deleted();
  });

  it('when the cluster refuses the workload itself', async () => {
    const { owner, username, namespace } = await namespaceFor({ sandboxes: 0, cpu: '4', memory: '8Gi' });
    const place = { owner, username, namespace, name: 's1', spec: { image: 'runtime:1', ports: [{ port: 8888 }] } };
    const id = newId('sbx');
    const refused = await waitFor(
      () => runtime.apply(id, { do: 'create', place, running: true }).catch((error: unknown) => error),
      {},
      (error) => String(error).includes('exceeded'),
    );
    expect(refused).toMatchObject({
      name: 'ActionRefused',
      reason: 'QUOTA_REFUSED',
      message: expect.stringMatching(/exceeded quota.*ask an administrator/),
    });
  });

  it('when its pod may not be as it would have to be', async () => {
    const sandbox = await given({ relaxations: ['root'] });
    expect(messageOf(await sandbox.seen('failed', 'ADMISSION_REFUSED'))).toMatch(/violates PodSecurity "restricted.*runAsNonRoot/);
    await sandbox.deleted();
  });

  it('when it ends again and again, and from the first time', async () => {
    const sandbox = await given();
    await sandbox.seen('running');
    const pod = await podOf(node, sandbox.id);
    const ended = (restartCount: number, reason = 'Error') => ({
      conditions: [{ type: 'Ready', status: 'False' }],
      containerStatuses: [
        {
          name: 'sandbox',
          image: '',
          imageID: '',
          ready: false,
          restartCount,
          state: { waiting: { reason: 'CrashLoopBackOff', message: 'back-off 5m0s restarting failed container' } },
          lastState: { terminated: { exitCode: 1, reason, startedAt: '2026-01-01T00:00:00Z', finishedAt: '2026-01-01T00:00:01Z' } },
        },
      ],
    });
    await node.say(pod, ended(1));
    expect(messageOf(await sandbox.seen('failed', 'RUNTIME_CRASHED'))).toBe('the container ended with exit code 1; it is started again');
    await node.say(pod, ended(7));
    expect(messageOf(await sandbox.seen('failed', 'CRASH_LOOP'))).toMatch(/with exit code 1, 7 times by now; look at what it runs/);
    await node.say(pod, ended(8, 'OOMKilled'));
    expect(messageOf(await sandbox.seen('failed', 'OUT_OF_MEMORY'))).toMatch(/OOMKilled.*higher memory limit/);
    await sandbox.deleted();
  });

  it('when nothing is heard from its node, where it is deleted by force', async () => {
    const sandbox = await given();
    await sandbox.seen('running');
    const pod = await readyPodOf(node, sandbox.id);
    node.silent();
    await node.say(pod, {
      conditions: (pod.status?.conditions ?? []).map((one) => (one.type === 'Ready' ? { ...one, status: 'False' } : one)),
    });
    expect(messageOf(await sandbox.seen('failed', 'NODE_LOST'))).toMatch(/the node stand-in any more; it goes on when the node is back/);
    await sandbox.deleted();
  });

  it('while somebody else deletes it and a finalizer holds it', async () => {
    const sandbox = await given();
    await sandbox.seen('running');
    await testbed.request('PATCH', sandbox.path('statefulsets'), { metadata: { finalizers: ['example.com/hold'] } }, merge);
    await testbed.request('DELETE', sandbox.path('statefulsets'));
    expect(messageOf(await sandbox.seen('failed', 'WORKLOAD_TERMINATING'))).toMatch(/held by the finalizers example\.com\/hold/);
    expect(await runtime.find(sandbox.id)).toMatchObject({
      underway: 'delete',
      obstacle: { reason: 'DELETION_HELD', message: expect.stringMatching(/StatefulSet s1 .*example\.com\/hold; whoever has set them/) },
    });
    await testbed.request('PATCH', sandbox.path('statefulsets'), { metadata: { finalizers: [] } }, merge);
    await sandbox.deleted();
  });
});

describe('a sandbox whose pod is gone', () => {
  it('runs again with its volume after an eviction, and says that it was one', async () => {
    const sandbox = await given();
    await sandbox.seen('running');
    const before = await podUid(sandbox);
    const claim = (await testbed.request('GET', sandbox.path('persistentvolumeclaims'))).metadata.uid;
    const reasons: unknown[] = [];
    runtime.watch((id) => {
      if (id === sandbox.id)
        void runtime.find(id).then((found) => found.exists && 'reason' in found.seen && reasons.push(found.seen.reason));
    });
    await node.evict(await podOf(node, sandbox.id), 'The node was low on resource: memory.');
    await waitFor(async () => (await podUid(sandbox)) !== before, { describe: 'another pod' });
    await sandbox.seen('running');
    expect(reasons).toContain('EVICTED');
    expect((await testbed.request('GET', sandbox.path('persistentvolumeclaims'))).metadata.uid).toBe(claim);
    await sandbox.deleted();
  });

  it('says so as soon as it is being deleted by hand, and runs again', async () => {
    const sandbox = await given();
    await sandbox.seen('running');
    const before = await podUid(sandbox);
    node.silent();
    await testbed.request('DELETE', sandbox.path('pods'));
    expect(messageOf(await sandbox.seen('failed', 'POD_VANISHED'))).toMatch(
      /is being deleted by somebody; it is replaced, with its volume/,
    );
    node.silent(false);
    await waitFor(async () => (await podUid(sandbox)) !== before, { describe: 'another pod' });
    await sandbox.seen('running');
    await sandbox.deleted();
  });

  it('has its Service again when that was deleted by hand', async () => {
    const sandbox = await given();
    const { uid } = await sandbox.seen('running');
    await testbed.request('DELETE', sandbox.path('services'));
    await waitFor(
      () => runtime.find(sandbox.id),
      { describe: 'that to be seen' },
      (found) => found.exists && !found.running,
    );
    await runtime.apply(sandbox.id, { do: 'start', uid, place: sandbox.place });
    expect(await runtime.find(sandbox.id)).toMatchObject({ running: true });
    await sandbox.deleted();
  });

  it('is made again with its volume when the whole workload was deleted by hand', async () => {
    const sandbox = await given();
    await sandbox.seen('running');
    const claim = (await testbed.request('GET', sandbox.path('persistentvolumeclaims'))).metadata.uid;
    await testbed.request('DELETE', sandbox.path('statefulsets'));
    await waitFor(
      () => runtime.find(sandbox.id),
      { describe: 'that to be seen' },
      (found) => !found.exists && found.remains !== undefined,
    );
    expect(await runtime.findVolumes?.(sandbox.id, sandbox.place)).toEqual([{ name: 'work' }]);
    await runtime.apply(sandbox.id, { do: 'create', place: sandbox.place, running: true });
    await sandbox.seen('running');
    expect((await testbed.request('GET', sandbox.path('persistentvolumeclaims'))).metadata.uid).toBe(claim);
    await sandbox.deleted();
  });
});

describe("what is not the sandbox's", () => {
  it('is left alone when it has the name', async () => {
    const home = await namespaceFor();
    await testbed.request('POST', `/api/v1/namespaces/${home.namespace}/services`, {
      metadata: { name: 's1' },
      spec: { clusterIP: 'None' },
    });
    const place = { ...home, name: 's1', spec: { image: 'runtime:1', ports: [{ port: 8888 }] } };
    const id = newId('sbx');
    const refused = await waitFor(
      () => runtime.apply(id, { do: 'create', place, running: true }).catch((error: unknown) => error),
      {},
      (error) => String(error).includes('s1 is there'),
    );
    expect(refused).toMatchObject({ name: 'ActionRefused', reason: 'NAME_TAKEN' });
    const service = await testbed.request('GET', `/api/v1/namespaces/${home.namespace}/services/s1`);
    expect(service.metadata.labels).toBeUndefined();
  });

  it('is not taken for it, though it carries its label', async () => {
    const victim = await given();
    await victim.seen('running');
    const other = await namespaceFor();
    const pod = await testbed.request('GET', victim.path('pods'));
    const { labels } = pod.metadata;
    const spec = { ...pod.spec, nodeName: undefined, volumes: undefined, serviceAccountName: 'default' };
    spec.containers[0].volumeMounts = undefined;
    await testbed.request('POST', `/api/v1/namespaces/${other.namespace}/pods`, { metadata: { name: 'liar', labels }, spec });
    await testbed.request('POST', `/api/v1/namespaces/${victim.place.namespace}/pods`, { metadata: { name: 'liar', labels }, spec });
    const { seen } = await victim.seen('running');
    const real = await testbed.request('GET', victim.path('pods'));
    await waitFor(async () => (await testbed.request('GET', victim.path('pods', 'liar'))).status.podIP, { describe: 'the liar to run' });
    expect(seen).toMatchObject({ addresses: [{ port: 8888, address: `${real.status.podIP}:8888` }] });
    expect(await runtime.find(victim.id)).toMatchObject({ seen });
  });
});

describe('a volume', () => {
  const volume = (onDelete: 'keep' | 'delete') => [{ name: 'data', mountPath: '/data', claim: { size: '1Gi', onDelete } }];

  it('stays where that was asked for, and is there again for the next sandbox of the name', async () => {
    const first = await given({ volumes: volume('keep') });
    await first.seen('running');
    const { uid } = (await testbed.request('GET', first.path('persistentvolumeclaims', 's1.data'))).metadata;
    await first.deleted();
    await expect(testbed.request('GET', first.path('persistentvolumeclaims'))).rejects.toThrow('404');
    const { owner, username, namespace } = first.place;
    const second = await given({ volumes: volume('delete') }, { home: { owner, username, namespace } });
    await second.seen('running');
    expect((await testbed.request('GET', second.path('persistentvolumeclaims', 's1.data'))).metadata.uid).toBe(uid);
    await second.deleted();
    // How long it is kept was decided when it was made.
    expect((await testbed.request('GET', second.path('persistentvolumeclaims', 's1.data'))).metadata.uid).toBe(uid);
  });

  it('goes with its sandbox where nobody asked to keep it', async () => {
    const sandbox = await given({ volumes: volume('delete') });
    await sandbox.seen('running');
    await sandbox.deleted();
    await expect(testbed.request('GET', sandbox.path('persistentvolumeclaims', 's1.data'))).rejects.toThrow('404');
  });
});

describe('what was interrupted in the middle', () => {
  it('is finished by the next try, and leaves nothing when it is deleted instead', async () => {
    const front = await faultyApiServer(testbed);
    const { runtime: interrupted } = await runtimeOn(front);
    for (const finished of [true, false]) {
      const place: SandboxPlace = { ...(await namespaceFor()), name: 's1', spec: { image: 'runtime:1', ports: [{ port: 8888 }] } };
      const id = newId('sbx');
      const create = () => interrupted.apply(id, { do: 'create', place, running: true });
      // The namespace was made by another: it is in memory a moment later.
      await waitFor(
        () => interrupted.findNamespace(place.namespace, place.owner),
        { describe: 'the namespace' },
        ({ exists }) => exists,
      );
      // Done by the server, and nobody was told: the worst place to stop.
      front.fault({ verb: 'create', resource: 'services' }, { cut: 'after' }, 1);
      await expect(create()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
      await waitFor(
        () => interrupted.find(id),
        { describe: 'what was made to be seen' },
        (found) => !found.exists && found.remains !== undefined,
      );
      if (finished) await waitFor(() => create().then(() => true), { describe: 'the rest to be made' });
      const end = finished ? 'it to run' : 'nothing to be left';
      await waitFor(
        async () => {
          const found = await interrupted.find(id);
          const left = finished || found.exists ? undefined : found.remains;
          if (left && left.underway !== 'delete') await interrupted.apply(id, { do: 'delete', uid: left.uid });
          return found;
        },
        { describe: end },
        (found) => (finished ? found.exists && found.seen.phase === 'running' : !found.exists && !found.remains),
      );
    }
  });
});

describe('two at work at once', () => {
  it('make one sandbox and end it once', async () => {
    const { runtime: other } = await runtimeOn(testbed);
    const place: SandboxPlace = {
      ...(await namespaceFor()),
      name: 's1',
      spec: { image: 'runtime:1', ports: [{ port: 8888 }] },
    };
    const id = newId('sbx');
    const both = [runtime, other];
    const running = async (each: Runtime) => {
      const found = await each.find(id);
      return found.exists && found.seen.phase === 'running' ? found.uid : undefined;
    };
    await waitFor(
      async () => {
        await Promise.allSettled(both.map((each) => each.apply(id, { do: 'create', place, running: true })));
        return Promise.all(both.map(running));
      },
      { describe: 'both to see it run' },
      (uids) => uids.every(Boolean),
    );
    const uids = await Promise.all(both.map(running));
    expect(new Set(uids).size).toBe(1);
    await Promise.all(both.map((each) => each.apply(id, { do: 'stop', uid: uids[0]! })));
    await waitFor(
      () => Promise.all(both.map((each) => each.find(id))),
      { describe: 'both to see it stopped' },
      (found) => found.every((each) => each.exists && each.seen.phase === 'stopped'),
    );
  });
});
