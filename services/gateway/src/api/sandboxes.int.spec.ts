import { authMessages as auth, provisionerMessages as provisioner } from '@sandlot/contracts';
import { DomainError } from '@sandlot/kernel';
import { admin, alice, bob, GatewayUnderTest } from '../testing/gateway-under-test.js';
import { aSandbox } from '../testing/samples.js';

let gateway: GatewayUnderTest;
beforeAll(async () => {
  gateway = await GatewayUnderTest.start();
});
beforeEach(() => gateway.reset());

describe('POST /api/v1/sandboxes', () => {
  beforeEach(() => gateway.provisioner.answers(provisioner.RequestSandbox, ({ name }) => ({ position: 7, sandbox: aSandbox({ name }) })));

  it('S0-27 accepts a sandbox: 202 with the sandbox, where it is, and the position of the log', async () => {
    const answer = await gateway.send('POST', '/api/sandboxes', { as: alice, body: { name: 'my-sandbox' } });
    expect(answer).toMatchObject({ status: 202, json: { name: 'my-sandbox', state: 'starting' } });
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      location: '/api/v1/sandboxes/my-sandbox',
      etag: '"1"',
      'sandlot-position': '7',
    });
    expect(gateway.provisioner.requestsTo(provisioner.RequestSandbox)).toEqual([
      {
        context: {
          commandId: expect.stringMatching(/^cmd_/),
          at: expect.any(String),
          actor: { type: 'user', id: alice.userId, keyId: alice.keyId, ip: '192.0.2.7' },
          correlationId: 'req_alice',
          traceparent: expect.stringMatching(/^00-/),
        },
        owner: { userId: alice.userId, username: 'alice' },
        name: 'my-sandbox',
        ports: [{ port: 8888 }],
      },
    ]);
  });

  it('waits when that is preferred, and answers 201 once the sandbox runs', async () => {
    gateway.provisioner.answers(provisioner.GetSandbox, ({ name, settledWithinMs }) => {
      expect(settledWithinMs).toBe(10_000);
      return aSandbox({ name, state: 'running', version: 2 });
    });
    const answer = await gateway.send('POST', '/api/v1/sandboxes', { as: alice, body: { name: 's1' }, headers: { prefer: 'wait=10' } });
    expect(answer).toMatchObject({ status: 201, json: { state: 'running' } });
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'preference-applied': 'wait=10',
      location: '/api/v1/sandboxes/s1',
      etag: '"2"',
    });
  });

  it.each(['it has not settled in time', 'nobody can tell'])('answers 202 after the wait when %s', async (why) => {
    gateway.provisioner.answers(provisioner.GetSandbox, ({ name }) => {
      if (why === 'nobody can tell') throw new DomainError('UNAVAILABLE', 'the log is away');
      return aSandbox({ name, state: 'starting' });
    });
    const answer = await gateway.send('POST', '/api/v1/sandboxes', { as: alice, body: { name: 's1' }, headers: { prefer: 'wait=1' } });
    expect(answer).toMatchObject({ status: 202, json: { state: 'starting' } });
    expect(answer.headers.has('preference-applied')).toBe(false);
  });

  it('S0-33 takes a namespace, and leaves it to the provisioner to refuse one that is not the owner’s', async () => {
    const named = ['user-alice', 'user-bob'];
    for (const namespace of named) await gateway.send('POST', '/api/v1/sandboxes', { as: alice, body: { name: 's1', namespace } });
    expect(gateway.provisioner.requestsTo(provisioner.RequestSandbox).map(({ namespace }) => namespace)).toEqual(named);
  });

  it('refuses over quota with what holds it', async () => {
    gateway.provisioner.answers(provisioner.RequestSandbox, () => {
      throw new DomainError('QUOTA_EXCEEDED', 'the quota of 1 is used up', { holders: [{ sandboxId: 'sbx_1', name: 's0' }] });
    });
    const answer = await gateway.send('POST', '/api/v1/sandboxes', { as: alice, body: { name: 's1' } });
    expect(answer).toMatchObject({ status: 403, json: { code: 'QUOTA_EXCEEDED', holders: [{ sandboxId: 'sbx_1', name: 's0' }] } });
    expect(answer.headers.get('x-sandlot-code')).toBe('QUOTA_EXCEEDED');
  });
});

