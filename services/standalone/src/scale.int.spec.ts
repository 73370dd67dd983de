import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { ensureBuilt, repository } from './testing/build.js';
import { startPlatform, type Platform } from './testing/platform.js';

describe('scale.sh', () => {
  let platform: Platform;
  beforeAll(async () => {
    await ensureBuilt();
    platform = await startPlatform({ mode: 'standalone', runtime: 'memory' });
  }, 120_000);

  const scale = (args: string[], input = '') =>
    new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
      const options = [...args, '--url', platform.url, '--key-file', join(platform.dataDir, 'admin.key')];
      const child = execFile(join(repository, 'scripts', 'scale.sh'), options, { timeout: 60_000 }, (error, stdout, stderr) =>
        resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
      );
      child.stdin!.end(input);
    });
  const states = async () => {
    const { items } = (await platform.admin.get('/api/v1/sandboxes?limit=200')).json<{ items: { name: string; state: string }[] }>();
    return Object.fromEntries(items.map(({ name, state }) => [name, state]));
  };

  it('S2-25 makes as many sandboxes as one asks for, pauses the rest, and has them run again with the same identity', async () => {
    await platform.admin.post('/api/v1/sandboxes', { name: 'other' });
    expect(await scale(['3'])).toMatchObject({ code: 0, stdout: 'devenv-0 running\ndevenv-1 running\ndevenv-2 running\n' });
    expect(await scale(['1', '--yes'])).toMatchObject({ code: 0 });
    expect(await states()).toMatchObject({ 'devenv-0': 'running', 'devenv-1': 'paused', 'devenv-2': 'paused', other: expect.stringMatching(/running|starting/) }); // prettier-ignore
    expect(await scale(['2'])).toMatchObject({ code: 0, stdout: 'devenv-0 running\ndevenv-1 running\n' });
  }, 120_000);

  it('S2-25 S2-35 scales to zero, but not without being told', async () => {
    expect(await scale(['0'], 'n\n')).toMatchObject({ code: 1, stderr: expect.stringContaining('Nothing was changed.') });
    expect(await states()).toMatchObject({ 'devenv-0': 'running' });
    expect(await scale(['0'], 'y\n')).toMatchObject({ code: 0 });
    const now = await states();
    expect([now['devenv-0'], now['devenv-1'], now['devenv-2']]).toEqual(['paused', 'paused', 'paused']);
    expect(now['other']).not.toBe('paused');
  }, 120_000);

  it('says what the platform refuses, and does not show the key', async () => {
    const { code, stderr } = await scale(['12', '--yes']);
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/POST \/sandboxes was answered 4\d\d: /);
    expect(stderr).not.toContain(platform.adminKey);
  }, 120_000);
});
