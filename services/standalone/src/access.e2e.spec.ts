import type { AccessPage, RoutingExplanation, UsagePage } from '@sandlot/contracts';
import { waitFor } from '@sandlot/testing';
import type { z } from 'zod';
import { startPlatform, type Platform } from './testing/platform.js';
import { refused, succeeded } from './testing/problems.js';
import { newSandbox, newTenant, type Tenant } from './testing/tenants.js';

type Entry = z.infer<typeof AccessPage>['items'][number];

describe('what passes the door', () => {
  let platform: Platform;
  let alice: Tenant;
  let bob: Tenant;

  beforeAll(async () => {
    platform = await startPlatform({ mode: 'standalone' });
    [alice, bob] = [await newTenant(platform.admin, 'alice'), await newTenant(platform.admin, 'bob')];
    await newSandbox(alice.api, 's1');
  }, 60_000);
  afterAll(() => platform?.stop());

  const records = async (query: string, { api } = alice) =>
    succeeded(await api.get(`/api/v1/access-logs?${query}`), 200).json<{ items: Entry[] }>().items;

  it('S1-28 is recorded, and shown to who sent it and to administrators', async () => {
    succeeded(await alice.api.post('/proxy/s1/execute?token=secret', { command: 'echo hello' }), 200);
    const [record] = await waitFor(
      () => records('sandbox=s1&method=POST'),
      {},
      ({ length }) => length === 1,
    );
    expect(record).toMatchObject({
      username: 'alice', userId: alice.user.id, keyId: alice.keyId, sandbox: 's1', port: 8888, status: 200, path: '/proxy/s1/execute', kind: 'http',
    }); // prettier-ignore
    expect(await records('sandbox=s1', bob)).toEqual([]);
    refused(await bob.api.get('/api/v1/access-logs?user=alice'), 'FORBIDDEN');
    const lines = succeeded(await platform.admin.get('/api/v1/access-logs.jsonl?user=alice&sandbox=s1'), 200)
      .text.trimEnd()
      .split('\n');
    expect(lines.map((line) => (JSON.parse(line) as Entry).id)).toEqual([record!.id]);
    const usage = succeeded(await alice.api.get('/api/v1/usage?sandbox=s1'), 200).json<z.infer<typeof UsagePage>>();
    expect(usage.items).toMatchObject([{ username: 'alice', requests: 1, bytesIn: record!.bytesIn, bytesOut: record!.bytesOut }]);
  });

  it("S0-58 S1-27 is limited by the user's own limits as soon as they are set", async () => {
    const limits = `/api/v1/admin/users/${alice.user.id}/limits`;
    succeeded(await platform.admin.put(limits, { requestsPerSecondPerSandbox: 1 }), 200);
    const ask = () => alice.api.get('/proxy/s1/health');
    const over = await waitFor(ask, { every: 0, within: 10_000, describe: 'a refusal' }, ({ status }) => status === 429);
    expect(over.headers).toMatchObject({ 'retry-after': '1', 'ratelimit-policy': '"sandbox";q=2;w=2', ratelimit: '"sandbox";r=0;t=1' });
    expect(over.json()).toMatchObject({ code: 'RATE_LIMITED', 'violated-policies': ['sandbox'] });
    expect((await bob.api.get('/api/v1/me')).status).toBe(200);
    succeeded(await platform.admin.put(limits, {}), 200);
    expect(Object.keys(succeeded(await ask(), 200).headers)).not.toContain('ratelimit');
  });

  it('S1-28 is explained to administrators', async () => {
    const explain = async (path: string, user: string) =>
      succeeded(await platform.admin.get(`/api/v1/admin/routing?path=${path}&user=${user}`), 200).json<RoutingExplanation>();
    expect(await explain('/proxy/s1/x', 'alice')).toMatchObject({ decision: 'forwarded', to: 'sandbox', state: 'running', port: 8888 });
    expect(await explain('/proxy/s1/x', 'bob')).toMatchObject({ status: 404, reason: 'there is no route of this name' });
    refused(await platform.admin.get('/api/v1/admin/routing?path=/proxy/s1/&user=nobody'), 'USER_NOT_FOUND');
    refused(await alice.api.get('/api/v1/admin/routing?path=/proxy/s1/&user=alice'), 'FORBIDDEN');
  });
});
