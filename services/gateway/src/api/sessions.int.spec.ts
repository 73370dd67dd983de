import { provisionerMessages as provisioner, type Sandbox } from '@sandlot/contracts';
import { DomainError, newId } from '@sandlot/kernel';
import { admin, alice, GatewayUnderTest } from '../testing/gateway-under-test.js';
import { aSandbox } from '../testing/samples.js';

let gateway: GatewayUnderTest;
beforeAll(async () => {
  gateway = await GatewayUnderTest.start();
});
beforeEach(() => gateway.reset());

const id = newId('sbx');
const expiresAt = '2026-01-31T13:00:00.000Z';
const aSession = (changes: Partial<Sandbox> = {}) => aSandbox({ id, ttlSeconds: 3600, expiresAt, ...changes });

describe('POST /v1/sessions', () => {
  beforeEach(() =>
    gateway.provisioner.answers(provisioner.RequestSandbox, ({ ttlSeconds, image }) => ({
      position: 7,
      sandbox: aSession({ ttlSeconds, ...(image && { image }) }),
    })),
  );

  it('asks for a sandbox with a lifetime, named by its id, and echoes what is in effect (S4-01)', async () => {
    const answer = await gateway.send('POST', '/v1/sessions', { as: alice, body: { ttl: 3600, image: 'python:3.11' } });
    expect(answer).toMatchObject({ status: 202, json: { id, ttl: 3600, expiresAt, image: 'python:3.11', state: 'starting' } });
    expect(answer.json).not.toHaveProperty('ttlSeconds');
    expect(Object.fromEntries(answer.headers)).toMatchObject({ location: `/api/v1/sessions/${id}`, etag: '"1"', 'sandlot-position': '7' });
    const [asked] = gateway.provisioner.requestsTo(provisioner.RequestSandbox);
    expect(asked).toMatchObject({ owner: { userId: alice.userId }, ttlSeconds: 3600, image: 'python:3.11', ports: [{ port: 8888 }] });
    expect(asked).not.toHaveProperty('name');
  });

  it('lives an hour when it does not say, and may be idle for as long as it says', async () => {
    await gateway.send('POST', '/v1/sessions', { as: alice, body: {} });
    await gateway.send('POST', '/v1/sessions', { as: alice, body: { idleTimeout: 900, onIdle: 'delete' } });
    expect(gateway.provisioner.requestsTo(provisioner.RequestSandbox)).toMatchObject([
      { ttlSeconds: 3600 },
      { ttlSeconds: 3600, idleTimeoutSeconds: 900, onIdle: 'delete' },
    ]);
  });

  it.each([
    [{ ttl: 59 }, '/ttl'],
    [{ ttl: 28_801 }, '/ttl'],
    [{ ttl: 60.5 }, '/ttl'],
    [{ ttl: '3600' }, '/ttl'],
    [{ ttl: null }, '/ttl'],
    [{ idleTimeout: 59 }, '/idleTimeout'],
    [{ onIdle: 'sleep' }, '/onIdle'],
    [{ name: 's1' }, '/name'],
    [{ image: 'no spaces please' }, '/image'],
  ])('refuses %j with the field', async (body, pointer) => {
    const answer = await gateway.send('POST', '/v1/sessions', { as: alice, body });
    expect(answer).toMatchObject({ status: 422, json: { code: 'VALIDATION_FAILED', errors: [{ pointer }] } });
    expect(gateway.provisioner.requests).toEqual([]);
  });

  it('waits until it is ready when that is preferred, and says 201 only then (S4-20)', async () => {
    gateway.provisioner.answers(provisioner.GetSandbox, () => aSession({ state: 'running', version: 2 }));
    const answer = await gateway.send('POST', '/v1/sessions', { as: alice, body: {}, headers: { prefer: 'wait=10' } });
    expect(answer).toMatchObject({ status: 201, json: { id, state: 'running', ttl: 3600, expiresAt } });
    gateway.provisioner.answers(provisioner.GetSandbox, () => aSession({ state: 'starting' }));
    expect((await gateway.send('POST', '/v1/sessions', { as: alice, body: {}, headers: { prefer: 'wait=1' } })).status).toBe(202);
  });
});