describe('a sandbox', () => {
  it('S0-28 is shown with its ETag, and not again to who has that already', async () => {
    gateway.provisioner.answers(provisioner.GetSandbox, ({ userId, name }) =>
      aSandbox({ owner: userId, name, state: 'running', version: 4 }),
    );
    const answer = await gateway.send('GET', '/v1/sandboxes/s1', { as: alice });
    expect(answer).toMatchObject({ status: 200, json: { name: 's1', owner: alice.userId } });
    expect(answer.headers.get('etag')).toBe('"4"');
    const again = await gateway.send('GET', '/v1/sandboxes/s1', { as: alice, headers: { 'if-none-match': '"4"' } });
    expect(again).toMatchObject({ status: 304, text: '' });
  });

  it('can be seen as it was at a position or a time', async () => {
    gateway.provisioner.answers(provisioner.GetSandbox, () => aSandbox());
    await gateway.send('GET', '/api/v1/sandboxes/s1?asOf=12', { as: alice });
    await gateway.send('GET', '/api/v1/sandboxes/s1?asOf=2026-01-31T12:00:00Z', { as: alice });
    expect(gateway.provisioner.requestsTo(provisioner.GetSandbox).map(({ asOf }) => asOf)).toEqual([12, '2026-01-31T12:00:00Z']);
    const neither = await gateway.send('GET', '/api/v1/sandboxes/s1?asOf=yesterday', { as: alice });
    expect(neither).toMatchObject({ status: 422, json: { errors: [{ pointer: '/asOf', in: 'query' }] } });
  });

  it('S1-10 is not found when nobody has it', async () => {
    gateway.provisioner.answers(provisioner.GetSandbox, () => {
      throw new DomainError('SANDBOX_NOT_FOUND', 'Sandbox not found');
    });
    const answer = await gateway.send('GET', '/api/sandboxes/s1', { as: alice });
    expect(answer).toMatchObject({ status: 404, json: { code: 'SANDBOX_NOT_FOUND', detail: 'Sandbox not found' } });
  });

  it.each([
    ['S0-30', 'pause', provisioner.PauseSandbox, 'pausing', 'paused'],
    ['S0-31', 'resume', provisioner.ResumeSandbox, 'resuming', 'running'],
  ] as const)('%s can be told to %s: 202, or 200 to who waits for it', async (_, verb, message, first, last) => {
    gateway.provisioner.answers(message, ({ name }) => ({ position: 9, sandbox: aSandbox({ name, state: first, version: 5 }) }));
    gateway.provisioner.answers(provisioner.GetSandbox, ({ name }) => aSandbox({ name, state: last, version: 6 }));
    const accepted = await gateway.send('POST', `/api/sandboxes/s1/${verb}`, { as: alice, headers: { 'if-match': '"4"' } });
    expect(accepted).toMatchObject({ status: 202, json: { state: first } });
    expect(accepted.headers.get('location')).toBe('/api/v1/sandboxes/s1');
    expect(gateway.provisioner.requestsTo(message)[0]).toMatchObject({ userId: alice.userId, name: 's1', expectedVersion: 4 });
    const waited = await gateway.send('POST', `/api/sandboxes/s1/${verb}`, { as: alice, headers: { prefer: 'wait=5' } });
    expect(waited).toMatchObject({ status: 200, json: { state: last } });
    expect(waited.headers.get('preference-applied')).toBe('wait=5');
  });

  it('S0-29 is deleted: 202 while it goes, 204 to who waits until it is gone', async () => {
    gateway.provisioner.answers(provisioner.DeleteSandbox, ({ name }) => ({ position: 9, sandbox: aSandbox({ name, state: 'deleting' }) }));
    gateway.provisioner.answers(provisioner.GetSandbox, () => {
      throw new DomainError('SANDBOX_NOT_FOUND', 'Sandbox not found');
    });
    const accepted = await gateway.send('DELETE', '/api/sandboxes/s1', { as: alice });
    expect(accepted).toMatchObject({ status: 202, json: { state: 'deleting' } });
    const waited = await gateway.send('DELETE', '/api/sandboxes/s1', { as: alice, headers: { prefer: 'wait=5' } });
    expect(waited).toMatchObject({ status: 204, text: '' });
    expect(waited.headers.get('sandlot-position')).toBe('9');
  });

  it("S0-33 is deleted with ?namespace= only when that is the sandbox's own", async () => {
    gateway.provisioner.answers(provisioner.DeleteSandbox, ({ namespace }) => {
      if (namespace !== 'user-alice') throw new DomainError('FORBIDDEN', 'the namespace is another one');
      return { position: 9, sandbox: aSandbox({ state: 'deleting' }) };
    });
    expect((await gateway.send('DELETE', '/api/sandboxes/s1?namespace=user-alice', { as: alice })).status).toBe(202);
    const other = await gateway.send('DELETE', '/api/sandboxes/s1?namespace=default', { as: alice });
    expect(other).toMatchObject({ status: 403, json: { code: 'FORBIDDEN' } });
  });

  it('is not changed when If-Match names another version: 412; 400 when it names none', async () => {
    gateway.provisioner.answers(provisioner.PauseSandbox, () => {
      throw new DomainError('VERSION_MISMATCH', 'the sandbox is at version 5', { version: 5 });
    });
    const send = (tag: string) => gateway.send('POST', '/api/v1/sandboxes/s1/pause', { as: alice, headers: { 'if-match': tag } });
    expect(await send('"4"')).toMatchObject({ status: 412, json: { code: 'VERSION_MISMATCH', version: 5 } });
    expect(await send('W/"5"')).toMatchObject({ status: 412 });
    for (const none of ['5', '']) expect(await send(none)).toMatchObject({ status: 400, json: { code: 'MALFORMED_REQUEST' } });
    expect(gateway.provisioner.requestsTo(provisioner.PauseSandbox)).toHaveLength(1);
  });
});

