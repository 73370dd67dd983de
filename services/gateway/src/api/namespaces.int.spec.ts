import { authMessages as auth, provisionerMessages as provisioner } from '@sandlot/contracts';
import { DomainError } from '@sandlot/kernel';
import { admin, alice, GatewayUnderTest } from '../testing/gateway-under-test.js';

let gateway: GatewayUnderTest;
beforeAll(async () => {
  gateway = await GatewayUnderTest.start();
});
beforeEach(() => {
  gateway.reset();
  gateway.auth.answers(auth.ResolveUsername, ({ username }) => {
    if (username !== 'alice') throw new DomainError('USER_NOT_FOUND', 'there is no such user');
    return { userId: alice.userId };
  });
});

const path = '/api/v1/admin/namespaces/alice';
const namespace = {
  name: 'user-alice',
  state: 'live' as const,
  uid: 'u',
  quota: null,
  egress: null,
  failures: [{ reason: 'NAMESPACE_NOT_OURS', message: 'somebody else made it' }],
};

describe("users' namespaces", () => {
  it('are shown to administrators with what is wrong with them', async () => {
    gateway.provisioner.answers(provisioner.GetNamespace, () => namespace);
    expect(await gateway.send('GET', path, { as: admin })).toMatchObject({ status: 200, json: namespace });
    expect((await gateway.send('GET', path, { as: alice })).status).toBe(403);
    expect(await gateway.send('GET', `${path}x`, { as: admin })).toMatchObject({ status: 404, json: { code: 'USER_NOT_FOUND' } });
  });

  it('are handed over by an administrator, whose act it is in the log', async () => {
    gateway.provisioner.answers(provisioner.AdoptNamespace, () => ({ position: 8, namespace: { ...namespace, failures: [] } }));
    const answer = await gateway.send('POST', `${path}/adopt`, { as: admin });
    expect(answer).toMatchObject({ status: 200, json: { name: 'user-alice', failures: [] } });
    expect(answer.headers.get('sandlot-position')).toBe('8');
    expect(gateway.provisioner.requests[0]!.request).toMatchObject({
      owner: { userId: alice.userId, username: 'alice' },
      context: { actor: { type: 'admin', id: admin.userId } },
    });
    expect((await gateway.send('POST', `${path}/adopt`, { as: alice })).status).toBe(403);
  });

  it('that are not there cannot be handed over', async () => {
    gateway.provisioner.answers(provisioner.AdoptNamespace, () => {
      throw new DomainError('NAMESPACE_NOT_FOUND', 'there is no namespace user-alice: nothing to adopt');
    });
    expect(await gateway.send('POST', `${path}/adopt`, { as: admin })).toMatchObject({
      status: 404,
      json: { code: 'NAMESPACE_NOT_FOUND' },
    });
  });
});
