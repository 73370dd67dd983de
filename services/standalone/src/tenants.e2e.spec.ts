import type { Session } from '@sandlot/contracts';
import type { Client, Reply } from './testing/http-client.js';
import { startPlatform, type Platform } from './testing/platform.js';
import { anyProblem, succeeded } from './testing/problems.js';
import { newSandbox, newTenant, type Tenant } from './testing/tenants.js';

/** What a path's parameters stand for when a request aims at this tenant's things. */
interface Target {
  readonly tenant: Tenant;
  readonly sandbox: string;
  readonly sessionId: string;
}

interface Case {
  /** Besides what the document says of the body. */
  readonly body?: unknown;
  readonly query?: string;
  /** What each of these may get. Anything else is a hole. `own`: the tenant on his own things; `other`: another tenant on them. */
  readonly nobody: number;
  readonly own: readonly number[];
  readonly other: readonly number[];
  readonly admin: readonly number[];
}

const publicRoute: Case = { nobody: 200, own: [200], other: [200], admin: [200] };
/** Of the caller's own things whoever that is: the path names nothing of the target. */
const selfService = (...own: number[]): Case => ({ nobody: 401, own, other: own, admin: own });
/** The path names something of the target's, looked for among the caller's own. */
const ownOnly = (...own: number[]): Case => ({ nobody: 401, own, other: [404], admin: [404] });
const named = (...own: number[]): Case => ({ nobody: 401, own, other: [404], admin: own });
const administration = (...admin: number[]): Case => ({ nobody: 401, own: [403], other: [403], admin });
const unknownOperation = { service: 'auth', name: 'none', id: '1' };