describe('S0-34 a sandbox by its owner and name', () => {
  beforeEach(() => {
    const accepted = () => ({ position: 9, sandbox: aSandbox({ state: 'deleting' }) });
    for (const message of [provisioner.DeleteSandbox, provisioner.PauseSandbox, provisioner.ResumeSandbox])
      gateway.provisioner.answers(message, accepted);
    gateway.provisioner.answers(provisioner.GetSandbox, () => aSandbox());
    gateway.auth.answers(auth.ResolveUsername, ({ username }) => {
      if (username !== 'alice') throw new DomainError('USER_NOT_FOUND', 'there is no such user');
      return { userId: alice.userId };
    });
  });
  const forms = [
    ['GET', '/api/sandboxes/alice/s1', 200],
    ['DELETE', '/api/sandboxes/alice/s1', 202],
    ['POST', '/api/sandboxes/alice/s1/pause', 202],
    ['POST', '/api/sandboxes/alice/s1/resume', 202],
  ] as const;

  it.each(forms)('%s %s serves the owner, without asking who that is', async (method, path, status) => {
    expect((await gateway.send(method, path, { as: alice })).status).toBe(status);
    expect(gateway.auth.requests).toHaveLength(0);
  });

  it.each(forms)('C2 %s %s serves an administrator, as the administrator', async (method, path, status) => {
    expect((await gateway.send(method, path, { as: admin })).status).toBe(status);
    const { request } = gateway.provisioner.requests[0]!;
    expect(request).toMatchObject({ userId: alice.userId, name: 's1' });
    if (method !== 'GET') expect(request.context).toMatchObject({ actor: { type: 'admin', id: admin.userId } });
  });

  it.each(forms)('%s %s is not there for anybody else', async (method, path) => {
    const answer = await gateway.send(method, path, { as: bob });
    expect(answer).toMatchObject({ status: 404, json: { code: 'SANDBOX_NOT_FOUND' } });
    expect([...gateway.auth.requests, ...gateway.provisioner.requests]).toEqual([]);
  });

  it("C2 takes the owner's namespace alone", async () => {
    gateway.provisioner.answers(provisioner.DeleteSandbox, ({ namespace }) => {
      if (namespace !== 'user-alice') throw new DomainError('FORBIDDEN', 'the namespace is another one');
      return { position: 9, sandbox: aSandbox({ state: 'deleting' }) };
    });
    expect((await gateway.send('DELETE', '/api/sandboxes/alice/s1?namespace=user-alice', { as: admin })).status).toBe(202);
    expect((await gateway.send('DELETE', '/api/sandboxes/alice/s1?namespace=user-root-admin', { as: admin })).status).toBe(403);
  });

  it('tells an administrator that there is no such user', async () => {
    const answer = await gateway.send('GET', '/api/sandboxes/nobody/s1', { as: admin });
    expect(answer).toMatchObject({ status: 404, json: { code: 'USER_NOT_FOUND' } });
  });
});

