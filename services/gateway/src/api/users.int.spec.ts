import { authMessages as auth, provisionerMessages as provisioner, proxyMessages as proxy, type LimitsInForce } from '@sandlot/contracts';
import { DomainError, newId } from '@sandlot/kernel';
import { admin, alice, GatewayUnderTest } from '../testing/gateway-under-test.js';
import { anApiKey, aUser } from '../testing/samples.js';

let gateway: GatewayUnderTest;
beforeAll(async () => {
  gateway = await GatewayUnderTest.start();
});
beforeEach(() => gateway.reset());

const users = '/api/admin/users';
const one = `${users}/${alice.userId}`;

describe('users', () => {
  it('S0-14 are created: 201 with the id and where they are', async () => {
    gateway.auth.answers(auth.CreateUser, ({ username, email }) => ({
      position: 5,
      user: aUser(alice, { username, email: email!, version: 1 }),
    }));
    const answer = await gateway.send('POST', users, { as: admin, body: { username: 'alice', email: 'alice@example.com' } });
    expect(answer).toMatchObject({ status: 201, json: { id: alice.userId, username: 'alice', email: 'alice@example.com' } });
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      location: `/api/v1/admin/users/${alice.userId}`,
      etag: '"1"',
      'sandlot-position': '5',
    });
    expect(gateway.auth.requests[0]!.request).toMatchObject({ role: 'user', context: { actor: { type: 'admin', id: admin.userId } } });
  });

  it('S0-15 are listed by the page', async () => {
    gateway.auth.answers(auth.ListUsers, () => ({ items: [aUser(alice)], nextCursor: null }));
    const answer = await gateway.send('GET', `${users}?status=active&limit=5`, { as: admin });
    expect(answer).toMatchObject({ status: 200, json: { items: [{ username: 'alice' }], nextCursor: null } });
    expect(gateway.auth.requests[0]!.request).toMatchObject({ status: 'active', limit: 5 });
  });

  it('S0-16 are shown with their ETag', async () => {
    gateway.auth.answers(auth.GetUser, () => aUser(alice, { version: 3 }));
    const answer = await gateway.send('GET', one, { as: admin });
    expect(answer).toMatchObject({ status: 200, json: { id: alice.userId } });
    expect(answer.headers.get('etag')).toBe('"3"');
    expect((await gateway.send('GET', one, { as: admin, headers: { 'if-none-match': 'W/"3"' } })).status).toBe(304);
  });

  it.each(['PUT', 'PATCH'])('S0-17 are changed by %s, at the version that If-Match names', async (method) => {
    gateway.auth.answers(auth.UpdateUser, ({ expectedVersion }) => {
      if (expectedVersion !== 3) throw new DomainError('VERSION_MISMATCH', 'the user is at version 3');
      return { position: 6, user: aUser(alice, { status: 'disabled', version: 4 }) };
    });
    const send = (tag: string) => gateway.send(method, one, { as: admin, body: { status: 'disabled' }, headers: { 'if-match': tag } });
    const answer = await send('"3"');
    expect(answer).toMatchObject({ status: 200, json: { status: 'disabled' } });
    expect(answer.headers.get('etag')).toBe('"4"');
    expect(gateway.auth.requests[0]!.request).toMatchObject({ userId: alice.userId, changes: { status: 'disabled' } });
    expect(await send('"2"')).toMatchObject({ status: 412, json: { code: 'VERSION_MISMATCH' } });
  });

  it('S1-27 have limits of their own, which an administrator sets, at the version that If-Match names', async () => {
    const limits = { requestsPerSecond: 50, connections: 0 };
    gateway.auth.answers(auth.SetUserLimits, (request) => ({
      position: 7,
      limits: { userId: alice.userId, limits: request.limits, version: request.expectedVersion! + 1 },
    }));
    gateway.auth.answers(auth.GetUserLimits, () => ({ userId: alice.userId, limits, version: 4 }));
    const answer = await gateway.send('PUT', `${one}/limits`, { as: admin, body: limits, headers: { 'if-match': '"3"' } });
    expect(answer).toMatchObject({ status: 200, json: { limits } });
    expect(answer.headers.get('etag')).toBe('"4"');
    expect(await gateway.send('GET', `${one}/limits`, { as: admin })).toMatchObject({
      status: 200,
      json: { userId: alice.userId, limits },
    });
    for (const body of [{ requestsPerSecond: -1 }, { requestsPerSecond: 1.5 }, { requests: 1 }])
      expect((await gateway.send('PUT', `${one}/limits`, { as: admin, body })).status).toBe(422);
  });

  it('take a merge patch by its own content type', async () => {
    gateway.auth.answers(auth.UpdateUser, () => ({ position: 6, user: aUser(alice) }));
    const headers = { 'content-type': 'application/merge-patch+json' };
    expect((await gateway.send('PATCH', one, { as: admin, body: { email: null }, headers })).status).toBe(200);
    expect(gateway.auth.requests[0]!.request.changes).toEqual({ email: null });
  });

  it('S0-18 are deleted, and forgotten', async () => {
    gateway.auth.answers(auth.DeleteUser, () => ({ position: 8 }));
    gateway.auth.answers(auth.ForgetUser, () => ({ position: 9 }));
    const deleted = await gateway.send('DELETE', one, { as: admin, headers: { 'if-match': '"3"' } });
    expect(deleted).toMatchObject({ status: 204, text: '' });
    expect(deleted.headers.get('sandlot-position')).toBe('8');
    expect(gateway.auth.requests[0]!.request).toMatchObject({ userId: alice.userId, expectedVersion: 3 });
    const forgotten = await gateway.send('POST', `${one}/forget`, { as: admin });
    expect(forgotten).toMatchObject({ status: 202, text: '' });
    expect(forgotten.headers.get('sandlot-position')).toBe('9');
  });

  it('are not found by what is no id', async () => {
    expect(await gateway.send('GET', `${users}/alice`, { as: admin })).toMatchObject({ status: 404, json: { code: 'USER_NOT_FOUND' } });
    expect(gateway.auth.requests).toEqual([]);
  });
});

