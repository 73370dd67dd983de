import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { authMessages as auth, provisionerMessages as provisioner } from '@sandlot/contracts';
import { IDENTITY_HEADER } from '@sandlot/service-kit';
import { admin, alice, GatewayUnderTest, identityOf, type Sending } from '../testing/gateway-under-test.js';

let gateway: GatewayUnderTest;
beforeAll(async () => {
  gateway = await GatewayUnderTest.start();
});
beforeEach(() => gateway.reset());

/** What every refusal is, whatever was wrong. */
async function refusal(method: string, path: string, sending: Sending = {}) {
  const answer = await gateway.send(method, path, sending);
  expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json\b/);
  expect(answer.headers.get('x-sandlot-code')).toBe(answer.json.code);
  expect(answer.headers.get('x-request-id')).toBe(answer.json.requestId);
  expect(answer.json).toMatchObject({
    status: answer.status,
    title: expect.any(String),
    detail: expect.any(String),
    hint: expect.any(String),
  });
  expect(answer.text).not.toMatch(/node_modules|\bat .*:\d+/);
  expect(gateway.provisioner.requests).toEqual([]);
  return answer;
}

it.each(['/nothing', '/api/v1', '/api/v1/nothing', '/api/v1/sandboxes/a/b/c/d', '/v1/admin', '/docs/../config.js', '/problems/nothing'])(
  'an unknown route is 404: %s',
  async (path) => expect(await refusal('GET', path, { as: admin })).toMatchObject({ status: 404, json: { code: 'NOT_FOUND' } }),
);

it.each([
  ['PUT', '/api/sandboxes', 'GET, HEAD, POST'],
  ['POST', '/sandboxes', 'GET, HEAD'],
  ['DELETE', '/health', 'GET, HEAD'],
  ['PATCH', '/v1/sandboxes/s1', 'DELETE, GET, HEAD'],
  ['GET', '/api/v1/me/apikeys/key_x', 'DELETE, PATCH'],
])('a wrong method is 405 with what is allowed: %s %s', async (method, path, allow) => {
  const answer = await refusal(method, path, { as: alice });
  expect(answer).toMatchObject({ status: 405, json: { code: 'METHOD_NOT_ALLOWED' } });
  expect(answer.headers.get('allow')).toBe(allow);
});

it.each(['{"name":', '{name: "s1"}', '[1,]', '{"__proto__":{"name":"s1"}}'])('a body that is no JSON is 400: %s', async (body) =>
  expect(await refusal('POST', '/api/sandboxes', { as: alice, body })).toMatchObject({ status: 400, json: { code: 'MALFORMED_REQUEST' } }),
);

it('no body where one is needed is 422, and says so', async () => {
  for (const sending of [{}, { body: '' }])
    expect(await refusal('POST', '/api/sandboxes', { as: alice, ...sending })).toMatchObject({
      status: 422,
      json: { code: 'VALIDATION_FAILED', detail: expect.stringContaining('a JSON body is required') },
    });
});

it.each([
  [{}, ['/name']],
  [{ name: 'S1' }, ['/name']],
  [{ name: '' }, ['/name']],
  [{ name: 's'.repeat(41) }, ['/name']],
  [{ name: 's1', imge: 'x' }, ['/imge']],
  [{ name: 's1', ports: [{ port: 70_000 }] }, ['/ports/0/port']],
  [{ name: 7, image: '' }, ['/name', '/image']],
  [[], ['']],
  ['"s1"', ['']],
])('a sandbox that is not valid is 422 with each field at fault: %j', async (body, pointers) => {
  const answer = await refusal('POST', '/api/sandboxes', { as: alice, body });
  expect(answer).toMatchObject({ status: 422, json: { code: 'VALIDATION_FAILED' } });
  expect([...new Set(answer.json.errors.map(({ pointer }: { pointer: string }) => pointer))]).toEqual(pointers);
});

it.each(['admin-api', 'kube-system', 'a', 'Alice', '-alice', 'alice-', '1alice', 'al_ice', 'a'.repeat(41), 'problems'])(
  'a username that is reserved, too long or malformed is 422: %s',
  async (username) => {
    const answer = await refusal('POST', '/api/admin/users', { as: admin, body: { username } });
    expect(answer).toMatchObject({ status: 422, json: { code: 'VALIDATION_FAILED' } });
    expect(answer.json.errors[0]).toMatchObject({ pointer: '/username', in: 'body' });
  },
);

it.each([
  ['limit=0', '/limit'],
  ['limit=many', '/limit'],
  ['limit=201', '/limit'],
  ['state=sleepy', '/state'],
  ['stat=running', '/stat'],
])('a query that is not valid is 422: %s', async (query, pointer) =>
  expect(await refusal('GET', `/api/sandboxes?${query}`, { as: alice })).toMatchObject({
    status: 422,
    json: { code: 'VALIDATION_FAILED', errors: [{ pointer, in: 'query' }] },
  }),
);

