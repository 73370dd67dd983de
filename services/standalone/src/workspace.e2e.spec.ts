import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { tempDir } from '@sandlot/testing';
import { startPlatform, type Platform } from './testing/platform.js';
import { refused, succeeded } from './testing/problems.js';
import { newSandbox, newTenant, run, type Tenant } from './testing/tenants.js';

describe("a sandbox's files as tar, through the API", () => {
  let platform: Platform;
  let alice: Tenant;
  let bob: Tenant;

  beforeAll(async () => {
    platform = await startPlatform({ mode: 'standalone' });
    alice = await newTenant(platform.admin, 'alice');
    bob = await newTenant(platform.admin, 'bob');
    await newSandbox(alice.api, 's1');
  }, 60_000);
  afterAll(() => platform.stop());

  it('come out of one sandbox and go into another, under every prefix (S2-31)', async () => {
    await run(
      alice.api,
      's1',
      'mkdir -p src && head -c 3000000 /dev/urandom > src/data && ln -s data src/link && echo hello > run.sh && chmod 750 run.sh',
    );
    const wanted = await run(alice.api, 's1', 'sha256sum src/data run.sh');
    const { bytes, headers } = succeeded(await alice.api.get('/api/v1/sandboxes/s1/workspace'), 200);
    expect(headers['content-type']).toBe('application/x-tar');

    await newSandbox(alice.api, 's2', { ports: [{ port: 3000 }, { port: 8080 }] });
    for (const path of ['/api/v1/sandboxes/s2/workspace', '/v1/sandboxes/s2/workspace', '/api/sandboxes/s2/workspace'])
      expect(succeeded(await alice.api.put(path, bytes), 200).json()).toEqual({
        files: 2,
        directories: 1,
        links: 1,
        skippedLinks: 0,
        bytes: 3_000_006,
      });
    expect(await run(alice.api, 's2', 'sha256sum src/link run.sh | sed s/link/data/')).toBe(wanted);
    expect(await run(alice.api, 's2', 'stat -c %a run.sh')).toBe('750\n');
  });

  it('are for their owner alone, and wait for a sandbox that sleeps unless one would not', async () => {
    const path = '/api/v1/sandboxes/s1/workspace';
    refused(await platform.nobody.get(path), 'UNAUTHENTICATED');
    refused(await bob.api.get(path), 'SANDBOX_NOT_FOUND');
    refused(await bob.api.put(path, Buffer.alloc(1_024)), 'SANDBOX_NOT_FOUND');
    refused(await alice.api.post(path, {}), 'METHOD_NOT_ALLOWED');
    succeeded(await alice.api.post('/api/v1/sandboxes/s1/pause', undefined, { prefer: 'wait=30' }), 200);
    refused(await alice.api.get(path, { prefer: 'wait=0' }), 'SANDBOX_NOT_READY');
    succeeded(await alice.api.get(path), 200);
  });

  it('are refused as a problem where the archive would lead out, and nothing is changed', async () => {
    const evil = await archiveThatLeadsOut();
    const before = await run(alice.api, 's1', 'ls -A');
    const answer = await alice.api.put('/api/v1/sandboxes/s1/workspace', evil);
    expect([answer.status, answer.headers['content-type']]).toEqual([422, 'application/problem+json']);
    expect(answer.json()).toMatchObject({ code: 'VALIDATION_FAILED', detail: expect.stringContaining('"../escaped"') });
    expect(await run(alice.api, 's1', 'ls -A; ls -A .. | grep -c escaped || true')).toBe(`${before}0\n`);
  });
});

async function archiveThatLeadsOut(): Promise<Buffer> {
  const folder = await tempDir();
  await writeFile(join(folder, 'escaped'), 'x');
  const args = ['-cPf', '-', '--transform=s,^,../,', '-C', folder, 'escaped'];
  return (await promisify(execFile)('tar', args, { encoding: 'buffer' })).stdout;
}
