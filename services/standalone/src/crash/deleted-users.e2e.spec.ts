import { startPlatform } from '../testing/platform.js';
import { newTenant } from '../testing/tenants.js';
import { checkPlatform } from './testing/checker.js';

describe('a user who is deleted', () => {
  it('leaves no sandbox behind, not even one that was asked for at the same moment', async () => {
    const platform = await startPlatform({ mode: 'standalone', runtime: 'memory', env: { SANDLOT_METRICS_PORT: '0' } });
    for (let round = 1; round <= 5; round += 1) {
      const { api, user } = await newTenant(platform.admin, `user-${round}`);
      const asked = ['s1', 's2', 's3', 's4'].map((name) => api.post('/api/v1/sandboxes', { name }));
      const [deleted] = await Promise.all([platform.admin.delete(`/api/v1/admin/users/${user.id}`), ...asked]);
      expect(deleted.status).toBe(204);
    }
    const { sandboxes } = await checkPlatform(platform, [], { runtime: 'memory' });
    expect(sandboxes.size).toBeGreaterThan(0);
    await platform.stop();
  }, 120_000);
});
