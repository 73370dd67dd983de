import { execFile } from 'node:child_process';
import { cp, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { runningPostgresUrl } from '@sandlot/embedded';
import { tempDir, waitFor } from '@sandlot/testing';
import { Client as Postgres } from 'pg';
import { checkPlatform } from './crash/testing/checker.js';
import { stand } from './crash/testing/projections.js';
import { repository } from './testing/build.js';
import { Client, type Reply } from './testing/http-client.js';
import { startPlatform, type Platform } from './testing/platform.js';
import { refused, succeeded } from './testing/problems.js';
import { newSandbox, newTenant, type Tenant } from './testing/tenants.js';

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const program = join(repository, 'services/admin/dist/main.js');

function sandlotAdmin(platform: Platform, ...args: string[]): Promise<Ended> {
  return new Promise((resolve) =>
    execFile(
      process.execPath,
      [program, '-o', 'json', ...args],
      {
        env: {
          PATH: process.env['PATH'],
          HOME: process.env['HOME'],
          SANDLOT_NATS_SERVER: process.env['SANDLOT_NATS_SERVER'],
          SANDLOT_URL: platform.url,
          SANDLOT_DATA_DIR: platform.dataDir,
        },
      },
      (error, stdout, stderr) => resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    ),
  );
}

async function done(platform: Platform, ...args: string[]): Promise<unknown> {
  const { code, stdout, stderr } = await sandlotAdmin(platform, ...args);
  if (code !== 0) throw new Error(`sandlot-admin ${args.join(' ')} ended with ${code}: ${stderr}`);
  return JSON.parse(stdout);
}

const settings = { SANDLOT_METRICS_PORT: '0', SANDLOT_LOG_LEVEL: 'error', SANDLOT_PREVIEW_DOMAIN: 'previews.example' };
/** What is not of the log, and why. */
const elsewhere: Record<string, string> = {
  '/api/v1/audit-logs/stream': 'does not end',
  '/api/v1/admin/health': 'what processes say now',
  '/api/v1/admin/consumers': 'how far handlers are now',
  '/api/v1/admin/projections': 'how far read models are now',
  '/api/v1/admin/rebuild': 'what the runtime lacks now',
  '/api/v1/access-logs': 'begins with the questions themselves; all of it is in the export',
  '/api/v1/usage': 'counts the questions themselves',
  '/api/v1/sandboxes/{name}/workspace': 'files are on volumes',
};
/** Where it is asked with more than its path. */
const queries: Record<string, string> = {
  '/api/v1/admin/routing': '?user=alice&path=/proxy/s1/',
  '/api/v1/admin/users': '?limit=100',
  '/api/v1/audit-logs': '?order=asc&limit=200',
  '/api/v1/me/audit-logs': '?order=asc&limit=200',
};
/** Lists that go on: what was in them is in them. */
const growing = new Set(['/api/v1/access-logs.jsonl', '/api/v1/audit-logs', '/api/v1/audit-logs.jsonl', '/api/v1/me/audit-logs']);
/** What the runtime has made anew says anew, and the questions themselves have ids, and use keys. */
const passing = new Set([
  'version',
  'updatedAt',
  'ports',
  'uid',
  'nextCursor',
  'address',
  'upstream',
  'lastUsedAt',
  'instance',
  'requestId',
]);
const lasting = (answer: unknown): unknown =>
  JSON.parse(JSON.stringify(answer, (key, value: unknown) => (passing.has(key) ? undefined : value)));

function fail(message: string): never {
  throw new Error(message);
}

/** Of a page or an export, an item each. */
const linesOf = (reply: Reply): string[] =>
  /jsonl/.test(reply.headers['content-type'] ?? '')
    ? reply.text.trim().split('\n')
    : reply.json<{ items: unknown[] }>().items.map((item) => JSON.stringify(item));

describe('a backup, restored into an empty platform (S0-62)', () => {
  let platform: Platform;
  let alice: Tenant;
  let place: string;
  let before: Record<string, unknown>;
  let session: string;

  /** Of every question that the API's document has, by alice and by the administrator. */
  const answers = async (of: Platform, tenant: Tenant): Promise<Record<string, unknown>> => {
    const { paths } = (await of.nobody.get('/openapi.json')).json<{ paths: Record<string, { get?: { security?: unknown[] } }> }>();
    const found: Record<string, unknown> = {};
    for (const [path, { get }] of Object.entries(paths)) {
      if (!get || get.security?.length === 0 || path in elsewhere || path.startsWith('/docs')) continue;
      const own: Record<string, string> = {
        userId: tenant.user.id,
        keyId: tenant.keyId,
        username: 'alice',
        name: 's1',
        sessionId: session,
      };
      const filled =
        path.replace(/\{(\w+)\}/g, (_, name: string) => own[name] ?? fail(`which {${name}} is meant in ${path}?`)) + (queries[path] ?? '');
      for (const [who, key] of Object.entries({ alice: tenant.key, admin: platform.adminKey })) {
        const reply = await new Client(of.url, key).get(filled);
        const goesOn = growing.has(path) && reply.status === 200;
        found[`${who} ${path}`] = goesOn ? linesOf(reply) : { status: reply.status, body: lasting(reply.json()) };
      }
    }
    return found;
  };

  beforeAll(async () => {
    platform = await startPlatform({ mode: 'standalone', runtime: 'memory', env: settings });
    place = join(await tempDir(), 'backups');
    alice = await newTenant(platform.admin, 'alice', { email: 'alice@example.com', displayName: 'Alice' });
    await newSandbox(alice.api, 's1');
    await newSandbox(alice.api, 's2');
    succeeded(await alice.api.post('/api/v1/sandboxes/s2/pause', undefined, { prefer: 'wait=20' }), 200);
    succeeded(await platform.admin.put(`/api/v1/admin/users/${alice.user.id}/quota`, { sandboxes: 7 }), 200);
    succeeded(await platform.admin.put(`/api/v1/admin/users/${alice.user.id}/limits`, { requestsPerSecond: 900 }), 200);
    session = succeeded(await alice.api.post('/api/v1/sessions', { ttl: 3600 }, { prefer: 'wait=20' }), 201).json<{ id: string }>().id;
    succeeded(await alice.api.post('/api/v1/sandboxes/s1/previews', { port: 8888 }), 201);
    refused(await alice.api.get('/api/v1/admin/users'), 'FORBIDDEN');
    const forgotten = await newTenant(platform.admin, 'bob', { email: 'bob@example.com' });
    succeeded(await platform.admin.delete(`/api/v1/admin/users/${forgotten.user.id}`), 204);
    await stand(platform.admin, 'running');
    await checkPlatform(platform, [], { runtime: 'memory' });
    before = await answers(platform, alice);
  }, 90_000);

  it('is taken while everything runs, and is whole', async () => {
    expect(await done(platform, 'backup', 'create', place)).toMatchObject({ logChecked: true, masterKeys: [expect.any(String)] });
    expect(await done(platform, 'backup', 'list', place)).toHaveLength(1);
    await done(platform, 'backup', 'check', place);
    expect(await done(platform, 'verify')).toEqual([
      expect.objectContaining({ check: 'log', ok: true }),
      expect.objectContaining({ check: 'read-models', ok: true }),
      expect.objectContaining({ check: 'runtime', ok: true }),
    ]);
  }, 60_000);

  it('takes the place of older ones, of which as many stay as one says', async () => {
    const kept = join(await tempDir(), 'kept');
    const ids: unknown[] = [];
    for (const keep of ['9', '2', '1']) {
      ids.push(((await done(platform, 'backup', 'create', kept, '--no-check-log', '--keep', keep)) as { id: string }).id);
      const listed = (await done(platform, 'backup', 'list', kept)) as { id: string }[];
      expect(listed.map(({ id }) => id)).toEqual(ids.slice(-Number(keep)));
    }
    await done(platform, 'backup', 'check', kept);
  }, 90_000);

  it('is told from read models that somebody has changed, with an exit code for scripts', async () => {
    const owner = new Postgres({ connectionString: await runningPostgresUrl(join(platform.dataDir, 'postgres')) });
    await owner.connect();
    const say = (status: string) => owner.query(`update auth_blue.users set status = $1 where username = 'alice'`, [status]);
    try {
      await say('disabled');
      const { code, stdout } = await sandlotAdmin(platform, 'verify', '--only', 'read-models');
      expect([code, JSON.parse(stdout)]).toEqual([
        1,
        [
          {
            check: 'read-models',
            ok: false,
            detail: expect.stringContaining('in users, 1 rows are missing or other and 1 should not be so'),
          },
        ],
      ]);
      await say('active');
      expect(await done(platform, 'verify', '--only', 'read-models')).toMatchObject([{ ok: true }]);
    } finally {
      await owner.end();
    }
  }, 60_000);

  it('is not put in the place of a platform that runs, or that has events, unless one says so', async () => {
    expect(await sandlotAdmin(platform, 'restore', place)).toMatchObject({ code: 5, stderr: expect.stringContaining('runs') });
    await newTenant(platform.admin, 'carol');
    await platform.stop();
    expect(await sandlotAdmin(platform, 'restore', place)).toMatchObject({ code: 5, stderr: expect.stringContaining('--replace') });
    expect(await sandlotAdmin(platform, 'restore', place, '--replace')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--yes'),
    });
  }, 60_000);

  it('answers every question as before, and its log, routes and keys are what they were', async () => {
    const restored = await startPlatform({ mode: 'standalone', runtime: 'memory', env: settings });
    await restored.stop();
    await rm(restored.dataDir, { recursive: true });
    await mkdir(restored.dataDir, { mode: 0o711 });
    for (const key of ['master.key', 'admin.key']) await cp(join(platform.dataDir, key), join(restored.dataDir, key));
    await done(restored, 'restore', place);
    await restored.start();
    const admin = restored.nobody.as(platform.adminKey);
    await stand(admin, 'running');
    await waitFor(async () => (await restored.nobody.as(alice.key).get('/api/v1/me')).status === 200, {
      within: 30_000,
      describe: 'alice to be let in',
    });
    const model = await checkPlatform({ ...restored, admin } as Platform, [], { runtime: 'memory' });
    expect([...model.usernames.keys()].sort()).toEqual(['admin', 'alice', 'bob']);
    const after = await answers(restored, alice);
    const refusedToBoth = Object.keys(before).filter((question) => {
      const [, path] = question.split(' ');
      return ['alice', 'admin'].every((who) => ((before[`${who} ${path}`] as { status?: number }).status ?? 200) !== 200);
    });
    expect(refusedToBoth).toEqual([]);
    for (const [question, answer] of Object.entries(before))
      if (!Array.isArray(answer)) expect([question, after[question]]).toEqual([question, answer]);
    const missing = async () => {
      const now = await answers(restored, alice);
      return Object.entries(before).flatMap(([question, lines]) =>
        Array.isArray(lines) ? lines.filter((line) => !(now[question] as unknown[]).includes(line)) : [],
      );
    };
    await waitFor(missing, { within: 30_000, describe: 'the trail and the access log' }, (left) => left.length === 0);
    await restored.stop();
  }, 120_000);
});
