import { headers, type NatsConnection } from '@nats-io/transport-node';
import { jetstream } from '@nats-io/jetstream';
import type {
  AuditPage,
  ConsumerList,
  DeadLetterPage,
  ProjectionList,
  RebuildPlan,
  RebuildStatus,
  ReconcileReport,
} from '@sandlot/contracts';
import { waitFor } from '@sandlot/testing';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { z } from 'zod';
import { EventSource } from './testing/event-source.js';
import type { Client } from './testing/http-client.js';
import { connectAs } from './testing/nats-access.js';
import { startPlatform, type Platform } from './testing/platform.js';
import { refused, succeeded } from './testing/problems.js';
import { newSandbox, newTenant, type Tenant } from './testing/tenants.js';

type Entry = z.infer<typeof AuditPage>['items'][number];
type Report = z.infer<typeof ReconcileReport>;
const ready = { prefer: 'wait=30' };

describe('what operators see and do', () => {
  let platform: Platform;
  let admin: Client;
  let alice: Tenant;

  beforeAll(async () => {
    platform = await startPlatform({ mode: 'standalone' });
    admin = platform.admin;
    alice = await newTenant(admin, 'alice', { email: 'alice@example.com' });
    await newSandbox(alice.api, 's1');
  }, 60_000);
  afterAll(() => platform?.stop());

  const trail = async (query: string, client = admin) =>
    succeeded(await client.get(`/api/v1/audit-logs?${query}`), 200).json<{ items: Entry[]; nextCursor: string | null }>();

  describe('S0-09 in the trail', () => {
    it('finds entries by actor, action, target, time and request, refusals included', async () => {
      const since = new Date().toISOString();
      const paused = succeeded(
        await alice.api.post('/api/sandboxes/s1/pause', undefined, { ...ready, 'x-request-id': 'req-of-mine' }),
        200,
      );
      succeeded(await alice.api.post('/api/sandboxes/s1/resume', undefined, ready), 200);
      refused(await alice.api.get('/api/admin/users'), 'FORBIDDEN');
      await waitFor(
        () => trail('actor=alice&outcome=refused'),
        {},
        ({ items }) => items.some(({ status }) => status === 403),
      );
      const actions = async (query: string) => (await trail(`${query}&order=asc&since=${since}`)).items.map(({ action }) => action);
      expect(await actions('actor=alice&outcome=done')).toEqual(['sandbox.pause-requested', 'sandbox.resume-requested']);
      expect(await actions(`actor=${alice.user.id}&action=sandbox.pause*`)).toEqual(['sandbox.pause-requested']);
      expect(await actions('target=s1&actor=provisioner')).toEqual(expect.arrayContaining(['sandbox.stopped', 'route.published']));
      expect(await actions(`keyId=${alice.keyId}&targetType=request`)).toEqual(['request.refused']);
      const { items } = await trail(`correlationId=${paused.headers['x-request-id']}&order=asc`);
      expect(items.map(({ actor }) => actor)).toEqual(expect.arrayContaining(['alice', 'provisioner']));
      refused(await admin.get('/api/v1/audit-logs?colour=red'), 'VALIDATION_FAILED');
    });

    it('shows everybody what they did themselves, and nothing else', async () => {
      const { items } = succeeded(await alice.api.get('/api/v1/me/audit-logs?limit=200'), 200).json<{ items: Entry[] }>();
      expect(items.length).toBeGreaterThan(0);
      expect(new Set(items.map(({ actorId }) => actorId))).toEqual(new Set([alice.user.id]));
    });

    it('exports as JSON Lines exactly what the pages hold', async () => {
      const until = new Date().toISOString();
      const lines = succeeded(await admin.get(`/api/v1/audit-logs.jsonl?order=asc&until=${until}`), 200);
      expect(lines.headers['content-type']).toMatch(/^application\/jsonl/);
      const exported = lines.text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Entry);
      const paged: Entry[] = [];
      for (let cursor: string | null = ''; cursor !== null;) {
        const page: { items: Entry[]; nextCursor: string | null } = await trail(
          `limit=7&order=asc&until=${until}${cursor && `&cursor=${cursor}`}`,
        );
        paged.push(...page.items);
        cursor = page.nextCursor;
      }
      expect(exported).toEqual(paged);
      expect((await admin.get('/api/v1/audit-logs', { accept: 'application/jsonl' })).headers['content-type']).toMatch(
        /^application\/jsonl/,
      );
    });

    it('follows live, and goes on behind Last-Event-ID without a gap or a repetition', async () => {
      const first = new EventSource(admin, '/api/v1/audit-logs/stream?actor=alice');
      await first.next(({ event }) => event === 'caught-up', 'the stream is live');
      succeeded(await alice.api.post('/api/me/apikeys', { name: 'live-1' }), 201);
      const seen = await first.next(({ event }) => event === 'apikey.created', 'the first key');
      first.close();
      for (const name of ['live-2', 'live-3']) succeeded(await alice.api.post('/api/me/apikeys', { name }), 201);
      const second = new EventSource(admin, '/api/v1/audit-logs/stream?actor=alice', { 'last-event-id': seen.id! });
      succeeded(await alice.api.post('/api/me/apikeys', { name: 'live-4' }), 201);
      const named = () =>
        second.events.filter(({ event }) => event === 'apikey.created').map(({ data }) => (JSON.parse(data) as Entry).target);
      await waitFor(named, { describe: 'all later keys' }, (names) => names.includes('live-4'));
      expect(named()).toEqual(['live-2', 'live-3', 'live-4']);
      second.close();
      refused(await admin.get('/api/v1/audit-logs/stream', { 'last-event-id': 'nonsense' }), 'INVALID_CURSOR');
    });
  });

  it('has a page for each health code, at the address that a finding gives', async () => {
    const list = succeeded(await platform.nobody.get('/docs/health'), 200)
      .text.trim()
      .split('\n');
    expect(list).toContain('/docs/health/SL-PROJ-05');
    for (const address of list) {
      const page = succeeded(await platform.nobody.get(address), 200);
      expect([page.headers['content-type'], page.text.split('\n')[0]]).toEqual([
        'text/plain; charset=utf-8',
        `# ${address.split('/').at(-1)}`,
      ]);
    }
    refused(await platform.nobody.get('/docs/health/SL-NONE-01'), 'NOT_FOUND');
    refused(await platform.nobody.get('/docs/health/constructor'), 'NOT_FOUND');
  });

  describe('S0-10 of the read models', () => {
    const projections = async () =>
      succeeded(await admin.get('/api/v1/admin/projections'), 200).json<z.infer<typeof ProjectionList>>().items;

    it('shows how far each is', async () => {
      const all = await waitFor(projections, {}, (items) => items.every(({ lagEvents }) => lagEvents === 0));
      expect(all.map(({ service, name }) => `${service}/${name}`).sort()).toEqual([
        'audit/trail',
        'auth/api_keys',
        'auth/users',
        'provisioner/sandboxes',
      ]);
      for (const projection of all)
        expect(projection).toMatchObject({ status: 'running', reason: null, rebuild: null, position: projection.head });
    });

    it('rebuilds each while its queries answer the same all along', async () => {
      for (let n = 0; n < 20; n++) succeeded(await admin.post('/api/v1/admin/users', { username: `crowd-${n}` }), 201);
      const questions = ['/api/v1/admin/users?limit=200', `/api/v1/admin/users/${alice.user.id}/apikeys`, '/sandboxes'];
      const answers = async () => Promise.all(questions.map(async (path) => withoutUse(succeeded(await admin.get(path), 200).text)));
      const before = await answers();
      const past = `/api/v1/audit-logs?order=asc&limit=200&until=${new Date().toISOString()}&outcome=done`;
      const trailBefore = succeeded(await admin.get(past), 200).text;
      for (const { service, name } of await projections()) {
        succeeded(await admin.post(`/api/v1/admin/projections/${service}/${name}/rebuild`, { reason: 'a test' }), 202);
        await waitFor(
          async () => {
            expect(await answers()).toEqual(before);
            expect(succeeded(await admin.get(past), 200).text).toBe(trailBefore);
            return (await projections()).find((projection) => projection.name === name);
          },
          { within: 20_000, describe: `${name} is rebuilt` },
          (seen) => seen?.rebuild === null && seen.status === 'running',
        );
        expect(await answers()).toEqual(before);
      }
      const asked = await trail('action=projection.rebuild-requested');
      expect(asked.items.map(({ actor, reason }) => ({ actor, reason }))).toEqual(Array(4).fill({ actor: 'admin', reason: 'a test' }));
      refused(await admin.post('/api/v1/admin/projections/auth/none/rebuild', { reason: 'x' }), 'PROJECTION_NOT_FOUND');
    }, 60_000);
  });

  describe('of the reconcilers', () => {
    const consumers = async () => succeeded(await admin.get('/api/v1/admin/consumers'), 200).json<z.infer<typeof ConsumerList>>().items;
    const replay = async (name: string) =>
      succeeded(await admin.post(`/api/v1/admin/consumers/${name}/replay`, { fromPosition: 1 }), 200).json<Report>();

    it('shows each concern as a consumer of its own', async () => {
      const all = await waitFor(consumers, {}, (items) => items.every(({ pending }) => pending === 0));
      expect(all.map(({ name }) => name).sort()).toEqual([
        'auth-forget', 'auth-key-directory', 'provisioner-lifetime', 'provisioner-namespace', 'provisioner-network-policy',
        'provisioner-quota', 'provisioner-route', 'provisioner-sandbox', 'provisioner-service-account', 'provisioner-user',
      ]); // prettier-ignore
    });

    it('S0-27 replays the quota from the beginning: what is right stays, what is not is put right, and it says so', async () => {
      const before = await snapshot();
      expect(await replay('provisioner-quota')).toEqual({ reconciled: 1, changed: [], failed: [] });
      expect(await snapshot()).toEqual(before);

      const file = join(platform.dataDir, 'sandboxes/user-alice/namespace.json');
      const record = JSON.parse(await readFile(file, 'utf8')) as { quota: object };
      await writeFile(file, JSON.stringify({ ...record, quota: { ...record.quota, sandboxes: 99 } }));
      expect(await replay('provisioner-quota')).toEqual({
        reconciled: 1,
        changed: [{ id: alice.user.id, what: 'applied quota' }],
        failed: [],
      });
      expect(JSON.parse(await readFile(file, 'utf8'))).toEqual(record);
    });

    it('replays every other one without any change', async () => {
      const before = await snapshot();
      for (const { name } of await consumers()) expect([name, (await replay(name)).changed]).toEqual([name, []]);
      expect(await snapshot()).toEqual(before);
    });

    it('tells what a rebuild would do, does it, and says who asked for it and why', async () => {
      const before = await snapshot();
      const rebuild = '/api/v1/admin/rebuild';
      const dry = succeeded(await admin.post(rebuild, { dryRun: true }), 200).json<z.infer<typeof RebuildPlan>>();
      expect(dry).toMatchObject({ runtime: 'process', namespaces: [], sandboxes: [], omitted: 0 });
      expect(dry.counts.sandboxes.there).toBeGreaterThan(0);
      expect((await admin.get(rebuild)).json()).toMatchObject({ latest: null });
      refused(await admin.post(rebuild, {}), 'VALIDATION_FAILED');
      refused(await alice.api.post(rebuild, { dryRun: true }), 'FORBIDDEN');
      expect(succeeded(await admin.post(rebuild, { reason: 'a drill' }), 202).headers.location).toBe(rebuild);
      await waitFor(
        async () => succeeded(await admin.get(rebuild), 200).json<z.infer<typeof RebuildStatus>>(),
        {},
        ({ latest }) => latest?.state === 'completed' && latest.reason === 'a drill',
      );
      const { items } = await waitFor(
        () => trail('action=runtime.rebuild-requested'),
        {},
        (page) => page.items.length > 0,
      );
      expect(items).toMatchObject([{ actor: 'admin', reason: 'a drill', targetType: 'runtime', targetId: 'process' }]);
      expect(await snapshot()).toEqual(before);
    });

    it('pauses one without holding up the others, and lets it go on', async () => {
      succeeded(await admin.post('/api/v1/admin/consumers/provisioner-route/pause', { until: '2040-01-01T00:00:00Z' }), 204);
      const route = async () => (await consumers()).find(({ name }) => name === 'provisioner-route')!;
      expect(await route()).toMatchObject({ pausedUntil: '2040-01-01T00:00:00.000Z' });
      succeeded(await alice.api.post('/api/sandboxes', { name: 'routeless' }), 202);
      await waitFor(
        async () => (await alice.api.get('/api/sandboxes/routeless')).json(),
        {},
        ({ state }) => state === 'running',
      );
      refused(await alice.api.get('/proxy/routeless/health'), 'SANDBOX_NOT_FOUND');
      succeeded(await admin.post('/api/v1/admin/consumers/provisioner-route/resume'), 204);
      await waitFor(async () => succeeded(await alice.api.get('/proxy/routeless/health'), 200));
      expect(await route()).toMatchObject({ pausedUntil: null });
      succeeded(await alice.api.delete('/api/sandboxes/routeless', ready), 204);
      refused(await admin.post('/api/v1/admin/consumers/provisioner-none/resume'), 'CONSUMER_NOT_FOUND');
    });

    /** What is wanted and what is, as far as the API and the door tell. */
    async function snapshot() {
      const paths = ['/api/v1/sandboxes', '/api/v1/me/quota', '/api/v1/sandboxes/s1'];
      const answers = await Promise.all(paths.map(async (path) => succeeded(await alice.api.get(path), 200).json()));
      return { answers, reachable: (await alice.api.get('/proxy/s1/health')).status };
    }
  });

  describe('with dead letters', () => {
    let nats: NatsConnection;
    const letters = async () => succeeded(await admin.get('/api/v1/admin/dead-letters'), 200).json<z.infer<typeof DeadLetterPage>>().items;
    const about = (id: number, action = '') => `/api/v1/admin/dead-letters/provisioner/${id}${action}`;

    beforeAll(async () => {
      nats = await connectAs('provisioner', platform.dataDir);
      const { items } = await trail('action=namespace.requested');
      for (const reason of ['first', 'second']) {
        const letter = headers();
        const fields = {
          Reason: reason,
          Attempts: '5',
          Subject: `sandlot.provisioner.namespace.${alice.user.id}`,
          Position: String(items[0]!.position),
          Durable: 'provisioner-quota',
        };
        for (const [name, value] of Object.entries(fields)) letter.set(`Sandlot-Dead-${name}`, value);
        await jetstream(nats).publish('dead.provisioner-quota', '{}', { headers: letter });
      }
    });
    afterAll(() => nats?.close());

    it('lists, replays and discards them', async () => {
      const open = await letters();
      const [first, second] = [open[0]!, open[1]!];
      expect(open).toMatchObject([{ consumer: 'provisioner-quota', reason: 'first', attempts: 5 }, { reason: 'second' }]);
      const page = (await admin.get('/api/v1/admin/dead-letters?limit=1')).json<z.infer<typeof DeadLetterPage>>();
      expect(page).toMatchObject({ items: [{ id: first.id }], nextCursor: String(first.id) });
      succeeded(await admin.post(about(first.id, '/replay')), 204);
      succeeded(await admin.delete(about(second.id)), 204);
      expect(await letters()).toEqual([]);
      refused(await admin.post(about(first.id, '/replay')), 'DEAD_LETTER_NOT_FOUND');
      refused(await admin.delete(about(987_654)), 'DEAD_LETTER_NOT_FOUND');
      const done = await trail('targetType=consumer&order=asc&actor=admin');
      expect(done.items.map(({ action }) => action).slice(-2)).toEqual(['consumer.dead-letter-replayed', 'consumer.dead-letter-discarded']);
    });
  });
});

/** When a key was used is counted as time goes by. */
const withoutUse = (text: string) => text.replace(/"lastUsedAt":(?:"[^"]*"|null)/g, '');
