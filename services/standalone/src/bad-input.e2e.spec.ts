import { waitFor } from '@sandlot/testing';
import type { ErrorCode } from '@sandlot/kernel';
import type { Client } from './testing/http-client.js';
import { startPlatform, type Platform } from './testing/platform.js';
import { anyProblem, refused, succeeded } from './testing/problems.js';
import { sendRaw } from './testing/raw-http.js';
import { newSandbox, newTenant, type Tenant } from './testing/tenants.js';

describe('bad input', () => {
  let platform: Platform;
  let admin: Client;
  let alice: Tenant;

  beforeAll(async () => {
    platform = await startPlatform({ mode: 'standalone' });
    admin = platform.admin;
    alice = await newTenant(admin, 'alice');
    await newSandbox(alice.api, 's1');
  }, 60_000);
  afterAll(async () => {
    expect(await platform.logs()).not.toMatch(/\s+at .+\(.+:\d+:\d+\)/);
    await platform.stop();
  });

  it.each(['/nothing', '/api/nothing', '/api/v1/sandboxes/s1/restart', '/v1/users', '/api/v2/me', '/favicon.ico'])(
    'answers 404 at %s',
    async (path) => {
      const reply = await alice.api.get(path);
      expect(anyProblem(reply).status).toBe(404);
    },
  );

  it.each([
    ['DELETE', '/api/sandboxes', 'GET, HEAD, POST'],
    ['PUT', '/api/v1/sandboxes/s1/pause', 'DELETE, GET, HEAD, POST'], // as the sandbox pause of a user s1, too
    ['POST', '/api/me', 'GET, HEAD'],
    ['PATCH', '/health', 'GET, HEAD'],
  ])('answers %s %s with 405 and what is allowed', async (method, path, allow) => {
    const reply = await alice.api.send(method, path, { body: {} });
    refused(reply, 'METHOD_NOT_ALLOWED');
    expect(reply.headers.allow!.split(', ').sort()).toEqual(allow.split(', ').sort());
  });

  it.each(['TRACE', 'CONNECT', 'PROPFIND', 'BREW'])('does not let the method %s through the API', async (method) => {
    const said = await sendRaw(
      platform.url,
      `${method} /api/v1/me HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${alice.key}\r\nconnection: close\r\n\r\n`,
    );
    expect(said).toMatch(/^HTTP\/1\.1 (?:400|405|501) /);
    expect(said).toContain('application/problem+json');
  });

  const json = { 'content-type': 'application/json' };

  it.each<[string, string, ErrorCode]>([
    ['half a body', '{"name":', 'MALFORMED_REQUEST'],
    ['two bodies', '{"name":"a"}{"name":"b"}', 'MALFORMED_REQUEST'],
    ['a prototype', '{"__proto__":{"admin":true},"name":"a"}', 'MALFORMED_REQUEST'],
    ['NUL as a byte', '{"name":"a\0b"}', 'MALFORMED_REQUEST'],
    ['NUL escaped', '{"name":"a\\u0000b"}', 'VALIDATION_FAILED'],
    ['a lone surrogate', '{"name":"a\\ud800"}', 'VALIDATION_FAILED'],
    ['an array', '[]', 'VALIDATION_FAILED'],
    ['null', 'null', 'VALIDATION_FAILED'],
    ['a number', '1e400', 'VALIDATION_FAILED'],
    ['nothing', '', 'VALIDATION_FAILED'],
    ['an unknown field', '{"name":"a","colour":"red"}', 'VALIDATION_FAILED'],
    ['the wrong types', '{"name":7,"ports":"all"}', 'VALIDATION_FAILED'],
    ['a deep nest', `{"name":${'['.repeat(5_000)}${']'.repeat(5_000)}}`, 'VALIDATION_FAILED'],
  ])('refuses %s as a body', async (_, body, code) => {
    refused(await alice.api.post('/api/sandboxes', body, json), code);
  });

  it('names every field that is wrong', async () => {
    const problem = refused(
      await admin.post('/api/admin/users', { username: 'A', email: 'nobody', role: 'god', extra: 1 }),
      'VALIDATION_FAILED',
    );
    const pointers = (problem['errors'] as { pointer: string; in: string }[]).map(({ pointer }) => pointer);
    for (const field of ['/username', '/email', '/role']) expect(pointers).toContain(field);
    expect(JSON.stringify(problem['errors'])).toContain('extra');
  });

  it.each(['text/plain', 'application/xml', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'nonsense'])(
    'does not take %s for JSON',
    async (type) => {
      refused(await alice.api.post('/api/sandboxes', '{"name":"a"}', { 'content-type': type }), 'UNSUPPORTED_MEDIA_TYPE');
    },
  );

  it.each([
    [
      'reserved',
      [
        'api',
        'proxy',
        'health',
        'docs',
        'admin-api',
        'kube-system',
        'default',
        'sandboxes',
        'system',
        'v1',
        'problems',
        'kube-x',
        'xn--80ak6aa92e',
      ],
    ],
    ['too long or short', ['', 'a', 'a'.repeat(41), 'a'.repeat(100_000)]],
    [
      'not of the alphabet',
      [
        'Alice',
        'al ice',
        'al_ice',
        'al.ice',
        '-alice',
        'alice-',
        '1alice',
        'al/ice',
        '../etc',
        'alice\0',
        'alice\n',
        '%61lice',
        'al*',
        'al>',
      ],
    ],
    ['confusable', ['аlice', 'alice\u200b', 'ａlice', 'İlknur', 'ﬁona', 'alicé', 'a\u0301lice', 'ɑlice', 'alice\u202e', 'ſam']],
  ])('refuses usernames that are %s', async (_, names) => {
    for (const username of names) {
      const problem = refused(await admin.post('/api/admin/users', { username }), 'VALIDATION_FAILED');
      const at = (problem['errors'] as { pointer: string }[]).map(({ pointer }) => pointer);
      expect([username, new Set(at)]).toEqual([username, new Set(['/username'])]);
    }
  });

  it.each(['', 'S1', 'a_b', '-a', 'a-', '1a', 'a.b', 'a'.repeat(41), '../x', 'a\0', 'ѕ1'])('refuses the sandbox name %j', async (name) => {
    refused(await alice.api.post('/api/sandboxes', { name }), 'VALIDATION_FAILED');
  });

  it.each([
    '?limit=0', '?limit=201', '?limit=x', '?limit=', '?limit=1&limit=2', '?colour=red', '?state=lost', '?cursor=%00', '?cursor=' + 'x'.repeat(600), '?cursor=sbx_1',
  ])('refuses the query %s', async (query) => {
    const reply = await alice.api.get(`/api/sandboxes${query}`);
    expect([400, 422]).toContain(anyProblem(reply).status);
  }); // prettier-ignore

  it.each([
    '/api/sandboxes/%00',
    '/api/sandboxes/%ff',
    '/api/sandboxes/a%2fb',
    '/api/sandboxes/../me',
    '/api//me',
    '/proxy/s1\\x',
    '/proxy/%73%31/',
  ])('refuses the path %s', async (path) => {
    refused(await alice.api.get(path), 'MALFORMED_REQUEST');
  });

  it('finds nothing under names and ids that cannot be', async () => {
    for (const name of ['S1', '*', '.', '>', 'a'.repeat(1_000), '%C3%A9', "'%20or%201=1--", '$(id)', '__proto__', 'constructor'])
      expect([400, 404]).toContain(anyProblem(await alice.api.get(`/api/sandboxes/${name}`)).status);
    for (const id of ['1', 'usr_', 'usr_zzz', '*', 'sbx_01m7yh2783fhn9w7yby9m6e08m', "'"])
      refused(await admin.get(`/api/admin/users/${id}`), 'USER_NOT_FOUND');
    for (const actor of ["' or 1=1 --", '%00', '%', '_', '*', '\\'])
      expect([200, 400, 422]).toContain((await admin.get(`/api/v1/audit-logs?actor=${encodeURIComponent(actor)}`)).status);
  });

  it('refuses whoever has no key, a wrong one or one that is revoked, with the same answer', async () => {
    const made = succeeded(await alice.api.post('/api/me/apikeys', { name: 'brief' }), 201).json<{ id: string; key: string }>();
    succeeded(await alice.api.delete(`/api/me/apikeys/${made.id}`), 204);
    const revoked = await waitFor(
      () => admin.as(made.key).get('/api/me'),
      {},
      ({ status }) => status === 401,
    );
    const unknown = await admin.as('slk_' + '0'.repeat(49)).get('/api/me');
    const told = [revoked, unknown].map((reply) => ({ ...refused(reply, 'UNAUTHENTICATED'), requestId: '', instance: '' }));
    expect(told[0]).toEqual(told[1]);
    for (const key of ['x', 'Bearer', '', 'a'.repeat(5_000), '????']) refused(await admin.as(key).get('/api/me'), 'UNAUTHENTICATED');
    const why = () => alice.api.get(`/api/v1/me/audit-logs?outcome=refused&keyId=${made.id}`);
    await waitFor(
      async () => (await why()).text,
      {},
      (text) => text.includes('key revoked'),
    );
  });

  it('holds what is sent to the API to 1 MiB, and lets 50 MB through to a sandbox', async () => {
    const large = JSON.stringify({ name: 'x'.repeat(1_100_000) });
    refused(await alice.api.post('/api/sandboxes', large, json), 'BODY_TOO_LARGE');
    refused(await alice.api.post('/api/sandboxes', Buffer.alloc(12_000_000), json), 'BODY_TOO_LARGE');
    const body = Buffer.alloc(50_000_000, 'sandlot');
    succeeded(await alice.api.send('PUT', '/proxy/s1/files/large.bin', { body }), 201);
    expect((await alice.api.get('/proxy/s1/files/large.bin')).bytes.equals(body)).toBe(true);
    succeeded(await alice.api.post('/proxy/s1/execute', { command: 'x'.repeat(200_000) }), 422);
  });

  it('holds headers and URLs to their limits', async () => {
    refused(await alice.api.get(`/api/me?x=${'x'.repeat(9_000)}`), 'URI_TOO_LONG');
    expect(anyProblem(await alice.api.get('/api/me', { 'x-large': 'x'.repeat(20_000) })).status).toBe(431);
    const many = Object.fromEntries(Array.from({ length: 150 }, (_, n) => [`x-${n}`, '1']));
    expect(anyProblem(await alice.api.get('/api/me', many)).status).toBe(431);
  });

  it.each([
    ['no HTTP at all', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
    ['no host', 'GET /api/me HTTP/1.1\r\nconnection: close\r\n\r\n'],
    ['two lengths', 'POST /api/sandboxes HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}'],
    ['a length and chunks', 'POST /api/sandboxes HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['a negative length', 'POST /api/sandboxes HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n'],
    ['a bad chunk', 'POST /api/sandboxes HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n'],
    ['an absolute target', 'GET http://evil.example/api/me HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n'],
    ['HTTP/0.9', 'GET /api/me\r\n\r\n'],
    ['HTTP/2 prior knowledge', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ])('answers %s and closes', async (_, bytes) => {
    const said = await sendRaw(platform.url, bytes);
    expect(said).toMatch(/^HTTP\/1\.1 4\d\d /);
    expect(said).not.toMatch(/<html|\n\s+at /i);
  });

  it.each([
    ['prefer', 'wait=-1; wait=x, nonsense', 200],
    ['sandlot-position', 'x', 400],
    ['sandlot-position', '999999999999', 503],
    ['accept', 'image/png', 200],
    ['if-none-match', '"x', 200],
    ['range', 'bytes=0-', 200],
    ['traceparent', 'nonsense', 200],
    ['x-request-id', 'a b', 200],
    ['expect', '200-ok', 417],
  ])('bears the header %s: %s', async (name, value, status) => {
    const reply = await alice.api.get('/api/sandboxes', { [name]: value });
    if (status >= 400) anyProblem(reply);
    expect(reply.status).toBe(status);
  });

  it.each(['"3', '3', 'W/"1"', '"x"', '"1", "2"'])('does not pause on the word of If-Match: %s', async (tag) => {
    expect([400, 412]).toContain(anyProblem(await alice.api.post('/api/sandboxes/s1/pause', undefined, { 'if-match': tag })).status);
  });

  it('refuses times that are none, keys that expire in the past, and positions that are none', async () => {
    for (const expiresAt of ['tomorrow', '2020-01-01', '2020-01-01T00:00:00Z', '9999-99-99T00:00:00Z', 5])
      refused(await alice.api.post('/api/me/apikeys', { name: 'x', expiresAt }), 'VALIDATION_FAILED');
    for (const asOf of ['0', '-1', 'yesterday', '1.5', ''])
      refused(await alice.api.get(`/api/sandboxes/s1?asOf=${asOf}`), 'VALIDATION_FAILED');
    for (const key of ['a b', 'x'.repeat(256), '"a'])
      refused(await alice.api.post('/api/sandboxes', { name: 'never' }, { 'idempotency-key': key }), 'MALFORMED_REQUEST');
  });

  it('is still well afterwards', async () => {
    expect((await alice.api.get('/api/sandboxes/s1')).json()).toMatchObject({ state: 'running' });
    expect(succeeded(await alice.api.post('/proxy/s1/execute', { command: 'echo fine' }), 200).json()).toMatchObject({ stdout: 'fine\n' });
  });
});
