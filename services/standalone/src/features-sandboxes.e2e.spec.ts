import type { Sandbox, SandboxListing, SandboxPage } from '@sandlot/contracts';
import { freePort, waitFor } from '@sandlot/testing';
import { createHash, randomBytes } from 'node:crypto';
import type { z } from 'zod';
import { WebSocket } from 'ws';
import type { Client } from './testing/http-client.js';
import { startPlatform, type Platform } from './testing/platform.js';
import { refused, succeeded } from './testing/problems.js';
import { sandboxServer } from './testing/sandbox-server.js';
import { newSandbox, newTenant, run, type Tenant } from './testing/tenants.js';

const listOf = async (api: Client) => succeeded(await api.get('/api/sandboxes'), 200).json<z.infer<typeof SandboxPage>>().items;
const ready = { prefer: 'wait=30' };

describe('sandboxes', () => {
  let platform: Platform;
  let admin: Client;
  let alice: Tenant;
  let bob: Tenant;
  let port: number;

  beforeAll(async () => {
    platform = await startPlatform({ mode: 'standalone' });
    admin = platform.admin;
    alice = await newTenant(admin, 'alice');
    bob = await newTenant(admin, 'bob');
    port = await freePort();
    await newSandbox(alice.api, 's1', { ports: [{ port: 8888 }, { name: 'web', port }] });
    await newSandbox(bob.api, 'b1');
    succeeded(await alice.api.send('PUT', '/proxy/s1/files/server.mjs', { body: sandboxServer }), 201);
    await run(alice.api, 's1', `setsid ${process.execPath} server.mjs ${port} > server.log 2>&1 < /dev/null &`);
    await waitFor(async () => succeeded(await alice.api.get('/proxy/s1:web/'), 418), { describe: "the sandbox's own server answers" });
  }, 60_000);
  afterAll(() => platform.stop());

  describe('in the API', () => {
    it('S0-26 lists only the caller’s', async () => {
      expect((await listOf(alice.api)).map(({ name }) => name)).toEqual(['s1']);
      expect((await listOf(bob.api)).map(({ name }) => name)).toEqual(['b1']);
      expect(await listOf(admin)).toEqual([]);
    });

    it('S0-27 S0-28 S0-29 C10 creates with namespace and default port, shows, and deletes', async () => {
      const accepted = succeeded(await alice.api.post('/api/sandboxes', { name: 'my-sandbox' }), 202);
      expect(accepted.headers.location).toBe('/api/v1/sandboxes/my-sandbox');
      expect(accepted.json()).toMatchObject({ namespace: 'user-alice', state: 'starting', ports: [{ port: 8888 }] });
      const shown = () => alice.api.get('/api/sandboxes/my-sandbox');
      await waitFor(
        async () => (await shown()).json<Sandbox>(),
        {},
        ({ state }) => state === 'running',
      );
      refused(await alice.api.post('/api/sandboxes', { name: 'my-sandbox' }), 'SANDBOX_EXISTS');
      succeeded(await alice.api.delete('/api/sandboxes/my-sandbox', ready), 204);
      refused(await shown(), 'SANDBOX_NOT_FOUND');
      await newSandbox(alice.api, 'my-sandbox');
      succeeded(await alice.api.delete('/api/sandboxes/my-sandbox', ready), 204);
    });

    it('creates with settings, shows them, counts their limits, and refuses by the field what may not or cannot be', async () => {
      const settings = {
        env: { GREETING: 'hello' },
        resources: { requests: { cpu: '500m' }, limits: { cpu: '1', memory: '1Gi' } },
        labels: { team: 'search' },
      };
      await newSandbox(alice.api, 'set', settings);
      expect(await run(alice.api, 'set', 'echo $GREETING')).toBe('hello\n');
      expect((await alice.api.get('/api/sandboxes/set')).json()).toMatchObject(settings);
      expect((await alice.api.get('/api/v1/me/quota')).json()).toMatchObject({ used: { cpu: '1', memory: '1Gi' } });
      const over = { name: 'over', resources: { limits: { cpu: '3500m' } } };
      expect(refused(await alice.api.post('/api/sandboxes', over), 'QUOTA_EXCEEDED')).toMatchObject({
        resource: 'cpu',
        used: '1',
        limit: '4',
      });
      const odd = { name: 'odd', image: 'other:1', command: ['true'], labels: { user: 'bob' } };
      expect(refused(await alice.api.post('/api/sandboxes', odd), 'VALIDATION_FAILED')).toMatchObject({
        errors: [{ pointer: '/labels/user' }],
      });
      expect(refused(await alice.api.post('/api/sandboxes', { ...odd, labels: {} }), 'VALIDATION_FAILED')).toMatchObject({
        errors: [
          { pointer: '/command', code: 'NOT_SUPPORTED' },
          { pointer: '/image', code: 'NOT_ALLOWED' },
        ],
      });
      succeeded(await alice.api.delete('/api/sandboxes/set', ready), 204);
      expect((await alice.api.get('/api/v1/me/quota')).json()).toMatchObject({ used: { cpu: '0', memory: '0' } });
    });

    it('S0-30 S0-31 pauses and resumes; again is no change', async () => {
      await newSandbox(alice.api, 'nap');
      expect(succeeded(await alice.api.post('/api/sandboxes/nap/pause', undefined, ready), 200).json()).toMatchObject({ state: 'paused' });
      succeeded(await alice.api.post('/api/sandboxes/nap/pause', undefined, ready), 200);
      expect(succeeded(await alice.api.post('/api/sandboxes/nap/resume', undefined, ready), 200).json()).toMatchObject({
        state: 'running',
      });
      expect(await run(alice.api, 'nap', 'echo awake')).toBe('awake\n');
      succeeded(await alice.api.delete('/api/sandboxes/nap', ready), 204);
    });

    it('S0-33 C2 takes the owner’s namespace and refuses any other', async () => {
      refused(await alice.api.post('/api/sandboxes', { name: 'x', namespace: 'default' }), 'FORBIDDEN');
      await newSandbox(alice.api, 'x', { namespace: 'user-alice' });
      refused(await alice.api.delete('/api/sandboxes/x?namespace=default'), 'FORBIDDEN');
      succeeded(await alice.api.delete('/api/sandboxes/x?namespace=user-alice', ready), 204);
    });

    it('S0-34 C2 serves the form with the username, to the owner and to administrators', async () => {
      await newSandbox(alice.api, 'named');
      for (const [client, action] of [
        [alice.api, 'pause'],
        [admin, 'resume'],
        [admin, 'pause'],
      ] as const)
        succeeded(await client.post(`/api/sandboxes/alice/named/${action}`, undefined, ready), 200);
      refused(await bob.api.post('/api/sandboxes/alice/named/resume'), 'SANDBOX_NOT_FOUND');
      refused(await bob.api.delete('/api/sandboxes/alice/named'), 'SANDBOX_NOT_FOUND');
      refused(await admin.delete('/api/sandboxes/alice/named?namespace=user-bob'), 'FORBIDDEN');
      succeeded(await admin.delete('/api/sandboxes/alice/named', ready), 204);
    });

    it('gives an ETag that guards commands, and waits only when asked', async () => {
      await newSandbox(alice.api, 'tagged');
      const { etag } = (await alice.api.get('/api/sandboxes/tagged')).headers;
      expect((await alice.api.get('/api/sandboxes/tagged', { 'if-none-match': etag! })).status).toBe(304);
      refused(await alice.api.post('/api/sandboxes/tagged/pause', undefined, { 'if-match': '"1"' }), 'VERSION_MISMATCH');
      const paused = succeeded(await alice.api.post('/api/sandboxes/tagged/pause', undefined, { 'if-match': etag!, ...ready }), 200);
      expect(paused.headers['preference-applied']).toBe('wait=30');
      succeeded(await alice.api.post('/api/sandboxes/tagged/resume'), 202);
      succeeded(await alice.api.delete('/api/sandboxes/tagged', ready), 204);
    });

    it('shows a sandbox as it was at a past position and time', async () => {
      await newSandbox(alice.api, 'past');
      const position = succeeded(await alice.api.post('/api/sandboxes/past/pause', undefined, ready), 200).headers[
        'sandlot-position'
      ] as string;
      const then = new Date().toISOString();
      succeeded(await alice.api.delete('/api/sandboxes/past', ready), 204);
      refused(await alice.api.get('/api/sandboxes/past'), 'SANDBOX_NOT_FOUND');
      expect((await alice.api.get(`/api/sandboxes/past?asOf=${then}`)).json()).toMatchObject({ state: 'paused' });
      expect((await alice.api.get(`/api/sandboxes/past?asOf=${position}`)).json()).toMatchObject({ state: 'pausing' });
      expect((await alice.api.get(`/api/sandboxes/past?asOf=${Number(position) - 1}`)).json()).toMatchObject({ state: 'running' });
      refused(await alice.api.get('/api/sandboxes/past?asOf=1'), 'SANDBOX_NOT_FOUND');
    });

    it('makes one sandbox of two identical requests with one Idempotency-Key', async () => {
      const ask = () => alice.api.post('/api/sandboxes', { name: 'once' }, { 'idempotency-key': 'double-click' });
      const replies = await Promise.all([ask(), ask()]);
      expect(replies.filter(({ status }) => status === 202).length).toBeGreaterThan(0);
      const again = await waitFor(ask, {}, ({ status }) => status === 202);
      const ids = [...replies, again].filter(({ status }) => status === 202).map((reply) => reply.json<Sandbox>().id);
      expect(new Set(ids).size).toBe(1);
      for (const reply of replies.filter(({ status }) => status !== 202)) refused(reply, 'REQUEST_IN_PROGRESS');
      expect((await listOf(alice.api)).filter(({ name }) => name === 'once')).toHaveLength(1);
      succeeded(await alice.api.delete('/api/sandboxes/once', ready), 204);
    });

    it('S1-05 S1-08 C3 C13 lists in the older form: one’s own, and all for administrators', async () => {
      const listed = async () => succeeded(await alice.api.get('/sandboxes'), 200).json<z.infer<typeof SandboxListing>>();
      const own = await waitFor(listed, { describe: 'what was deleted to leave the list' }, ({ count }) => count === 1);
      expect(own).toEqual({
        count: 1,
        sandboxes: [{ path: 'alice/s1', service: expect.any(String), namespace: 'user-alice', ready: true }],
      });
      const all = succeeded(await admin.get('/sandboxes'), 200).json<z.infer<typeof SandboxListing>>();
      expect(all.sandboxes.map(({ path }) => path).sort()).toEqual(['alice/s1', 'bob/b1']);
    });

    it('S0-13 S1-07 C9 says that it is healthy, to everybody, with the count of sandboxes', async () => {
      const look = async () => succeeded(await platform.nobody.get('/health'), 200).json();
      const health = await waitFor(look, {}, ({ sandboxes }) => sandboxes === 2);
      expect(health).toEqual({ status: 'ok', sandboxes: 2, timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/) });
      expect((await platform.nobody.get('/api/health')).status).toBe(200);
    });

    it('C12 says to a caller without a key which header is missing', async () => {
      expect(refused(await platform.nobody.get('/api/sandboxes'), 'UNAUTHENTICATED').detail).toContain('Authorization');
    });

    it('explains every refusal at its type, and itself in OpenAPI and a viewer', async () => {
      const { type } = refused(await alice.api.get('/api/sandboxes/none'), 'SANDBOX_NOT_FOUND');
      expect(succeeded(await platform.nobody.get(type as string), 200).json()).toMatchObject({ code: 'SANDBOX_NOT_FOUND', status: 404 });
      expect((await platform.nobody.get('/openapi.json')).json()).toMatchObject({ openapi: '3.1.1' });
      expect((await platform.nobody.get('/openapi.yaml')).text).toMatch(/openapi/);
      expect((await platform.nobody.get('/docs')).headers['content-type']).toContain('text/html');
    });
  });

  describe('through the proxy', () => {
    it('S0-32 S0-35 S1-01 S1-09 C1 runs commands at every address of a sandbox', async () => {
      const command = { command: 'echo "$0 $HOME" >&2; echo out; exit 3' };
      for (const path of [
        '/proxy/s1/execute',
        '/alice/s1/execute',
        '/alice/s1/v1/shell/exec',
        '/proxy/sandbox-s1/execute',
        '/proxy/s1:8888/execute',
      ])
        expect(succeeded(await alice.api.post(path, command), 200).json()).toMatchObject({ stdout: 'out\n', exit_code: 3 });
      succeeded(await admin.post('/alice/s1/execute', command), 200);
    });

    it('S0-32 passes any method, the query and the body as they are, and tells the sandbox nothing that is not its business', async () => {
      for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']) {
        const reply = await alice.api.send(method, '/proxy/s1:web/echo?a=1&b=%2F&a=2', { body: method === 'GET' ? undefined : 'text' });
        const seen = succeeded(reply, 200).json<{ method: string; url: string; size: number; headers: Record<string, string> }>();
        expect(seen).toMatchObject({ method, url: '/echo?a=1&b=%2F&a=2', size: method === 'GET' ? 0 : 4 });
        expect(JSON.stringify(seen)).not.toContain(alice.key);
        expect(Object.keys(seen.headers).filter((name) => /^(authorization|x-api-key|x-sandlot-.*)$/.test(name))).toEqual([]);
        expect(seen.headers['x-forwarded-prefix']).toBe('/proxy/s1:web');
      }
      const teapot = succeeded(await alice.api.get('/alice/s1:web/any'), 418);
      expect({ from: teapot.headers['x-from'], text: teapot.text }).toEqual({ from: 'sandbox', text: 'teapot' });
    });

    it('passes bytes both ways, 50 MB of them', async () => {
      expect((await alice.api.get('/proxy/s1:web/binary')).bytes).toEqual(Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)));
      const body = randomBytes(50_000_000);
      const sha256 = createHash('sha256').update(body).digest('hex');
      expect(succeeded(await alice.api.post('/proxy/s1:web/echo', body), 200).json()).toMatchObject({ size: body.length, sha256 });
    });

    it('uploads, lists and downloads files', async () => {
      const body = randomBytes(3_000_000);
      succeeded(
        await alice.api.send('PUT', '/proxy/s1/files/data/blob.bin', { body, headers: { 'content-type': 'application/octet-stream' } }),
        201,
      );
      expect((await alice.api.get('/proxy/s1/list/data')).json<{ entries: object[] }>().entries).toMatchObject([
        { name: 'blob.bin', size: body.length },
      ]);
      expect((await alice.api.get('/proxy/s1/download/data/blob.bin')).bytes.equals(body)).toBe(true);
      const boundary = 'x-boundary-x';
      const part = `--${boundary}\r\ncontent-disposition: form-data; name="file"; filename="hello.txt"\r\n\r\nhello\r\n--${boundary}--\r\n`;
      succeeded(await alice.api.post('/proxy/s1/upload', part, { 'content-type': `multipart/form-data; boundary=${boundary}` }), 201);
      expect(await run(alice.api, 's1', 'cat hello.txt')).toBe('hello');
      expect((await alice.api.get('/proxy/s1/exists/hello.txt')).json()).toMatchObject({ exists: true });
    });

    it('streams Server-Sent Events, of the runtime too', async () => {
      const events = succeeded(await alice.api.get('/proxy/s1:web/events'), 200);
      expect(events.headers['content-type']).toBe('text/event-stream');
      expect(events.text).toBe('id: 1\ndata: tick\n\nid: 2\ndata: tick\n\nid: 3\ndata: tick\n\n');
      const streamed = await alice.api.post('/proxy/s1/execute', { command: 'echo hello' }, { accept: 'text/event-stream' });
      expect(streamed.text).toBe('event: stdout\ndata: {"text":"hello\\n"}\n\nevent: exit\ndata: {"exit_code":0}\n\n');
    });

    it('carries WebSockets, text and binary, and closes them', async () => {
      const socket = new WebSocket(`${platform.url.replace('http', 'ws')}/proxy/s1:web/ws`, {
        headers: { authorization: `Bearer ${alice.key}` },
      });
      const received: Buffer[] = [];
      socket.on('message', (data: Buffer) => received.push(data));
      await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
      const bytes = randomBytes(10_000);
      socket.send('hello');
      socket.send(bytes);
      await waitFor(() => received.length === 2, { describe: 'both frames come back' });
      expect(received[0]!.toString()).toBe('hello');
      expect(received[1]!.equals(bytes)).toBe(true);
      const closed = new Promise<number>((resolve) => socket.once('close', resolve));
      socket.close(1000);
      expect(await closed).toBe(1000);
    });

    it('S1-10 S1-11 answers 404 for no sandbox and for no port, 503 with the state and Retry-After for one that is not ready', async () => {
      refused(await alice.api.get('/proxy/none/'), 'SANDBOX_NOT_FOUND');
      refused(await alice.api.get('/alice/none/'), 'SANDBOX_NOT_FOUND');
      refused(await alice.api.get('/proxy/s1:9/'), 'NOT_FOUND');
      await newSandbox(alice.api, 'unready');
      succeeded(await alice.api.post('/api/sandboxes/unready/pause', undefined, ready), 200);
      const reply = await alice.api.get('/proxy/unready/health', { prefer: 'wait=0' });
      expect(refused(reply, 'SANDBOX_NOT_READY')).toMatchObject({ state: 'paused', title: 'Sandbox not ready' });
      succeeded(await alice.api.delete('/api/sandboxes/unready', ready), 204);
    });

    it('S1-28 records every request', async () => {
      refused(await bob.api.get('/alice/s1/secret-door'), 'SANDBOX_NOT_FOUND');
      // What was refused for who asked is in the trail; that a request passed is counted by its key's last use.
      refused(await platform.nobody.get('/alice/s1/no-key-here'), 'UNAUTHENTICATED');
      const look = () => admin.get('/api/v1/audit-logs?outcome=refused&limit=200');
      const seen = await waitFor(
        async () => (await look()).text,
        {},
        (text) => text.includes('/alice/s1/no-key-here'),
      );
      expect(seen).toContain('request.refused');
    });
  });

  describe('and the quota', () => {
    it('S0-07 refuses the eleventh sandbox with what holds the ten, until an administrator gives more', async () => {
      const { api, user } = await newTenant(admin, 'quotus');
      const names = Array.from({ length: 10 }, (_, n) => `q${n}`);
      for (const name of names) succeeded(await api.post('/api/sandboxes', { name }), 202);
      const { holders } = refused(await api.post('/api/sandboxes', { name: 'q10' }), 'QUOTA_EXCEEDED') as unknown as {
        holders: { name: string }[];
      };
      expect(holders.map(({ name }) => name).sort()).toEqual(names);
      expect((await api.get('/api/v1/me/quota')).json()).toMatchObject({
        quota: { sandboxes: 10, cpu: '4', memory: '8Gi' },
        used: { sandboxes: 10 },
      });
      const trail = await waitFor(
        async () => (await admin.get('/api/v1/audit-logs?actor=quotus&outcome=refused')).text,
        {},
        (text) => text.includes('QUOTA_EXCEEDED'),
      );
      expect(trail).toContain('"status":403');
      succeeded(await admin.put(`/api/v1/admin/users/${user.id}/quota`, { sandboxes: 11 }), 200);
      succeeded(await api.post('/api/sandboxes', { name: 'q10' }), 202);
      refused(await api.post('/api/sandboxes', { name: 'q11' }), 'QUOTA_EXCEEDED');
      // The place is free when the sandbox is gone.
      succeeded(await api.delete('/api/sandboxes/q10', ready), 204);
      succeeded(await api.post('/api/sandboxes', { name: 'q11' }), 202);
      // Deleting wins from every state, and takes everything along.
      succeeded(await admin.delete(`/api/v1/admin/users/${user.id}`), 204);
      await waitFor(
        async () => (await admin.get('/sandboxes')).text,
        { within: 20_000 },
        (text) => !text.includes('quotus/'),
      );
    }, 60_000);
  });
});