describe('a session', () => {
  it('is in the list of its owner, who sees sessions only (S4-02)', async () => {
    const cursor = newId('sbx');
    gateway.provisioner.answers(provisioner.ListSandboxes, () => ({
      items: [aSession({ idleTimeoutSeconds: 60, onIdle: 'pause' })],
      nextCursor: null,
    }));
    const answer = await gateway.send('GET', `/v1/sessions?limit=3&cursor=${cursor}`, { as: alice });
    expect(answer).toMatchObject({ status: 200, json: { items: [{ id, ttl: 3600, idleTimeout: 60, onIdle: 'pause' }], nextCursor: null } });
    expect(gateway.provisioner.requestsTo(provisioner.ListSandboxes)).toMatchObject([
      { userId: alice.userId, expiring: true, limit: 3, cursor },
    ]);
  });

  it('is shown to its owner, and to administrators whoever’s it is (S4-03)', async () => {
    gateway.provisioner.answers(provisioner.GetSession, () => aSession({ version: 4 }));
    const answer = await gateway.send('GET', `/v1/sessions/${id}`, { as: alice });
    expect(answer).toMatchObject({ status: 200, json: { id, ttl: 3600, expiresAt } });
    expect(answer.headers.get('etag')).toBe('"4"');
    await gateway.send('GET', `/v1/sessions/${id}`, { as: admin });
    expect(gateway.provisioner.requestsTo(provisioner.GetSession)).toEqual([{ userId: alice.userId, id }, { id }]);
  });

  it('is 410 with the reason once it is over (S4-18)', async () => {
    gateway.provisioner.answers(provisioner.GetSession, () => {
      throw new DomainError('SANDBOX_GONE', 'The time of this sandbox was over', { reason: 'EXPIRED', endedAt: expiresAt });
    });
    const answer = await gateway.send('GET', `/v1/sessions/${id}`, { as: alice });
    expect(answer).toMatchObject({ status: 410, json: { code: 'SANDBOX_GONE', reason: 'EXPIRED', endedAt: expiresAt } });
  });

  it.each(['s1', 'sbx_1', `usr_${id.slice(4)}`])('is not found by what is no id: %s', async (wrong) => {
    expect(await gateway.send('GET', `/v1/sessions/${wrong}`, { as: alice })).toMatchObject({
      status: 404,
      json: { code: 'SANDBOX_NOT_FOUND' },
    });
    expect(gateway.provisioner.requests).toEqual([]);
  });

  it('is extended by its own time or another, with or without a body', async () => {
    gateway.provisioner.answers(provisioner.ExtendSession, () => ({ position: 9, sandbox: aSession({ version: 5 }) }));
    for (const body of [undefined, {}, { ttl: 600 }])
      expect(await gateway.send('POST', `/v1/sessions/${id}/extend`, { as: alice, body })).toMatchObject({
        status: 200,
        json: { id, expiresAt },
      });
    expect(gateway.provisioner.requestsTo(provisioner.ExtendSession).map(({ ttlSeconds }) => ttlSeconds)).toEqual([
      undefined,
      undefined,
      600,
    ]);
    const wrong = await gateway.send('POST', `/v1/sessions/${id}/extend`, { as: alice, body: { ttl: 10 } });
    expect(wrong).toMatchObject({ status: 422, json: { errors: [{ pointer: '/ttl' }] } });
  });

  it('is deleted: 202, or 204 to who waits (S4-04)', async () => {
    gateway.provisioner.answers(provisioner.DeleteSession, () => ({ position: 9, sandbox: aSession({ state: 'deleting', version: 5 }) }));
    const accepted = await gateway.send('DELETE', `/v1/sessions/${id}`, { as: alice, headers: { 'if-match': '"4"' } });
    expect(accepted).toMatchObject({ status: 202, json: { id, state: 'deleting' } });
    expect(gateway.provisioner.requestsTo(provisioner.DeleteSession)).toMatchObject([{ userId: alice.userId, id, expectedVersion: 4 }]);
    for (const code of ['SANDBOX_NOT_FOUND', 'SANDBOX_GONE'] as const) {
      gateway.provisioner.answers(provisioner.GetSandbox, () => {
        throw new DomainError(code, 'it is gone');
      });
      expect((await gateway.send('DELETE', `/v1/sessions/${id}`, { as: alice, headers: { prefer: 'wait=5' } })).status).toBe(204);
    }
  });
});