it('a body over 1 MiB is 413 with the limit', async () => {
  const body = JSON.stringify({ name: 's1', image: 'x'.repeat(1024 * 1024) });
  const answer = await refusal('POST', '/api/sandboxes', { as: alice, body });
  expect(answer).toMatchObject({ status: 413, json: { code: 'BODY_TOO_LARGE', limitBytes: 1024 * 1024 } });
});

it.each(['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'application/xml'])(
  'a body that is said to be %s is 415',
  async (type) => {
    const answer = await refusal('POST', '/api/sandboxes', { as: alice, body: '{"name":"s1"}', headers: { 'content-type': type } });
    expect(answer).toMatchObject({ status: 415, json: { code: 'UNSUPPORTED_MEDIA_TYPE' } });
  },
);

it('a URL over 8 KiB is 414', async () =>
  expect(await refusal('GET', `/api/sandboxes?cursor=${'c'.repeat(9_000)}`, { as: alice })).toMatchObject({
    status: 414,
    json: { code: 'URI_TOO_LONG' },
  }));

it('a path that cannot be decoded is 400', async () =>
  expect(await gateway.send('GET', '/api/sandboxes/%zz', { as: alice })).toMatchObject({
    status: 400,
    json: { code: 'MALFORMED_REQUEST' },
  }));

it('what is no HTTP is 400', async () => {
  const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1');
  socket.write('HELLO\r\n\r\n');
  expect(await text(socket)).toMatch(/^HTTP\/1\.1 400 [\s\S]*MALFORMED_REQUEST/);
});

it.each([
  ['none', undefined],
  ['a forged one', identityOf({ ...alice, role: 'admin' }).replace(/\.[^.]*$/, '.AAAA')],
  ['one of another body', `${identityOf(admin).split('.')[0]}.${identityOf(alice).split('.')[1]}`],
  ['no such thing', 'x'],
])('without an identity of the proxy it is 401: %s', async (_, identity) => {
  const answer = await refusal('GET', '/api/sandboxes', { headers: identity ? { [IDENTITY_HEADER]: identity } : {} });
  expect(answer).toMatchObject({ status: 401, json: { code: 'UNAUTHENTICATED' } });
  expect(answer.headers.get('www-authenticate')).toBe('Bearer realm="sandlot"');
});

it('C12 without a key it is 401 and says which header is missing', async () =>
  expect((await refusal('GET', '/api/sandboxes')).json.detail).toContain('Authorization: Bearer'));

it("a user at an administrator's route is 403 with the permission that is missing", async () =>
  expect(await refusal('GET', '/api/admin/users', { as: alice })).toMatchObject({
    status: 403,
    json: { code: 'FORBIDDEN', permission: 'user:read' },
  }));

it('a service that is away is 503 with Retry-After, and the rest goes on', async () => {
  gateway.auth.answers(auth.GetUser, () => Promise.reject(new Error('not asked')));
  await gateway.provisioner.leave();
  try {
    for (const [method, path, body] of [
      ['GET', '/api/sandboxes', undefined],
      ['GET', '/api/sandboxes/s1', undefined],
      ['POST', '/api/sandboxes', { name: 's1' }],
      ['POST', '/api/sandboxes/s1/pause', undefined],
    ] as const) {
      const answer = await refusal(method, path, { as: alice, body });
      expect(answer).toMatchObject({ status: 503, json: { code: 'UNAVAILABLE', retryable: true } });
      expect(answer.headers.get('retry-after')).toBe('1');
    }
    expect((await gateway.send('GET', '/health')).status).toBe(200);
    expect((await gateway.send('GET', '/problems')).status).toBe(200);
  } finally {
    await gateway.provisioner.start();
  }
});

it('a command that is not answered in time is 503 with an unknown outcome, never a failure', async () => {
  gateway.provisioner.answers(provisioner.PauseSandbox, () => new Promise(() => undefined));
  const answer = await gateway.send('POST', '/api/sandboxes/s1/pause', { as: alice });
  expect(answer).toMatchObject({
    status: 503,
    json: { code: 'OUTCOME_UNKNOWN', retryable: true, commandId: expect.stringMatching(/^cmd_/) },
  });
  expect(answer.headers.get('retry-after')).toBe('1');
});

it('what a service fails at tells nobody how', async () => {
  gateway.auth.answers(auth.GetUser, () => {
    throw new Error('the secret is slk_raw');
  });
  const answer = await refusal('GET', '/api/me', { as: alice });
  expect(answer).toMatchObject({ status: 500, json: { code: 'INTERNAL' } });
  expect(answer.text).not.toContain('slk_raw');
});
