import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { waitFor } from '@sandlot/testing';
import type { Client, Reply } from './testing/http-client.js';
import { startPlatform, type Platform } from './testing/platform.js';
import { anyProblem, refused, succeeded } from './testing/problems.js';
import { newSandbox, newTenant, run, type Tenant } from './testing/tenants.js';

const ready = { prefer: 'wait=30' };
/** Longer than any deadline between the services, shorter than anybody's patience. */
const withinMs = 12_000;
const recovers = { within: 30_000, every: 100 };

/** That what needs the missing part says so, in time, and when to come back. */
async function unavailable(asked: Promise<Reply>): Promise<void> {
  const reply = await asked;
  expect([reply.status, anyProblem(reply).retryable]).toEqual([503, true]);
}

describe('with a part missing', () => {
  let platform: Platform;
  let admin: Client;
  let alice: Tenant;
  let names = 0;

  beforeAll(async () => {
    platform = await startPlatform({ mode: 'processes' });
    admin = platform.admin;
    alice = await newTenant(admin, 'alice', { email: 'alice@example.com' });
    await newSandbox(alice.api, 's1');
  }, 60_000);
  afterAll(() => platform?.stop(), 40_000);

  const get = (path: string, client = admin) => client.send('GET', path, { withinMs });
  const lists = ['/api/v1/admin/users', '/api/v1/audit-logs', '/api/v1/audit-logs.jsonl', '/sandboxes'];
  const ownLists = ['/api/v1/sandboxes', '/api/v1/me/apikeys', '/api/v1/me/audit-logs'];
  const flows = async () => expect(await run(alice.api, 's1', 'echo flows')).toBe('flows\n');
  const everythingWorks = async () => {
    for (const path of lists) succeeded(await get(path), 200);
    for (const path of [...ownLists, '/api/v1/me']) succeeded(await get(path, alice.api), 200);
    await flows();
    const name = `works-${(names += 1)}`;
    succeeded(await alice.api.post('/api/v1/sandboxes', { name }, ready), 201);
    succeeded(await alice.api.delete(`/api/v1/sandboxes/${name}`, ready), 204);
  };
  const recovered = () => waitFor(async () => (await everythingWorks(), true), recovers);

  it('PostgreSQL: lists and the trail are unavailable, everything else goes on, and it recovers without a restart', async () => {
    await platform.kill('postgres');
    for (const path of lists) await unavailable(get(path));
    for (const path of ownLists) await unavailable(get(path, alice.api));
    await flows();
    await newSandbox(alice.api, 'meanwhile');
    await run(alice.api, 'meanwhile', 'true');
    succeeded(await alice.api.post('/api/v1/sandboxes/meanwhile/pause', undefined, ready), 200);
    const bob = await newTenant(admin, 'bob');
    succeeded(await bob.api.get('/api/v1/me'), 200);
    succeeded(await admin.delete(`/api/v1/admin/apikeys/${bob.keyId}`), 204);
    await waitFor(async () => refused(await bob.api.get('/api/v1/me'), 'UNAUTHENTICATED'));
    succeeded(await get('/health'), 200);
    await platform.restart('postgres');
    await recovered();
    const { items } = (await get('/api/v1/sandboxes', alice.api)).json<{ items: { name: string; state: string }[] }>();
    expect(items).toEqual(expect.arrayContaining([expect.objectContaining({ name: 'meanwhile', state: 'paused' })]));
    const trail = (await get('/api/v1/audit-logs?limit=200')).text;
    for (const happened of ['sandbox.pause-requested', 'apikey.revoked']) expect(trail).toContain(happened);
    succeeded(await alice.api.delete('/api/v1/sandboxes/meanwhile', ready), 204);
  }, 90_000);

  it('NATS: known sandboxes keep flowing, the API is unavailable, and it recovers without a restart', async () => {
    await flows();
    await platform.kill('nats');
    for (let n = 0; n < 5; n++) await flows();
    expect((await alice.api.send('PUT', '/proxy/s1/files/without-nats.txt', { body: 'stored' })).status).toBe(201);
    for (const path of [...lists, '/api/v1/admin/users', '/api/v1/admin/users/' + alice.user.id]) await unavailable(get(path));
    for (const path of ['/api/v1/me', ...ownLists]) await unavailable(get(path, alice.api));
    await unavailable(alice.api.send('POST', '/api/v1/sandboxes', { body: { name: 'no-log' }, withinMs }));
    await unavailable(admin.send('POST', '/api/v1/admin/users', { body: { username: 'no-log' }, withinMs }));
    await unavailable(get('/proxy/unheard-of/health', alice.api));
    succeeded(await get('/health'), 200);
    succeeded(await get('/openapi.json'), 200);
    refused(await platform.nobody.get('/api/v1/me'), 'UNAUTHENTICATED');
    await flows();
    await platform.restart('nats');
    await recovered();
    // Nothing that was refused has happened, and what happened while nobody could record it is in the trail's source.
    refused(await get('/api/v1/sandboxes/no-log', alice.api), 'SANDBOX_NOT_FOUND');
    expect((await alice.api.get('/proxy/s1/files/without-nats.txt')).text).toBe('stored');
  }, 120_000);

  it('auth: known keys are let in and sandboxes obey, users and keys are unavailable; it catches up', async () => {
    await platform.kill('auth');
    await flows();
    await newSandbox(alice.api, 'without-auth');
    succeeded(await alice.api.delete('/api/v1/sandboxes/without-auth', ready), 204);
    await unavailable(get('/api/v1/admin/users'));
    await unavailable(get('/api/v1/me', alice.api));
    await unavailable(alice.api.send('POST', '/api/v1/me/apikeys', { body: { name: 'x' }, withinMs }));
    succeeded(await get('/api/v1/audit-logs'), 200);
    await platform.restart('auth');
    await recovered();
  }, 60_000);

  it('provisioner: users and keys go on, sandboxes are unavailable; those that ran run again with their files', async () => {
    await run(alice.api, 's1', 'echo mine > file.txt');
    const dave = await newTenant(admin, 'dave');
    await newSandbox(dave.api, 's1');
    await platform.kill('provisioner');
    const carol = await newTenant(admin, 'carol');
    succeeded(await carol.api.get('/api/v1/me'), 200);
    await unavailable(get('/api/v1/sandboxes', alice.api));
    await unavailable(alice.api.send('POST', '/api/v1/sandboxes', { body: { name: 'x' }, withinMs }));
    succeeded(await get('/api/v1/audit-logs'), 200);
    succeeded(await admin.delete(`/api/v1/admin/users/${dave.user.id}`), 204);
    await platform.restart('provisioner');
    expect(await waitFor(() => run(alice.api, 's1', 'cat file.txt'), recovers)).toBe('mine\n');
    await waitFor(
      () => get('/sandboxes'),
      { ...recovers, describe: "the deleted user's sandbox to go" },
      ({ text }) => !text.includes('dave/s1'),
    );
    await recovered();
  }, 60_000);

  it('audit: everything but the trail goes on, and the trail has what happened meanwhile', async () => {
    await platform.kill('audit');
    await unavailable(get('/api/v1/audit-logs'));
    await unavailable(get('/api/v1/audit-logs/stream'));
    const made = succeeded(await alice.api.post('/api/v1/me/apikeys', { name: 'unseen' }), 201).json<{ id: string }>();
    refused(await alice.api.get('/api/v1/admin/users'), 'FORBIDDEN');
    await flows();
    await platform.restart('audit');
    const trail = await waitFor(
      async () => succeeded(await get(`/api/v1/audit-logs?target=${made.id}`), 200).text,
      recovers,
      (text) => text.includes('apikey.created'),
    );
    expect(trail).toContain('"actor":"alice"');
    await waitFor(
      async () => (await get('/api/v1/audit-logs?actor=alice&outcome=refused')).text,
      {},
      (text) => text.includes('"status":403'),
    );
    await recovered();
  }, 60_000);

  it('gateway: sandboxes keep flowing and the API is unavailable', async () => {
    await platform.kill('gateway');
    await flows();
    await unavailable(get('/api/v1/me', alice.api));
    await unavailable(get('/health'));
    await platform.restart('gateway');
    await recovered();
  }, 60_000);

  it('proxy: nothing is lost, and it serves again at the same address', async () => {
    await platform.kill('proxy');
    await expect(get('/health')).rejects.toThrow('ECONNREFUSED');
    await platform.restart('proxy');
    await recovered();
  }, 60_000);
});

