import { auditMessages as audit } from '@sandlot/contracts';
import { admin, alice, GatewayUnderTest } from '../testing/gateway-under-test.js';
import { anAccess } from '../testing/samples.js';

let gateway: GatewayUnderTest;
beforeAll(async () => {
  gateway = await GatewayUnderTest.start();
});
beforeEach(() => {
  gateway.reset();
  gateway.audit.answers(audit.ListAccess, ({ cursor, limit }) => {
    const from = Number(cursor ?? 0);
    const items = Array.from({ length: 450 }, (_, index) => anAccess(index + 1)).slice(from, from + limit);
    return { items, nextCursor: from + limit < 450 ? String(from + limit) : null };
  });
  gateway.audit.answers(audit.ListUsage, () => ({ items: [], nextCursor: null }));
});

describe('what passed the door', () => {
  it('S1-28 is listed by the page and with filters', async () => {
    const answer = await gateway.send('GET', '/api/v1/access-logs?user=bob&status=4xx&method=GET&sandbox=s1&limit=2', { as: admin });
    expect(answer).toMatchObject({ status: 200, json: { items: [{ id: 'evt_1' }, { id: 'evt_2' }], nextCursor: '2' } });
    expect(gateway.audit.requests[0]!.request).toEqual({
      user: 'bob', status: '4xx', method: 'GET', sandbox: 's1', limit: 2, order: 'desc',
    }); // prettier-ignore
  });

  it.each(['/api/v1/access-logs', '/api/v1/access-logs.jsonl', '/api/v1/usage'])(
    '%s shows users their own, and administrators everybody',
    async (path) => {
      expect((await gateway.send('GET', path, { as: alice })).status).toBe(200);
      expect((await gateway.send('GET', `${path}?user=alice`, { as: alice })).status).toBe(200);
      expect((await gateway.send('GET', `${path}?user=bob`, { as: alice })).json).toMatchObject({ status: 403, code: 'FORBIDDEN' });
      expect(new Set(gateway.audit.requests.map(({ request }) => request.user))).toEqual(new Set([alice.userId]));
      gateway.audit.requests.length = 0;
      expect((await gateway.send('GET', path, { as: admin })).status).toBe(200);
      expect(gateway.audit.requests[0]!.request.user).toBeUndefined();
    },
  );

  it('is exported whole as JSON Lines, from the page that is asked for on', async () => {
    const answer = await gateway.send('GET', '/api/v1/access-logs?cursor=50', { as: admin, headers: { accept: 'application/jsonl' } });
    expect(answer.headers.get('content-type')).toMatch(/^application\/jsonl/);
    const lines = answer.text.trimEnd().split('\n');
    expect([lines.length, JSON.parse(lines[0]!)]).toEqual([400, expect.objectContaining({ id: 'evt_51' })]);
  });

  it.each(['/api/v1/access-logs?status=9', '/api/v1/access-logs?since=yesterday', '/api/v1/usage?since=1', '/api/v1/usage?colour=red'])(
    'refuses %s',
    async (path) => expect((await gateway.send('GET', path, { as: admin })).status).toBe(422),
  );
});
