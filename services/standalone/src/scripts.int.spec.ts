import { isApiKey } from '@sandlot/kernel';
import { tempDir } from '@sandlot/testing';
import { execFile } from 'node:child_process';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ensureBuilt, repository } from './testing/build.js';
import { startPlatform, type Platform } from './testing/platform.js';

interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs one of scripts/ from another folder, as its user may. */
async function script(name: string, args: string[], cwd = '/'): Promise<Outcome> {
  const { SANDLOT_PORT: _, SANDLOT_DATA_DIR: __, ...env } = process.env;
  return promisify(execFile)(join(repository, 'scripts', name), args, { cwd, env, timeout: 60_000 }).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: Outcome) => error,
  );
}

describe('generate-admin-key.sh', () => {
  beforeAll(ensureBuilt, 120_000);

  it('S0-44 makes an API key that only its owner can read, and does not print it', async () => {
    const dir = await tempDir();
    const file = join(dir, 'made', 'admin.key');
    const { stdout, stderr } = await script('generate-admin-key.sh', ['made/admin.key'], dir);
    const key = (await readFile(file, 'utf8')).trim();
    expect(isApiKey(key)).toBe(true);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(stdout).toBe(`${file}\n`);
    expect(stdout + stderr).not.toContain(key);
  });

  it('S0-44 leaves a key alone that is there already', async () => {
    const file = join(await tempDir(), 'admin.key');
    await writeFile(file, 'mine\n');
    const { code, stderr } = await script('generate-admin-key.sh', [file]);
    expect(code).toBe(1);
    expect(stderr).toContain('is there already');
    expect(await readFile(file, 'utf8')).toBe('mine\n');
  });
});

describe('bootstrap-admin.sh', () => {
  let platform: Platform;
  beforeAll(async () => {
    platform = await startPlatform({ mode: 'standalone', runtime: 'memory' });
  }, 120_000);

  const bootstrap = (url: string, keyFile: string, seconds = 20) =>
    script('bootstrap-admin.sh', ['--url', url, '--key-file', keyFile, '--wait', String(seconds)]);

  it('S0-43 prints the key that the platform accepts as an administrator’s, and nothing else', async () => {
    expect(await bootstrap(platform.url, join(platform.dataDir, 'admin.key'))).toEqual({
      code: 0,
      stdout: `${platform.adminKey}\n`,
      stderr: '',
    });
  });

  it('S0-43 makes a key when there is none, and says what to do when the platform does not know it yet', async () => {
    const keyFile = join(await tempDir(), 'admin.key');
    const { code, stdout, stderr } = await bootstrap(platform.url, keyFile, 0);
    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toContain('restart it');
    const key = (await readFile(keyFile, 'utf8')).trim();
    expect(isApiKey(key)).toBe(true);
    expect(stderr).not.toContain(key);
  });

  it('S0-43 refuses the key of somebody who is no administrator', async () => {
    const { id } = (await platform.admin.post('/api/v1/admin/users', { username: 'alice', email: 'alice@example.com' })).json<{
      id: string;
    }>();
    const made = (await platform.admin.post(`/api/v1/admin/users/${id}/apikeys`, { name: 'laptop' })).json<{ key: string }>();
    const keyFile = join(await tempDir(), 'alice.key');
    await writeFile(keyFile, made.key);
    const { code, stdout, stderr } = await bootstrap(platform.url, keyFile);
    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toContain('no administrator');
  });
});
