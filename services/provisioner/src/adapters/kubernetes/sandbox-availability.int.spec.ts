import { startCluster, type TestCluster } from '@sandlot/testbed';
import { waitFor } from '@sandlot/testing';
import type { Found, Runtime } from '../../ports.js';
import { givenSandboxes } from './testing/given-sandboxes.js';
import { runtimeOn } from './testing/runtime-on.js';
import { podOf, standInNode, type StandInNode } from './testing/stand-in-node.js';

let testbed: TestCluster;
let node: StandInNode;
beforeAll(async () => {
  testbed = await startCluster({ volumes: true });
  node = await standInNode(testbed);
}, 120_000);

const phase = (found: Found) => (found.exists ? found.seen.phase : undefined);
const looks = (runtime: Runtime, id: Parameters<Runtime['find']>[0], wanted: string) =>
  waitFor(
    () => runtime.find(id),
    { describe: `it to be seen ${wanted}`, within: 25_000 },
    (found) => phase(found) === wanted,
  );

describe('a sandbox on Kubernetes', () => {
  it('S1-20 is made with three calls, paused and resumed with one each, and looked at with none', async () => {
    const { runtime, calls } = await runtimeOn(testbed);
    const sandboxes = givenSandboxes(runtime);
    const home = await sandboxes.namespaceFor();
    await waitFor(
      async () => (await testbed.kubectl('get', 'resourcequota', '-n', home.namespace, '-o', 'jsonpath={..status.used}')).includes('pods'),
      {
        describe: 'the quota to count',
      },
    );
    calls.length = 0;
    const sandbox = await sandboxes.given({}, { home });
    const { uid } = await sandbox.seen('running');
    const { namespace } = home;
    // The first two at the same time, what needs them last.
    expect([...calls.slice(0, 2).sort(), ...calls.slice(2)]).toEqual([
      `POST /api/v1/namespaces/${namespace}/persistentvolumeclaims`,
      `POST /api/v1/namespaces/${namespace}/services`,
      `POST /apis/apps/v1/namespaces/${namespace}/statefulsets`,
    ]);
    calls.length = 0;
    await runtime.apply(sandbox.id, { do: 'stop', uid });
    await sandbox.seen('stopped');
    await runtime.apply(sandbox.id, { do: 'start', uid, place: sandbox.place });
    await sandbox.seen('running');
    const workload = `PATCH /apis/apps/v1/namespaces/${namespace}/statefulsets/s1`;
    // What was created is applied for the first time when it is resumed.
    expect(calls).toEqual([workload, `PATCH /api/v1/namespaces/${namespace}/services/s1`, workload]);
    calls.length = 0;
    for (const again of [1, 2]) {
      await runtime.apply(sandbox.id, { do: 'stop', uid });
      await sandbox.seen('stopped');
      await runtime.apply(sandbox.id, { do: 'start', uid, place: sandbox.place });
      await sandbox.seen('running');
      expect(calls).toEqual(Array(2 * again).fill(workload));
    }
    calls.length = 0;
    for (let round = 0; round < 10; round += 1) await Promise.all([runtime.find(sandbox.id), runtime.list()]);
    expect(calls).toEqual([]);
  });

  it('is known while the API server is away, is not changed, and is seen as it has become when that is back', async () => {
    const { runtime } = await runtimeOn(testbed);
    const sandbox = await givenSandboxes(runtime).given();
    const { uid } = await sandbox.seen('running');
    await testbed.apiServer.kill();
    expect(phase(await runtime.find(sandbox.id))).toBe('running');
    await expect(runtime.apply(sandbox.id, { do: 'stop', uid })).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await testbed.apiServer.restart();
    const pod = await podOf(node, sandbox.id);
    await waitFor(() => node.crash(pod).then(() => true), { describe: 'the crash to be told' });
    await looks(runtime, sandbox.id, 'running');
    await waitFor(() => runtime.apply(sandbox.id, { do: 'stop', uid }).then(() => true), {
      describe: 'the pause to be taken',
      within: 25_000,
    });
    await looks(runtime, sandbox.id, 'stopped');
  }, 90_000);

  it('is unknown to a provisioner that starts while the API server is away, until that is back', async () => {
    const first = await runtimeOn(testbed);
    const sandbox = await givenSandboxes(first.runtime).given();
    await sandbox.seen('running');
    await testbed.apiServer.kill();
    const { runtime } = await runtimeOn(testbed, { openWithinMs: 200 });
    await expect(runtime.find(sandbox.id)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    const told: string[] = [];
    runtime.watch((id) => told.push(id));
    await testbed.apiServer.restart();
    await looks(runtime, sandbox.id, 'running');
    expect(told).toContain(sandbox.id);
  }, 90_000);
});
