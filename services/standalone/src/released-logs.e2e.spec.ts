import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { cp, mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { waitFor } from '@sandlot/testing';
import { stand } from './crash/testing/projections.js';
import { repository } from './testing/build.js';
import type { Client } from './testing/http-client.js';
import { startPlatform, type Platform } from './testing/platform.js';
import { succeeded } from './testing/problems.js';

const released = join(import.meta.dirname, 'released');
const versions = readdirSync(released).filter((name) => /^\d/.test(name));

/** What the runtime has made anew says anew, and a later version may say more. */
const passing = new Set(['version', 'updatedAt', 'ports', 'uid', 'nextCursor', 'lastUsedAt', 'usage']);
const lasting = (answer: unknown): object =>
  JSON.parse(JSON.stringify(answer, (key, value: unknown) => (passing.has(key) ? undefined : value))) as object;

// Made by scripts/keep-log.mjs, never changed afterwards.
describe.each(versions)('the log of version %s', (version) => {
  let platform: Platform;
  let answers: { keys: { alice: string }; admin: Record<string, unknown>; alice: Record<string, unknown> };

  const sandlotAdmin = async (...args: string[]): Promise<unknown> => {
    const program = join(repository, 'services/admin/dist/main.js');
    const env = { ...process.env, SANDLOT_URL: platform.url, SANDLOT_DATA_DIR: platform.dataDir };
    return JSON.parse((await promisify(execFile)(process.execPath, [program, '-o', 'json', ...args], { env })).stdout);
  };

  beforeAll(async () => {
    const kept = join(released, version);
    answers = JSON.parse(await readFile(join(kept, 'answers.json'), 'utf8')) as typeof answers;
    const env = { SANDLOT_METRICS_PORT: '0', SANDLOT_PREVIEW_DOMAIN: 'preview.localhost' };
    platform = await startPlatform({ mode: 'standalone', runtime: 'memory', env });
    await platform.stop();
    await rm(platform.dataDir, { recursive: true });
    await mkdir(platform.dataDir, { mode: 0o711 });
    for (const key of ['master.key', 'admin.key']) {
      await cp(join(kept, key), join(platform.dataDir, key));
      await promisify(execFile)('chmod', ['600', join(platform.dataDir, key)]); // git keeps no such modes
    }
    await sandlotAdmin('restore', join(kept, 'backup'));
    await platform.start();
  }, 120_000);
  afterAll(() => platform.stop());

  it('is replayed by this version, whose read models are at its end, and nothing waits for an operator', async () => {
    const admin = platform.nobody.as((await readFile(join(platform.dataDir, 'admin.key'), 'utf8')).trim());
    await stand(admin, 'running');
    expect(succeeded(await admin.get('/api/v1/admin/dead-letters'), 200).json()).toMatchObject({ items: [] });
    expect(await sandlotAdmin('verify')).toEqual([
      expect.objectContaining({ check: 'log', ok: true }),
      expect.objectContaining({ check: 'read-models', ok: true }),
      expect.objectContaining({ check: 'runtime', ok: true }),
    ]);
  }, 60_000);

  it('gives the answers that it gave then', async () => {
    const adminKey = (await readFile(join(platform.dataDir, 'admin.key'), 'utf8')).trim();
    for (const [who, key] of [
      ['admin', adminKey],
      ['alice', answers.keys.alice],
    ] as const) {
      const client: Client = platform.nobody.as(key);
      await waitFor(async () => (await client.get('/api/v1/me')).status === 200, { within: 30_000, describe: `${who} to be let in` });
      for (const [path, then] of Object.entries(answers[who])) {
        const now = lasting(succeeded(await client.get(path), 200).json());
        expect({ path, now }).toMatchObject({ path, now: lasting(then) });
      }
    }
  }, 60_000);
});