describe('API keys', () => {
  beforeEach(() => {
    gateway.auth.answers(auth.CreateApiKey, ({ name }) => ({ position: 5, key: { ...anApiKey(alice, { name }), key: 'slk_raw' } }));
    gateway.auth.answers(auth.ListApiKeys, () => ({ items: [anApiKey(alice)], nextCursor: null }));
    gateway.auth.answers(auth.RenameApiKey, ({ name }) => ({ position: 6, key: anApiKey(alice, { name, version: 2 }) }));
    gateway.auth.answers(auth.RevokeApiKey, () => ({ position: 7 }));
  });

  it.each([
    ['S0-19', admin, `${one}/apikeys`, '/api/v1/admin/apikeys/'],
    ['S0-23', alice, '/api/me/apikeys', '/api/v1/me/apikeys/'],
  ])('%s are created and shown once', async (_, as, path, location) => {
    const answer = await gateway.send('POST', path, { as, body: { name: 'laptop' } });
    expect(answer).toMatchObject({ status: 201, json: { name: 'laptop', key: 'slk_raw' } });
    expect(answer.headers.get('location')).toBe(`${location}${alice.keyId}`);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    expect(gateway.auth.requests[0]!.request).toMatchObject({ userId: alice.userId, name: 'laptop' });
  });

  it.each([
    ['S0-20', admin, `${one}/apikeys`],
    ['S0-24', alice, '/api/me/apikeys'],
  ])('%s are listed', async (_, as, path) => {
    expect(await gateway.send('GET', path, { as })).toMatchObject({ status: 200, json: { items: [{ id: alice.keyId }] } });
    expect(gateway.auth.requests[0]!.request).toMatchObject({ userId: alice.userId, limit: 50 });
  });

  it.each([
    ['S0-21', admin, '/api/admin/apikeys', undefined],
    ['S0-25', alice, '/api/me/apikeys', alice.userId],
  ])('%s are renamed and revoked, ones own only unless by an administrator', async (_, as, path, userId) => {
    const key = `${path}/${alice.keyId}`;
    expect(await gateway.send('PATCH', key, { as, body: { name: 'desk' } })).toMatchObject({ status: 200, json: { name: 'desk' } });
    expect(await gateway.send('DELETE', key, { as, headers: { 'if-match': '"2"' } })).toMatchObject({ status: 204 });
    const [renamed, revoked] = gateway.auth.requests.map(({ request }) => request);
    expect([renamed!.userId, revoked!.userId]).toEqual([userId, userId]);
    expect(revoked).toMatchObject({ keyId: alice.keyId, expectedVersion: 2 });
    expect(await gateway.send('DELETE', `${path}/nope`, { as })).toMatchObject({ status: 404, json: { code: 'KEY_NOT_FOUND' } });
  });
});