/** Every route of the document. A new one fails the test until somebody has thought about who may use it. */
const cases: Record<string, Case> = {
  'GET /health': publicRoute,
  'GET /openapi.json': publicRoute,
  'GET /openapi.yaml': publicRoute,
  'GET /docs': publicRoute,
  'GET /docs/start.js': publicRoute,
  'GET /docs/{file}': publicRoute,
  'GET /docs/health': publicRoute,
  'GET /docs/health/{code}': publicRoute,
  'GET /docs/runbooks': publicRoute,
  'GET /docs/runbooks/{alert}': publicRoute,
  'GET /problems': publicRoute,
  'GET /problems/{slug}': publicRoute,
  'GET /api/v1/me': selfService(200),
  'GET /api/v1/me/quota': selfService(200),
  'GET /api/v1/me/limits': selfService(200),
  'GET /api/v1/me/audit-logs': selfService(200),
  'POST /api/v1/me/apikeys': { ...selfService(201), body: { name: 'matrix' } },
  'GET /api/v1/me/apikeys': selfService(200),
  'PATCH /api/v1/me/apikeys/{keyId}': { ...ownOnly(200), body: { name: 'renamed' } },
  'DELETE /api/v1/me/apikeys/{keyId}': ownOnly(204),
  'GET /api/v1/access-logs': selfService(200),
  'GET /api/v1/access-logs.jsonl': selfService(200),
  'GET /api/v1/usage': selfService(200),
  'GET /sandboxes': selfService(200),
  'POST /api/v1/sandboxes': { ...selfService(202, 409), body: { name: 'matrix' } },
  'GET /api/v1/sandboxes': selfService(200),
  'GET /api/v1/sandboxes/{name}': ownOnly(200),
  'DELETE /api/v1/sandboxes/{name}': ownOnly(202),
  'POST /api/v1/sandboxes/{name}/pause': ownOnly(202),
  'POST /api/v1/sandboxes/{name}/resume': ownOnly(202),
  'POST /api/v1/sandboxes/{name}/previews': { ...ownOnly(201), body: {} },
  'GET /api/v1/sandboxes/{name}/previews': ownOnly(200),
  'DELETE /api/v1/sandboxes/{name}/previews/{previewId}': ownOnly(404),
  // Passed on to the sandbox, which in memory is none.
  'GET /api/v1/sandboxes/{name}/workspace': ownOnly(502),
  'PUT /api/v1/sandboxes/{name}/workspace': ownOnly(502),
  'GET /api/v1/sandboxes/{username}/{name}': named(200),
  'DELETE /api/v1/sandboxes/{username}/{name}': named(202),
  'POST /api/v1/sandboxes/{username}/{name}/pause': named(202),
  'POST /api/v1/sandboxes/{username}/{name}/resume': named(202),
  'POST /api/v1/sessions': { ...selfService(202), body: {} },
  'GET /api/v1/sessions': selfService(200),
  'GET /api/v1/sessions/{sessionId}': named(200),
  'POST /api/v1/sessions/{sessionId}/extend': ownOnly(200),
  'DELETE /api/v1/sessions/{sessionId}': named(202),
  'POST /api/v1/admin/users': { ...administration(201), body: { username: 'matrix' } },
  'GET /api/v1/admin/users': administration(200),
  'GET /api/v1/admin/users/{userId}': administration(200),
  'PUT /api/v1/admin/users/{userId}': { ...administration(200), body: { displayName: 'M' } },
  'PATCH /api/v1/admin/users/{userId}': { ...administration(200), body: { displayName: 'N' } },
  'DELETE /api/v1/admin/users/{userId}': administration(204),
  'POST /api/v1/admin/users/{userId}/forget': administration(202),
  'POST /api/v1/admin/users/{userId}/apikeys': { ...administration(201), body: { name: 'matrix' } },
  'GET /api/v1/admin/users/{userId}/apikeys': administration(200),
  'PATCH /api/v1/admin/apikeys/{keyId}': { ...administration(200), body: { name: 'renamed' } },
  'DELETE /api/v1/admin/apikeys/{keyId}': administration(204),
  'GET /api/v1/admin/users/{userId}/quota': administration(200),
  'PUT /api/v1/admin/users/{userId}/quota': { ...administration(200), body: { sandboxes: 9 } },
  'GET /api/v1/admin/users/{userId}/limits': administration(200),
  'PUT /api/v1/admin/users/{userId}/limits': { ...administration(200), body: { requestsPerSecond: 100 } },
  'GET /api/v1/admin/routing': { ...administration(200), query: '?user=admin&path=/proxy/s1/' },
  'GET /api/v1/audit-logs': administration(200),
  'GET /api/v1/audit-logs.jsonl': administration(200),
  'GET /api/v1/audit-logs/stream': { ...administration(400), query: '?after=nonsense' },
  'GET /api/v1/admin/projections': administration(200),
  'POST /api/v1/admin/projections/{service}/{name}/rebuild': { ...administration(404), body: { reason: 'matrix' } },
  'POST /api/v1/admin/projections/{service}/{name}/retry': administration(404),
  'POST /api/v1/admin/projections/{service}/{name}/skip': { ...administration(404), body: { position: 1, reason: 'matrix' } },
  'GET /api/v1/admin/consumers': administration(200),
  'POST /api/v1/admin/consumers/{name}/pause': { ...administration(404), body: { until: '2030-01-01T00:00:00Z' } },
  'POST /api/v1/admin/consumers/{name}/resume': administration(404),
  'POST /api/v1/admin/consumers/{name}/replay': { ...administration(404), body: { fromPosition: 1 } },
  'GET /api/v1/admin/namespaces/{username}': administration(200),
  'POST /api/v1/admin/namespaces/{username}/adopt': administration(200),
  'GET /api/v1/admin/health': administration(200),
  'POST /api/v1/admin/master-key/rewrap': administration(200),
  'GET /api/v1/admin/rebuild': administration(200),
  'POST /api/v1/admin/rebuild': { ...administration(200), body: { dryRun: true } },
  'GET /api/v1/admin/dead-letters': administration(200),
  'POST /api/v1/admin/dead-letters/{service}/{id}/replay': administration(404),
  'DELETE /api/v1/admin/dead-letters/{service}/{id}': administration(404),
};
/** What ends the target is done last, and by its owner or an administrator alone. */
const ending = /^DELETE .*(apikeys|users|sandboxes|sessions)|\/forget$/;