describe('lists of sandboxes', () => {
  beforeEach(() => gateway.provisioner.answers(provisioner.ListDiscovered, () => ({ items: [], nextCursor: null })));

  it("S0-26 C3 /api/sandboxes lists the caller's own, an administrator's as well", async () => {
    gateway.provisioner.answers(provisioner.ListSandboxes, () => ({ items: [aSandbox()], nextCursor: 'c' }));
    const answer = await gateway.send('GET', '/api/sandboxes?limit=1&state=running', { as: admin });
    expect(answer).toMatchObject({ status: 200, json: { items: [{ name: 's1' }], nextCursor: 'c' } });
    expect(gateway.provisioner.requestsTo(provisioner.ListSandboxes)).toMatchObject([{ limit: 1, state: 'running', userId: admin.userId }]);
  });

  it('S1-08 S1-31 C13 /sandboxes gives every sandbox by path, page after page', async () => {
    gateway.provisioner.answers(provisioner.ListSandboxes, ({ cursor }) =>
      cursor
        ? { items: [aSandbox({ name: 's2', state: 'paused' })], nextCursor: null }
        : { items: [aSandbox({ name: 'my-sandbox', state: 'running', service: 'sandbox-my-sandbox' })], nextCursor: 'more' },
    );
    const answer = await gateway.send('GET', '/sandboxes', { as: alice });
    expect(answer.json).toEqual({
      count: 2,
      sandboxes: [
        { path: 'alice/my-sandbox', service: 'sandbox-my-sandbox', namespace: 'user-alice', ready: true },
        { path: 'alice/s2', service: 's2', namespace: 'user-alice', ready: false },
      ],
    });
    expect(gateway.provisioner.requests[0]!.request).toMatchObject({ userId: alice.userId });
  });

  it("C3 /sandboxes gives an administrator everybody's", async () => {
    gateway.provisioner.answers(provisioner.ListSandboxes, () => ({ items: [], nextCursor: null }));
    expect((await gateway.send('GET', '/sandboxes', { as: admin })).json).toEqual({ count: 0, sandboxes: [] });
    expect(gateway.provisioner.requests[0]!.request).not.toHaveProperty('userId');
    expect(gateway.provisioner.requestsTo(provisioner.ListDiscovered)[0]).not.toHaveProperty('username');
  });

  it('S1-02 S1-08 C13 /sandboxes has discovered ones behind the own ones, page after page, with what is dialled and why one is not routed', async () => {
    const clash = { reason: 'NAME_CLASH', message: 'in a and b' };
    gateway.provisioner.answers(provisioner.ListSandboxes, () => ({ items: [aSandbox()], nextCursor: null }));
    gateway.provisioner.answers(provisioner.ListDiscovered, ({ cursor }) =>
      cursor
        ? { items: [{ username: 'alice', name: 'twice', namespace: 'b', ready: false, ...clash }], nextCursor: null }
        : { items: [{ username: 'alice', name: 'found', namespace: 'a', service: '10.1.2.3', ready: true }], nextCursor: 'more' },
    );
    const answer = await gateway.send('GET', '/sandboxes', { as: alice });
    expect(answer.json).toEqual({
      count: 3,
      sandboxes: [
        { path: 'alice/s1', service: 's1', namespace: 'user-alice', ready: false },
        { path: 'alice/found', service: '10.1.2.3', namespace: 'a', ready: true },
        { path: 'alice/twice', service: 'twice', namespace: 'b', ready: false, ...clash },
      ],
    });
    expect(gateway.provisioner.requestsTo(provisioner.ListDiscovered)).toMatchObject([
      { username: 'alice' },
      { username: 'alice', cursor: 'more' },
    ]);
  });

  it('S1-08 /sandboxes says when discovered ones may be missing', async () => {
    gateway.provisioner.answers(provisioner.ListSandboxes, () => ({ items: [], nextCursor: null }));
    gateway.provisioner.answers(provisioner.ListDiscovered, () => ({ items: [], nextCursor: null, incomplete: 'no rights' }));
    const answer = await gateway.send('GET', '/sandboxes', { as: alice });
    expect(answer.json).toEqual({ count: 0, sandboxes: [], incomplete: 'no rights' });
  });

  it('shows a caller what that caller has done: the position goes along by itself', async () => {
    gateway.provisioner.answers(provisioner.RequestSandbox, ({ name }) => ({ position: 40, sandbox: aSandbox({ name }) }));
    gateway.provisioner.answers(provisioner.ListSandboxes, () => ({ items: [], nextCursor: null }));
    await gateway.send('POST', '/api/v1/sandboxes', { as: bob, body: { name: 's1' } });
    await gateway.send('GET', '/api/v1/sandboxes', { as: bob });
    await gateway.send('GET', '/api/v1/sandboxes', { as: bob, headers: { 'sandlot-position': '41' } });
    await gateway.send('GET', '/api/v1/sandboxes', { as: bob, headers: { 'sandlot-position': '3' } });
    expect(gateway.provisioner.requestsTo(provisioner.ListSandboxes).map(({ atLeast }) => atLeast)).toEqual([40, 41, 40]);
    const malformed = await gateway.send('GET', '/api/v1/sandboxes', { as: bob, headers: { 'sandlot-position': 'x' } });
    expect(malformed).toMatchObject({ status: 400, json: { code: 'MALFORMED_REQUEST' } });
  });
});
