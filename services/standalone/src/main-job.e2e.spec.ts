import type { AuditPage, RoutingExplanation, Sandbox, SandboxPage, User, UserPage } from '@sandlot/contracts';
import { waitFor } from '@sandlot/testing';
import type { z } from 'zod';
import type { Client } from './testing/http-client.js';
import { startPlatform, type Mode, type Platform } from './testing/platform.js';
import { refused, succeeded } from './testing/problems.js';
import { processesOf } from './testing/processes-of.js';

type Entry = z.infer<typeof AuditPage>['items'][number];

describe.each<Mode>(['standalone', 'processes'])('the main job, %s', (mode) => {
  let platform: Platform;
  let admin: Client;
  let alice: Client;
  let user: User;
  let keyId: string;

  beforeAll(async () => {
    platform = await startPlatform({ mode });
    admin = platform.admin;
  }, 120_000);

  /** Until the proxy knows it; asking the proxy itself would wake what sleeps. */
  const knownAtTheDoor = (name: string, ...states: Sandbox['state'][]) =>
    waitFor(
      () => admin.get(`/api/v1/admin/routing?user=alice&path=/proxy/${name}/`),
      { describe: `${name} known as ${states.join(' or ')}` },
      (seen) => states.includes(seen.json<RoutingExplanation>().state!),
    );

  it('begins with a user and a key', async () => {
    const created = succeeded(await admin.post('/api/admin/users', { username: 'alice', email: 'alice@example.com' }), 201);
    user = created.json<User>();
    expect(user).toMatchObject({ username: 'alice', email: 'alice@example.com', role: 'user', status: 'active' });
    const key = succeeded(await admin.post(`/api/admin/users/${user.id}/apikeys`, { name: 'laptop' }), 201).json<{
      id: string;
      key: string;
    }>();
    keyId = key.id;
    alice = admin.as(key.key);
    // The door learns of a key with the answer at the latest a moment later.
    const me = await waitFor(
      () => alice.get('/api/me'),
      {},
      ({ status }) => status === 200,
    );
    expect(me.json()).toMatchObject({ id: user.id, username: 'alice' });
  });

  it('S4-11 goes on with a sandbox that runs code', async () => {
    const accepted = succeeded(await alice.post('/api/sandboxes', { name: 's1' }), 202);
    expect(accepted.json()).toMatchObject({ name: 's1', namespace: 'user-alice', state: 'starting' });
    await stateOf(alice, 's1', 'running');
    const result = await executed(alice, '/proxy/s1/execute', 'echo hello');
    expect(result).toEqual({ stdout: 'hello\n', stderr: '', exit_code: 0 });
    await executed(alice, '/proxy/s1/execute', 'echo kept > notes.txt');
  });

  it('pauses: requests that would not wait are refused with the state and when to come back', async () => {
    succeeded(await alice.post('/api/sandboxes/s1/pause'), 202);
    await stateOf(alice, 's1', 'paused');
    await knownAtTheDoor('s1', 'paused');
    const reply = await alice.post('/proxy/s1/execute', { command: 'true' }, { prefer: 'wait=0' });
    expect(refused(reply, 'SANDBOX_NOT_READY')).toMatchObject({ state: 'paused' });
    expect(Number(reply.headers['retry-after'])).toBeGreaterThan(0);
  });

  it('resumes with its files', async () => {
    succeeded(await alice.post('/api/sandboxes/s1/resume', undefined, { prefer: 'wait=30' }), 200);
    expect(await executed(alice, '/proxy/s1/execute', 'cat notes.txt')).toMatchObject({ stdout: 'kept\n' });
  });

  it('goes on with the next request when nobody has resumed it, and waits with it for one that only starts', async () => {
    succeeded(await alice.post('/api/sandboxes', { name: 's2' }), 202);
    await knownAtTheDoor('s2', 'starting', 'running');
    expect(await executed(alice, '/proxy/s2/execute', 'echo kept > notes.txt')).toMatchObject({ exit_code: 0 });
    succeeded(await alice.post('/api/sandboxes/s2/pause', undefined, { prefer: 'wait=30' }), 200);
    await knownAtTheDoor('s2', 'paused');
    expect(await executed(alice, '/proxy/s2/execute', 'cat notes.txt')).toMatchObject({ stdout: 'kept\n' });
    for (let round = 0; round < 3; round += 1) {
      succeeded(await alice.post('/api/sandboxes/s2/pause'), 202);
      await knownAtTheDoor('s2', 'pausing', 'paused');
      expect(await executed(alice, '/proxy/s2/execute', 'cat notes.txt')).toMatchObject({ stdout: 'kept\n' });
    }
    succeeded(await alice.delete('/api/sandboxes/s2', { prefer: 'wait=30' }), 204);
  });

  it('tells who did what, with which key, from where', async () => {
    const { items } = (await admin.get('/api/v1/audit-logs?actor=alice&order=asc')).json<{ items: Entry[] }>();
    const done = items.filter(({ targetType, target, outcome }) => targetType === 'sandbox' && target === 's1' && outcome === 'done');
    expect(done.map(({ action }) => action)).toEqual(['sandbox.requested', 'sandbox.pause-requested', 'sandbox.resume-requested']);
    for (const entry of done) expect(entry).toMatchObject({ actor: 'alice', actorId: user.id, keyId, ip: '127.0.0.1', target: 's1' });
  });

  it('deletes', async () => {
    succeeded(await alice.post('/api/sandboxes', { name: 'gone' }, { prefer: 'wait=30' }), 201);
    succeeded(await alice.delete('/api/sandboxes/gone', { prefer: 'wait=30' }), 204);
    refused(await alice.get('/api/sandboxes/gone'), 'SANDBOX_NOT_FOUND');
    await waitFor(async () => refused(await alice.get('/proxy/gone/health'), 'SANDBOX_NOT_FOUND'));
  });

  it('finds everything again after everything was killed', async () => {
    succeeded(await alice.post('/api/sandboxes', { name: 'asleep' }, { prefer: 'wait=30' }), 201);
    succeeded(await alice.post('/api/sandboxes/asleep/pause', undefined, { prefer: 'wait=30' }), 200);
    const before = await everything(admin, alice);
    await platform.killEverything();
    await platform.start();

    expect((await alice.get('/api/me')).json()).toMatchObject({ id: user.id, username: 'alice', email: 'alice@example.com' });
    await stateOf(alice, 's1', 'running');
    const kept = await waitFor(
      () => alice.post('/proxy/s1/execute', { command: 'cat notes.txt' }),
      {},
      ({ status }) => status === 200,
    );
    expect(kept.json()).toMatchObject({ stdout: 'kept\n' });
    expect((await alice.get('/api/sandboxes/asleep')).json()).toMatchObject({ state: 'paused' });

    const after = await everything(admin, alice);
    expect(after.users).toEqual(before.users);
    expect(after.sandboxes).toEqual(before.sandboxes);
    expect(after.trail.slice(0, before.trail.length)).toEqual(before.trail);
    refused(await alice.get('/proxy/asleep/health', { prefer: 'wait=0' }), 'SANDBOX_NOT_READY');
  }, 60_000);

  it('leaves no process behind when it is stopped', async () => {
    await platform.stop();
    expect(
      await waitFor(
        () => processesOf(platform.dataDir),
        {},
        (left) => left.length === 0,
      ),
    ).toEqual([]);
  }, 40_000);
});

function stateOf(client: Client, name: string, state: Sandbox['state']): Promise<Sandbox> {
  const look = async () => (await client.get(`/api/sandboxes/${name}`)).json<Sandbox>();
  return waitFor(look, { within: 20_000, describe: `${name} ${state}` }, (sandbox) => sandbox.state === state);
}

async function executed(client: Client, path: string, command: string) {
  return succeeded(await client.post(path, { command }), 200).json();
}

/** What people made, in the words of the API. What the platform saw of it meanwhile may differ. */
async function everything(admin: Client, alice: Client) {
  const users = succeeded(await admin.get('/api/v1/admin/users'), 200).json<z.infer<typeof UserPage>>().items;
  const sandboxes = succeeded(await alice.get('/api/v1/sandboxes'), 200).json<z.infer<typeof SandboxPage>>().items;
  const trail = succeeded(await admin.get('/api/v1/audit-logs?order=asc&limit=200'), 200).json<{ items: Entry[] }>().items;
  return {
    users,
    sandboxes: sandboxes.map(({ id, name, owner, namespace, state, createdAt }) => ({ id, name, owner, namespace, state, createdAt })),
    trail: trail.filter(({ position }) => position !== null),
  };
}