describe('S0-04 tenants', () => {
  let platform: Platform;
  let admin: Client;
  let made = 0;

  beforeAll(async () => {
    platform = await startPlatform({ mode: 'standalone', runtime: 'memory', env: { SANDLOT_PREVIEW_DOMAIN: 'previews.example' } });
    admin = platform.admin;
  }, 60_000);
  afterAll(() => platform.stop());

  /** A tenant with one running sandbox, whose name every tenant uses, and one session. */
  async function target(): Promise<Target> {
    const tenant = await newTenant(admin, `tenant-${(made += 1)}`, { email: `canary-${made}@example.com` });
    await newSandbox(tenant.api, 's1');
    const { id: sessionId } = succeeded(await tenant.api.post('/api/v1/sessions', {}), 202).json<Session>();
    return { tenant, sandbox: 's1', sessionId };
  }

  const pathTo = (route: string, { tenant, sandbox, sessionId }: Target) =>
    route.replace(/\{(\w+)\}/g, (_, name: string) => {
      const own: Record<string, string> = { userId: tenant.user.id, keyId: tenant.keyId, username: tenant.username, sessionId };
      const fixed: Record<string, string> = {
        file: 'swagger-ui.css',
        slug: 'not-found',
        alert: 'SandlotServiceDown',
        code: 'SL-SVC-01',
        service: unknownOperation.service,
        id: unknownOperation.id,
      };
      if (name === 'name') return route.includes('/sandboxes/') ? sandbox : unknownOperation.name;
      return own[name] ?? fixed[name] ?? name;
    });

  async function routes(): Promise<string[]> {
    const { paths } = (await platform.nobody.get('/openapi.json')).json<{ paths: Record<string, Record<string, unknown>> }>();
    return Object.entries(paths).flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`));
  }

  function ask(client: Client, route: string, aim: Target): Promise<Reply> {
    const [method, path] = route.split(' ') as [string, string];
    const { body, query = '' } = cases[route]!;
    const fresh = route === 'POST /api/v1/admin/users' ? { username: `matrix-${(made += 1)}` } : body;
    return client.send(method, pathTo(path, aim) + query, { body: fresh });
  }

  it('have a case for every route of the document, and none for another', async () => {
    expect(Object.keys(cases).sort()).toEqual((await routes()).sort());
  });

  it('are refused without a key, on every route that is not public', async () => {
    const aim = await target();
    for (const [route, { nobody }] of Object.entries(cases)) {
      const reply = await ask(platform.nobody, route, aim);
      expect([route, reply.status]).toEqual([route, nobody]);
      if (nobody === 401) anyProblem(reply);
    }
  });

  it('reach nothing of each other’s on any route, in either direction', async () => {
    const one = await target();
    const two = await target();
    const onlyOf = ({ tenant: { username } }: Target) => `only-${username}`;
    for (const aim of [one, two]) await newSandbox(aim.tenant.api, onlyOf(aim));
    for (const [aim, { api: stranger }] of [
      [one, two.tenant],
      [two, one.tenant],
    ] as const)
      for (const [route, { other }] of Object.entries(cases)) {
        // By the path without a username the stranger's own s1 is meant, which he may do with as he likes.
        const withoutName = /^\w+ \/api\/v1\/sandboxes\/\{name\}/.test(route);
        const reply = await ask(stranger, route, withoutName ? { ...aim, sandbox: onlyOf(aim) } : aim);
        expect([route, other.includes(reply.status) ? 'as it should' : reply.status]).toEqual([route, 'as it should']);
        if (reply.status >= 400) anyProblem(reply);
        if (route.startsWith('GET ') && !other.includes(401) && cases[route] !== publicRoute) {
          for (const secret of [aim.tenant.user.id, aim.tenant.keyId, aim.tenant.user.email!]) expect(reply.text).not.toContain(secret);
        }
      }
    // And nothing has happened to what they tried.
    for (const aim of [one, two]) {
      const { tenant } = aim;
      expect((await tenant.api.get('/api/v1/me')).json()).toMatchObject({ status: 'active', displayName: null });
      expect((await tenant.api.get('/api/v1/sandboxes/s1')).json()).toMatchObject({ state: 'running' });
      expect((await tenant.api.get(`/api/v1/sandboxes/${onlyOf(aim)}`)).json()).toMatchObject({ state: 'running' });
    }
  }, 60_000);

  it('and administrators get what the matrix says on every route', async () => {
    for (const who of ['own', 'admin'] as const) {
      const aim = await target();
      const client = who === 'own' ? aim.tenant.api : admin;
      const inOrder = Object.entries(cases).sort(([a], [b]) => Number(ending.test(a)) - Number(ending.test(b)));
      for (const [route, expected] of inOrder) {
        const fits = ending.test(route) ? await target() : aim;
        const reply = await ask(who === 'own' ? fits.tenant.api : client, route, fits);
        expect([who, route, expected[who].includes(reply.status) ? 'as it should' : reply.text.slice(0, 300)]).toEqual([
          who,
          route,
          'as it should',
        ]);
      }
    }
  }, 60_000);
});

describe('S0-04 the data plane', () => {
  let platform: Platform;
  let alice: Tenant;
  let bob: Tenant;

  beforeAll(async () => {
    platform = await startPlatform({ mode: 'standalone' });
    alice = await newTenant(platform.admin, 'alice');
    bob = await newTenant(platform.admin, 'bob');
    await newSandbox(alice.api, 's1');
    await newSandbox(alice.api, 'hers');
    await newSandbox(bob.api, 's1');
    for (const { api, username } of [alice, bob]) succeeded(await api.send('PUT', '/proxy/s1/files/whose.txt', { body: username }), 201);
  }, 60_000);
  afterAll(() => platform.stop());

  const whose = async (client: Client, address: string) => {
    const reply = await client.get(`${address}/files/whose.txt`);
    return reply.status === 200 ? reply.text : reply.status;
  };

  it('leads everybody to his own sandbox of a name, administrators to anybody’s by his name, and nobody else anywhere', async () => {
    expect(await whose(alice.api, '/proxy/s1')).toBe('alice');
    expect(await whose(bob.api, '/proxy/s1')).toBe('bob');
    expect(await whose(alice.api, '/alice/s1')).toBe('alice');
    expect(await whose(bob.api, '/alice/s1')).toBe(404);
    expect(await whose(alice.api, '/bob/s1')).toBe(404);
    expect(await whose(bob.api, '/proxy/hers')).toBe(404);
    expect(await whose(platform.admin, '/alice/s1')).toBe('alice');
    expect(await whose(platform.admin, '/bob/s1')).toBe('bob');
    expect(await whose(platform.admin, '/proxy/s1')).toBe(404);
    for (const address of ['/proxy/s1', '/alice/s1', '/bob/s1']) expect(await whose(platform.nobody, address)).toBe(401);
  });

  it.each([
    '/proxy/s1/../../alice/hers/files/whose.txt',
    '/bob/../alice/s1/files/whose.txt',
    '/bob%2f..%2falice/s1/files/whose.txt',
    '/proxy/%2e%2e/alice/s1/files/whose.txt',
    '//alice/s1/files/whose.txt',
    '/Alice/s1/files/whose.txt',
    '/alice./s1/files/whose.txt',
    '/alice;bob/s1/files/whose.txt',
    '/api/../alice/s1/files/whose.txt',
  ])('keeps bob out of alice’s at %s', async (path) => {
    const reply = await bob.api.get(path);
    expect(reply.status).toBeGreaterThanOrEqual(400);
    expect(reply.text).not.toBe('alice');
  });

  it.each([
    { 'x-sandlot-identity': 'alice' },
    { 'x-forwarded-user': 'alice' },
    { 'x-original-url': '/alice/s1/files/whose.txt' },
    { 'x-rewrite-url': '/alice/s1/files/whose.txt' },
    { 'x-http-method-override': 'DELETE' },
  ])('does not take a header’s word for who somebody is: %j', async (headers) => {
    expect((await bob.api.get('/proxy/s1/files/whose.txt', headers)).text).toBe('bob');
    expect((await bob.api.get('/api/v1/me', headers)).json()).toMatchObject({ username: 'bob' });
  });
});