describe('with the data of PostgreSQL deleted', () => {
  it('C11 gives every answer that it gave before', async () => {
    const platform = await startPlatform({ mode: 'standalone', runtime: 'memory' });
    const { admin } = platform;
    const tenants = [
      await newTenant(admin, 'alice', { email: 'alice@example.com' }),
      await newTenant(admin, 'bob', { displayName: 'Bob' }),
    ];
    for (const { api } of tenants) {
      for (const name of ['s1', 's2']) await newSandbox(api, name);
      succeeded(await api.post('/api/v1/sandboxes/s2/pause', undefined, ready), 200);
      refused(await api.get('/api/v1/admin/users'), 'FORBIDDEN');
    }
    const gone = await newTenant(admin, 'gone');
    succeeded(await admin.delete(`/api/v1/admin/users/${gone.user.id}`), 204);
    const refusals = () => admin.get('/api/v1/audit-logs?outcome=refused&actor=bob');
    await waitFor(
      async () => (await refusals()).json<{ items: unknown[] }>().items,
      {},
      ({ length }) => length > 0,
    );

    const until = new Date().toISOString();
    const everyAnswer = async () => {
      const asAdmin = ['/api/v1/admin/users?limit=200', '/api/v1/admin/users?status=deleted', `/api/v1/audit-logs?limit=200&until=${until}`, `/api/v1/audit-logs.jsonl?until=${until}`, '/sandboxes']; // prettier-ignore
      const asUser = ['/api/v1/me', '/api/v1/me/apikeys', '/api/v1/me/quota', '/api/v1/sandboxes', '/api/v1/sandboxes/s2', `/api/v1/me/audit-logs?limit=200&until=${until}`]; // prettier-ignore
      const asked = [admin, ...tenants.map(({ api }) => api)].flatMap((client) =>
        (client === admin ? asAdmin : asUser).map((path) => ({ client, path })),
      );
      return Promise.all(asked.map(async ({ client, path }) => [path, asTheLogHadIt(path, succeeded(await client.get(path), 200).text)]));
    };
    const before = await everyAnswer();
    await platform.stop();
    await rm(join(platform.dataDir, 'postgres'), { recursive: true });
    await platform.start();
    await waitFor(async () => isDeepStrictEqual(await everyAnswer(), before), recovers).catch(() => undefined);
    expect(await everyAnswer()).toEqual(before);
    await platform.stop();
  }, 90_000);
});

/** That the runtime was started again is news of each sandbox: a later version, and nothing else. */
const asTheLogHadIt = (path: string, text: string) =>
  path.startsWith('/api/v1/sandboxes') ? text.replace(/"updatedAt":"[^"]*"|"version":\d+/g, '') : text;
