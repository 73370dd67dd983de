import { atEnd, describeUnless, tempDir, testTool } from '@sandlot/testing';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Client } from './testing/http-client.js';
import { startPlatform, type Platform } from './testing/platform.js';
import { succeeded } from './testing/problems.js';
import { newSandbox, newTenant } from './testing/tenants.js';

const schemathesis = testTool('schemathesis');
const settings = fileURLToPath(new URL('testing/schemathesis.toml', import.meta.url));

/**
 * Thousands of requests made from the OpenAPI document that is served, some as it says and some as it forbids, each answer held against it:
 * no 5xx, no status, type or body that is not in it, nothing invalid accepted, no method let through, nothing without a credential.
 */
describeUnless(schemathesis ? undefined : 'schemathesis is not installed; scripts/install-test-programs.sh')(
  'S4-13 the OpenAPI document',
  () => {
    let platform: Platform;

    beforeAll(async () => {
      platform = await startPlatform({ mode: 'standalone', runtime: 'memory' });
    }, 60_000);
    afterAll(() => platform.stop());

    it('is kept to for an administrator', async () => {
      await keepsItsWord(platform, (await newTenant(platform.admin, 'carol', { role: 'admin' })).api);
    }, 180_000);

    it('is kept to for a user', async () => {
      const { api } = await newTenant(platform.admin, 'alice');
      await newSandbox(api, 's1');
      await keepsItsWord(platform, api, '--exclude-path-regex', '^/api/v1/admin/'); // where all that it may get is 403
    }, 180_000);
  },
);

async function keepsItsWord({ url }: Platform, api: Client, ...more: string[]): Promise<void> {
  const args = ['--config-file', settings, 'run', `${url}/openapi.json`, ...more];
  const child = spawn(schemathesis!, args, { cwd: await tempDir(), env: { ...process.env, KEY: api.key } });
  atEnd(() => void child.kill());
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  const [code] = (await once(child, 'close')) as [number];
  if (code !== 0) throw new Error(`schemathesis ended with ${code}:\n${output}`);
  const asked = Number(/(\d+) generated/.exec(output)?.[1]);
  expect(asked).toBeGreaterThan(1000);
  succeeded(await api.get('/api/v1/me'), 200); // it has not locked itself out on the way
}
