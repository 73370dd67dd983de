import { authMessages as auth, proxyMessages as proxy, type RoutingExplanation } from '@sandlot/contracts';
import { DomainError } from '@sandlot/kernel';
import { admin, alice, GatewayUnderTest } from '../testing/gateway-under-test.js';

const explanation: RoutingExplanation = {
  decision: 'refused', to: null, address: null, status: 404, code: 'SANDBOX_NOT_FOUND', detail: 'Sandbox not found',
  reason: 'there is no route of this name', kind: 'http', canonicalPath: '/proxy/s1/x', sandboxId: null, sandbox: 's1', port: null, state: null,
  wakes: false, proxy: 'proxy-1',
}; // prettier-ignore

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
  gateway.proxy.answers(proxy.ExplainRouting, () => explanation);
});

describe('the explanation of a routing decision', () => {
  it('S1-28 is asked of a proxy, for the user of that name', async () => {
    const answer = await gateway.send('GET', '/api/v1/admin/routing?path=/proxy/s1/x&user=alice', { as: admin });
    expect(answer).toMatchObject({ status: 200, json: explanation });
    expect(gateway.proxy.requests[0]!.request).toEqual({ path: '/proxy/s1/x', method: 'GET', userId: alice.userId });
  });

  it('is for administrators, of users that there are', async () => {
    expect((await gateway.send('GET', '/api/v1/admin/routing?path=/&user=alice', { as: alice })).status).toBe(403);
    expect((await gateway.send('GET', '/api/v1/admin/routing?path=/&user=bob', { as: admin })).json).toMatchObject({
      code: 'USER_NOT_FOUND',
    });
    expect((await gateway.send('GET', '/api/v1/admin/routing?path=/', { as: admin })).status).toBe(422);
  });
});