describe('me and quotas', () => {
  const usage = {
    quota: { sandboxes: 10, cpu: '4', memory: '8Gi' },
    used: { sandboxes: 1, cpu: '400m', memory: '768Mi' },
    holders: [{ sandboxId: newId('sbx'), name: 's1', cpu: '400m', memory: '768Mi' }],
  };
  beforeEach(() => {
    gateway.auth.answers(auth.GetUser, ({ userId }) => {
      if (userId !== alice.userId) throw new DomainError('USER_NOT_FOUND', 'there is no such user');
      return aUser(alice);
    });
    gateway.provisioner.answers(provisioner.GetQuota, () => usage);
    gateway.provisioner.answers(provisioner.SetQuota, ({ quota }) => ({
      position: 4,
      usage: { ...usage, quota: { ...usage.quota, ...quota } as never },
    }));
  });

  it('S0-22 tells the caller who that is', async () => {
    const answer = await gateway.send('GET', '/api/me', { as: alice });
    expect(answer).toMatchObject({ status: 200, json: { id: alice.userId, username: 'alice', role: 'user' } });
  });

  it('S0-58 S1-27 tells the caller what may be asked of the proxies, as one of them says', async () => {
    const rate = { value: 10, burst: 20, source: 'default' as const };
    const limits: LimitsInForce = {
      requestsPerSecond: rate,
      requestsPerSecondPerKey: { value: 5, burst: 10, source: 'override' },
      requestsPerSecondPerSandbox: rate,
      requestsUnderWay: { value: 1000, source: 'default' },
      connections: { value: 0, source: 'override' },
      bodyBytes: { api: 1_048_576, sandbox: null },
    };
    gateway.proxy.answers(proxy.GetLimitsInForce, () => limits);
    expect(await gateway.send('GET', '/api/v1/me/limits', { as: alice })).toMatchObject({ status: 200, json: limits });
    expect(gateway.proxy.requests[0]!.request).toEqual({ userId: alice.userId });
  });

  it('tells what is held and what may be', async () => {
    expect(await gateway.send('GET', '/api/v1/me/quota', { as: alice })).toMatchObject({ status: 200, json: usage });
    expect(await gateway.send('GET', `${one}/quota`, { as: admin })).toMatchObject({ status: 200, json: usage });
  });

  it('lets an administrator change a quota, of who exists', async () => {
    const answer = await gateway.send('PUT', `${one}/quota`, { as: admin, body: { sandboxes: 3 } });
    expect(answer).toMatchObject({ status: 200, json: { quota: { sandboxes: 3, cpu: '4' } } });
    expect(answer.headers.get('sandlot-position')).toBe('4');
    const nobody = await gateway.send('PUT', `${users}/${newId('usr')}/quota`, { as: admin, body: { sandboxes: 3 } });
    expect(nobody).toMatchObject({ status: 404, json: { code: 'USER_NOT_FOUND' } });
    expect(gateway.provisioner.requestsTo(provisioner.SetQuota)).toHaveLength(1);
  });
});
