import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { atEnd, tempDir, waitFor } from '@sandlot/testing';
import type { AuditPage, User } from '@sandlot/contracts';
import type { z } from 'zod';
import { ensureBuilt, repository } from './testing/build.js';
import { Client } from './testing/http-client.js';
import { succeeded } from './testing/problems.js';
import { serviceNames, startProcesses, type ProcessPlatform } from './testing/process-platform.js';
import { killAllOf } from './testing/processes-of.js';
import { releasedPrograms } from './testing/released-programs.js';

// The newest: versions that run side by side differ by one (docs/adr/0019-versions-may-differ-by-one.md).
const version = readdirSync(join(import.meta.dirname, 'released')).filter((name) => /^\d/.test(name)).sort((a, b) => a.localeCompare(b, 'en', { numeric: true })).at(-1)!; // prettier-ignore

describe(`services of this version beside those of ${version}`, () => {
  let platform: ProcessPlatform;
  let admin: Client;
  let before: string;
  let day = 0;

  beforeAll(async () => {
    await ensureBuilt();
    const dataDir = await tempDir();
    atEnd(() => killAllOf(dataDir));
    before = await releasedPrograms(version);
    platform = await startProcesses(dataDir, { SANDLOT_LOG_LEVEL: 'warn', SANDLOT_RUNTIME: 'process' }, before);
    admin = new Client(platform.url, (await readFile(join(dataDir, 'admin.key'), 'utf8')).trim());
  }, 120_000);
  afterAll(() => platform.stop());

  /** Commands and queries of every service: whoever asks and whoever answers may be of either version. */
  const aDayGoesWell = async () => {
    const username = `user${++day}`;
    const user = succeeded(await admin.post('/api/admin/users', { username, email: `${username}@example.com` }), 201).json<User>();
    const { key } = succeeded(await admin.post(`/api/admin/users/${user.id}/apikeys`, { name: 'laptop' }), 201).json<{ key: string }>();
    const alice = admin.as(key);
    await waitFor(
      () => alice.get('/api/me'),
      { describe: 'the key to be let in' },
      ({ status }) => status === 200,
    );
    const waiting = { prefer: 'wait=30' };
    succeeded(await alice.post('/api/sandboxes', { name: 's1' }, waiting), 201);
    const run = async (command: string) =>
      succeeded(await alice.post('/proxy/s1/execute', { command }), 200).json<{ stdout: string }>().stdout;
    expect(await run('echo hello | tee file')).toBe('hello\n');
    expect(succeeded(await alice.post('/api/sandboxes/s1/pause', undefined, waiting), 200).json()).toMatchObject({ state: 'paused' });
    expect(await run('cat file')).toBe('hello\n');
    expect(succeeded(await alice.get('/api/me/quota'), 200).json()).toMatchObject({ used: { sandboxes: 1 } });
    succeeded(await alice.delete('/api/sandboxes/s1'), 202);
    const trail = `/api/v1/audit-logs?actor=${username}&limit=100`;
    await waitFor(() => admin.get(trail), { describe: 'the trail of the day' }, (reply) => {
      const actions = reply.status === 200 ? reply.json<z.infer<typeof AuditPage>>().items.map(({ action }) => action) : [];
      return ['sandbox.requested', 'sandbox.pause-requested', 'sandbox.deletion-requested'].every((action) => actions.includes(action));
    }); // prettier-ignore
    for (const kind of ['projections', 'consumers']) {
      const { items } = succeeded(await admin.get(`/api/v1/admin/${kind}`), 200).json<{ items: { state?: string }[] }>();
      expect(items.filter(({ state }) => state === 'halted')).toEqual([]);
    }
    expect(succeeded(await admin.get('/api/v1/admin/dead-letters'), 200).json()).toMatchObject({ items: [] });
  };

  it('serve everybody after each step of a rollout that begins with the migration', async () => {
    await aDayGoesWell();
    await platform.migrate(repository);
    await aDayGoesWell();
    for (const name of serviceNames) {
      await platform.replace(name, repository);
      await aDayGoesWell();
    }
  }, 300_000);

  it('serve everybody after each step of a way back, on what the newer ones have written', async () => {
    for (const name of serviceNames) {
      await platform.replace(name, before);
      await aDayGoesWell();
    }
  }, 300_000);
});
