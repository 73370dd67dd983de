import type { Sandbox, Session, SessionPage } from '@sandlot/contracts';
import { waitFor } from '@sandlot/testing';
import type { z } from 'zod';
import type { Client } from './testing/http-client.js';
import { startPlatform, type Platform } from './testing/platform.js';
import { refused, succeeded } from './testing/problems.js';
import { newSandbox, newTenant, run, type Tenant } from './testing/tenants.js';

const ready = { prefer: 'wait=30' };

describe('sessions', () => {
  let platform: Platform;
  let alice: Tenant;
  let bob: Tenant;

  beforeAll(async () => {
    platform = await startPlatform({ mode: 'standalone', env: { SANDLOT_ALLOWED_IMAGES: 'python:*' } });
    alice = await newTenant(platform.admin, 'alice');
    bob = await newTenant(platform.admin, 'bob');
  }, 60_000);
  afterAll(() => platform.stop());

  const create = async (api: Client, body: Record<string, unknown> = {}) =>
    succeeded(await api.post('/v1/sessions', body, ready), 201).json<Session>();
  const listed = async (api: Client) => succeeded(await api.get('/v1/sessions'), 200).json<z.infer<typeof SessionPage>>().items;

  it('are created ready, used, extended, listed, shown, and deleted with a reason left (S4-01 S4-02 S4-03 S4-04 S4-20)', async () => {
    const session = await create(alice.api, { ttl: 3600, image: 'python:3.11' });
    expect(session).toMatchObject({ ttl: 3600, image: 'python:3.11', state: 'running', username: 'alice' });
    expect(Date.parse(session.expiresAt) - Date.parse(session.createdAt)).toBeGreaterThanOrEqual(3_600_000);
    expect(await run(alice.api, session.id, 'echo hello')).toBe('hello\n');

    const at = `/v1/sessions/${session.id}`;
    expect((await alice.api.get(at)).json()).toEqual(session);
    await newSandbox(alice.api, 'lasting');
    expect((await listed(alice.api)).map(({ id }) => id)).toEqual([session.id]);
    expect(await listed(bob.api)).toEqual([]);

    const extended = succeeded(await alice.api.post(`${at}/extend`, { ttl: 28_800 }), 200).json<Session>();
    expect(extended.ttl).toBe(28_800);
    expect(extended.expiresAt > session.expiresAt).toBe(true);

    refused(await bob.api.get(at), 'SANDBOX_NOT_FOUND');
    refused(await bob.api.delete(at), 'SANDBOX_NOT_FOUND');
    succeeded(await alice.api.delete(at, ready), 204);
    expect(refused(await alice.api.get(at), 'SANDBOX_GONE')).toMatchObject({ status: 410, reason: 'DELETED' });
    refused(await alice.api.delete(at), 'SANDBOX_GONE');
    expect(await listed(alice.api)).toEqual([]);
  });

  it('keep to the images that the operator allows (S4-01)', async () => {
    expect(refused(await alice.api.post('/v1/sessions', { image: 'evil:1' }), 'VALIDATION_FAILED')).toMatchObject({
      errors: [{ pointer: '/image', code: 'NOT_ALLOWED', detail: expect.stringContaining('allowed is python:*') }],
    });
  });

  it('are created once for one Idempotency-Key', async () => {
    const headers = { ...ready, 'idempotency-key': 'one' };
    const [first, again] = [await alice.api.post('/v1/sessions', {}, headers), await alice.api.post('/v1/sessions', {}, headers)];
    expect(again.json<Session>().id).toBe(first.json<Session>().id);
    succeeded(await alice.api.delete(`/v1/sessions/${first.json<Session>().id}`, ready), 204);
  });

  it('are sandboxes: paused and resumed by their name, and a sandbox may have a lifetime too', async () => {
    const { id, name } = await create(bob.api);
    expect(succeeded(await bob.api.post(`/api/sandboxes/${name}/pause`, undefined, ready), 200).json()).toMatchObject({
      id,
      state: 'paused',
    });
    expect(succeeded(await bob.api.post(`/api/sandboxes/${name}/resume`, undefined, ready), 200).json()).toMatchObject({
      state: 'running',
    });
    const limits = { ttlSeconds: 600, idleTimeoutSeconds: 300, onIdle: 'delete' };
    const sandbox: Sandbox = await newSandbox(bob.api, 'short', limits);
    expect(sandbox).toMatchObject(limits);
    expect((await bob.api.get(`/v1/sessions/${sandbox.id}`)).json()).toMatchObject({ name: 'short', ttl: 600, idleTimeout: 300 });
    expect((await listed(bob.api)).map((session) => session.name)).toEqual(['short', name]);
  });

  it('are the same after a restart, and end all the same', async () => {
    const session = await create(alice.api, { ttl: 60 });
    await platform.kill('standalone');
    await platform.restart('standalone');
    const again = await waitFor(
      async () => (await alice.api.get(`/v1/sessions/${session.id}`)).json<Session>(),
      { within: 20_000, describe: 'the session runs again' },
      ({ state }) => state === 'running',
    );
    expect(again.expiresAt).toBe(session.expiresAt);
    succeeded(await alice.api.delete(`/v1/sessions/${session.id}`, ready), 204);
  });
});
