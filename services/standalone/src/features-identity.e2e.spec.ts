import type { ApiKey, User } from '@sandlot/contracts';
import { waitFor } from '@sandlot/testing';
import type { z } from 'zod';
import type { Client } from './testing/http-client.js';
import { startPlatform, type Platform } from './testing/platform.js';
import { refused, succeeded } from './testing/problems.js';
import { newTenant, type Tenant } from './testing/tenants.js';

type Key = z.infer<typeof ApiKey>;
interface Page<Item> {
  items: Item[];
  nextCursor: string | null;
}

describe('users and keys', () => {
  let platform: Platform;
  let admin: Client;
  let alice: Tenant;

  beforeAll(async () => {
    platform = await startPlatform({ mode: 'standalone', runtime: 'memory' });
    admin = platform.admin;
    alice = await newTenant(admin, 'alice', { email: 'alice@example.com' });
  }, 60_000);
  afterAll(() => platform.stop());

  it('S0-01 takes a key as Bearer or X-API-Key, and nothing else', async () => {
    expect((await alice.api.get('/api/me')).status).toBe(200);
    expect((await platform.nobody.get('/api/me', { 'x-api-key': alice.key })).status).toBe(200);
    const tries = [{}, { authorization: alice.key }, { authorization: `Basic ${alice.key}` }, { cookie: `key=${alice.key}` }];
    for (const headers of tries) refused(await platform.nobody.get('/api/me', headers), 'UNAUTHENTICATED');
    refused(await platform.nobody.get(`/api/me?key=${alice.key}`), 'UNAUTHENTICATED');
    const last = alice.key.endsWith('x') ? 'y' : 'x';
    refused(await admin.as(alice.key.slice(0, -1) + last).get('/api/me'), 'UNAUTHENTICATED');
  });

  it('S0-02 refuses a key from its expiry on, and tells only its holder why', async () => {
    const expiresAt = new Date(Date.now() + 6_000).toISOString();
    const made = succeeded(await alice.api.post('/api/me/apikeys', { name: 'short', expiresAt }), 201).json<Key & { key: string }>();
    const short = admin.as(made.key);
    const before = await waitFor(
      () => short.get('/api/me'),
      {},
      ({ status }) => status === 200,
    );
    expect(before.status).toBe(200);
    const reply = await waitFor(
      () => short.get('/api/me'),
      {},
      ({ status }) => status === 401,
    );
    expect(reply.text).not.toContain('expired');
    const { items } = (await alice.api.get('/api/me/apikeys')).json<Page<Key>>();
    expect(items.find(({ id }) => id === made.id)).toMatchObject({ status: 'expired' });
    const trail = () => alice.api.get(`/api/v1/me/audit-logs?outcome=refused&keyId=${made.id}`);
    const told = await waitFor(
      async () => (await trail()).json<Page<Record<string, unknown>>>().items,
      {},
      (entries) => entries.length > 0,
    );
    expect(told[0]).toMatchObject({ status: 401, reason: 'key expired', keyId: made.id });
  });

  it('S0-03 S0-19 shows a key once', async () => {
    const reply = succeeded(await admin.post(`/api/admin/users/${alice.user.id}/apikeys`, { name: 'Alice primary key' }), 201);
    const { key, id } = reply.json<{ key: string; id: string }>();
    expect(key).toMatch(/^slk_[0-9A-Za-z]{49}$/);
    const later = [
      await admin.get(`/api/admin/users/${alice.user.id}/apikeys`),
      await alice.api.get('/api/me/apikeys'),
      await admin.get('/api/v1/audit-logs?limit=200'),
    ];
    for (const { text, status } of later) {
      expect(status).toBe(200);
      expect(text).toContain(id);
      expect(text).not.toContain(key);
      expect(text).not.toContain(key.slice(4, 20));
    }
  });

  it('S0-05 lets only administrators into /api/admin', async () => {
    for (const path of ['/api/admin/users', '/api/v1/audit-logs', '/api/v1/admin/projections'])
      refused(await alice.api.get(path), 'FORBIDDEN');
    const chief = await newTenant(admin, 'chief', { role: 'admin' });
    expect((await chief.api.get('/api/admin/users')).status).toBe(200);
  });

  it('S0-14 S0-16 creates a user with an id, and shows it', async () => {
    const reply = succeeded(
      await admin.post('/api/admin/users', { username: 'carol', email: 'carol@example.com', displayName: 'Carol C' }),
      201,
    );
    const user = reply.json<User>();
    expect(user).toMatchObject({ id: expect.stringMatching(/^usr_/), username: 'carol', role: 'user', status: 'active', version: 1 });
    expect(reply.headers.location).toBe(`/api/v1/admin/users/${user.id}`);
    expect((await admin.get(reply.headers.location!)).json()).toEqual(user);
    refused(await admin.post('/api/admin/users', { username: 'carol' }), 'USERNAME_TAKEN');
  });

  it('S0-15 lists users, newest first, every one once over the pages', async () => {
    for (const name of ['p1', 'p2', 'p3', 'p4', 'p5']) succeeded(await admin.post('/api/admin/users', { username: name }), 201);
    const whole = succeeded(await admin.get('/api/admin/users?limit=200'), 200).json<Page<User>>().items;
    const paged: User[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const page: Page<User> = succeeded(await admin.get(`/api/admin/users?limit=2${cursor && `&cursor=${cursor}`}`), 200).json();
      expect(page.items.length).toBeLessThanOrEqual(2);
      paged.push(...page.items);
      cursor = page.nextCursor;
      // What comes meanwhile does not disturb the pages behind it.
      if (paged.length === 2) succeeded(await admin.post('/api/admin/users', { username: 'meanwhile' }), 201);
    }
    expect(paged).toEqual(whole);
    expect(whole.map(({ username }) => username).slice(0, 5)).toEqual(['p5', 'p4', 'p3', 'p2', 'p1']);
    refused(await admin.get('/api/admin/users?cursor=nonsense'), 'INVALID_CURSOR');
  });

  it('S0-17 changes a user: what is left out stays, If-Match guards it, and disabling shuts the keys out at once', async () => {
    const bob = await newTenant(admin, 'bob', { email: 'bob@example.com' });
    const path = `/api/admin/users/${bob.user.id}`;
    const changed = succeeded(await admin.put(path, { displayName: 'Bob' }, { 'if-match': '"1"' }), 200);
    expect(changed.json()).toMatchObject({ email: 'bob@example.com', displayName: 'Bob', version: 2 });
    expect(changed.headers.etag).toBe('"2"');
    refused(await admin.put(path, { displayName: 'Rob' }, { 'if-match': '"1"' }), 'VERSION_MISMATCH');
    expect((await admin.get(path, { 'if-none-match': '"2"' })).status).toBe(304);
    succeeded(await admin.put(path, { status: 'disabled' }), 200);
    await waitFor(async () => refused(await bob.api.get('/api/me'), 'UNAUTHENTICATED'));
    succeeded(await admin.patch(path, { status: 'active' }), 200);
    await waitFor(async () => succeeded(await bob.api.get('/api/me'), 200));
  });

  it('S0-18 deletes a user: the keys end, the name is never given out again, the bootstrap administrator stays', async () => {
    const dave = await newTenant(admin, 'dave');
    succeeded(await admin.delete(`/api/admin/users/${dave.user.id}`), 204);
    await waitFor(async () => refused(await dave.api.get('/api/me'), 'UNAUTHENTICATED'));
    refused(await admin.post('/api/admin/users', { username: 'dave' }), 'USERNAME_TAKEN');
    expect((await admin.get('/api/admin/users?limit=200')).text).not.toContain(dave.user.id);
    expect((await admin.get('/api/admin/users?status=deleted')).text).toContain(dave.user.id);
    const me = (await admin.get('/api/me')).json<User>();
    refused(await admin.delete(`/api/admin/users/${me.id}`), 'LAST_ADMIN');
  });

  it('forgets a user: what was personal is gone from every answer', async () => {
    const erin = await newTenant(admin, 'erin', { email: 'erin@example.com', displayName: 'Erin E' });
    succeeded(await admin.post(`/api/admin/users/${erin.user.id}/forget`), 202);
    const seen = () => admin.get(`/api/admin/users/${erin.user.id}`);
    const user = await waitFor(
      async () => (await seen()).json<User>(),
      {},
      ({ email }) => email === null,
    );
    expect(user).toMatchObject({ status: 'deleted', displayName: null });
    expect((await admin.get('/api/admin/users?status=deleted')).text).not.toContain('erin@example.com');
  });

  it('S0-20 S0-21 lists a user’s keys and revokes any: it is refused at once', async () => {
    const frank = await newTenant(admin, 'frank');
    const { items } = (await admin.get(`/api/admin/users/${frank.user.id}/apikeys`)).json<Page<Key>>();
    expect(items).toMatchObject([{ id: frank.keyId, name: 'laptop', status: 'active', lastFour: frank.key.slice(-4) }]);
    succeeded(await admin.delete(`/api/admin/apikeys/${frank.keyId}`), 204);
    await waitFor(async () => refused(await frank.api.get('/api/me'), 'UNAUTHENTICATED'));
    const after = (await admin.get(`/api/admin/users/${frank.user.id}/apikeys`)).json<Page<Key>>().items;
    expect(after).toMatchObject([{ id: frank.keyId, status: 'revoked' }]);
  });

  it('S0-22 to S0-25 lets everybody look after their own keys', async () => {
    const grace = await newTenant(admin, 'grace');
    expect((await grace.api.get('/api/me')).json()).toMatchObject({ id: grace.user.id, username: 'grace', role: 'user' });
    const made = succeeded(await grace.api.post('/api/me/apikeys', { name: 'ci' }), 201).json<Key & { key: string }>();
    await waitFor(async () => succeeded(await admin.as(made.key).get('/api/me'), 200));
    const names = (await grace.api.get('/api/me/apikeys')).json<Page<Key>>().items.map(({ name }) => name);
    expect(names).toEqual(['ci', 'laptop']);
    const renamed = succeeded(await grace.api.patch(`/api/me/apikeys/${made.id}`, { name: 'build' }, { 'if-match': '"1"' }), 200);
    expect(renamed.json()).toMatchObject({ name: 'build', version: 2 });
    refused(await grace.api.patch(`/api/me/apikeys/${made.id}`, { name: 'late' }, { 'if-match': '"1"' }), 'VERSION_MISMATCH');
    refused(await grace.api.delete(`/api/me/apikeys/${made.id}`, { 'if-match': '"1"' }), 'VERSION_MISMATCH');
    refused(await grace.api.delete(`/api/me/apikeys/${alice.keyId}`), 'KEY_NOT_FOUND');
    succeeded(await grace.api.delete(`/api/me/apikeys/${made.id}`), 204);
    await waitFor(async () => refused(await admin.as(made.key).get('/api/me'), 'UNAUTHENTICATED'));
  });

  it('tells when a key was last used, to the minute', async () => {
    const look = async () => (await alice.api.get('/api/me/apikeys')).json<Page<Key>>().items.find(({ id }) => id === alice.keyId)!;
    const { lastUsedAt } = await waitFor(look, {}, (key) => key.lastUsedAt !== null);
    expect(Math.abs(Date.parse(lastUsedAt!) - Date.now())).toBeLessThan(120_000);
  });

  it('makes one user of two identical requests with one Idempotency-Key', async () => {
    const ask = () => admin.post('/api/admin/users', { username: 'twice' }, { 'idempotency-key': 'double-click-1' });
    const replies = await Promise.all([ask(), ask()]);
    const winner = replies.find(({ status }) => status === 201)!;
    const other = replies.find((reply) => reply !== winner)!;
    if (other.status === 201) expect(other.json()).toEqual(winner.json());
    else refused(other, 'REQUEST_IN_PROGRESS');
    const again = succeeded(await ask(), 201);
    expect(again.headers['idempotency-replayed']).toBe('true');
    expect(again.json()).toEqual(winner.json());
    refused(
      await admin.post('/api/admin/users', { username: 'thrice' }, { 'idempotency-key': 'double-click-1' }),
      'IDEMPOTENCY_KEY_REUSED',
    );
  });
});
