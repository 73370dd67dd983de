import type { AuditPage, CreatedApiKey, LimitsInForce, OpenedPreview, Sandbox } from '@sandlot/contracts';
import { freePort, waitFor } from '@sandlot/testing';
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { createServer } from 'node:http2';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { WebSocket } from 'ws';
import type { z } from 'zod';
import type { Client } from './testing/http-client.js';
import { startPlatform, type Platform } from './testing/platform.js';
import { refused, succeeded } from './testing/problems.js';
import { sandboxServer } from './testing/sandbox-server.js';
import { newSandbox, newTenant, run, type Tenant } from './testing/tenants.js';

describe('what passes through the door', () => {
  let platform: Platform;
  let admin: Client;
  let alice: Tenant;
  let port: number;

  beforeAll(async () => {
    platform = await startPlatform({ mode: 'standalone', env: { SANDLOT_PREVIEW_DOMAIN: 'previews.localhost' } });
    admin = platform.admin;
    alice = await newTenant(admin, 'alice');
    port = await freePort();
    await newSandbox(alice.api, 's1', { ports: [{ port: 8888 }, { name: 'web', port }] });
  }, 60_000);
  afterAll(() => platform.stop());

  const stateOf = async (name: string) => (await alice.api.get(`/api/v1/sandboxes/${name}`)).json<Sandbox>().state;
  const pause = async () => succeeded(await alice.api.post('/api/v1/sandboxes/s1/pause', undefined, { prefer: 'wait=30' }), 200);

  /** A CONNECT, and what has come back. */
  const door = async (target: string, key: string, more = ''): Promise<{ socket: Socket; text: string; ended: boolean }> => {
    const { hostname, port } = new URL(platform.url);
    const socket = connect(Number(port), hostname).on('error', () => undefined);
    const tunnel = { socket, text: '', ended: false };
    socket.on('data', (bytes: Buffer) => (tunnel.text += bytes.toString())).on('close', () => (tunnel.ended = true));
    socket.write(`CONNECT ${target} HTTP/1.1\r\nhost: ${target}\r\nproxy-authorization: Bearer ${key}\r\n${more}\r\n`);
    await waitFor(() => tunnel.text.includes('\r\n\r\n'), { within: 30_000, describe: 'an answer' });
    return tunnel;
  };

  /** What a browser gets at an address of the domain of previews. */
  const browse = async (address: string, cookie?: string) => {
    const { hostname, pathname, search } = new URL(address);
    const { hostname: host, port: at } = new URL(platform.url);
    const asking = httpRequest({
      host,
      port: at,
      path: pathname + search,
      headers: { host: hostname, ...(cookie && { cookie }) },
      agent: false,
    });
    const [response] = (await once(asking.end(), 'response')) as [IncomingMessage];
    response.resume();
    await once(response, 'end');
    return response;
  };

  it('S2-28 opens, lists and revokes previews, which let a browser in by their link and nobody after that', async () => {
    await newSandbox(alice.api, 'shown', { ports: [{ port: 8888 }] });
    const previews = '/api/v1/sandboxes/shown/previews';
    const opened = succeeded(await alice.api.post(previews, { ttlSeconds: 600 }), 201).json<z.infer<typeof OpenedPreview>>();
    expect(opened).toMatchObject({ port: 8888, public: false, address: 'http://8888-shown-alice.previews.localhost/' });
    const link = await browse(opened.url);
    expect([link.statusCode, link.headers.location]).toEqual([303, opened.address]);
    const cookie = link.headers['set-cookie']![0]!.split(';')[0];
    const health = `${opened.address}health`;
    expect([(await browse(health)).statusCode, (await browse(health, cookie)).statusCode]).toEqual([401, 200]);

    const listed = succeeded(await alice.api.get(previews), 200);
    expect(listed.json()).toMatchObject({ items: [{ id: opened.id, address: opened.address }] });
    expect(listed.text).not.toContain('sandlot-preview');
    refused(await alice.api.post(previews, { port: 1 }), 'VALIDATION_FAILED');
    const everybody = succeeded(await alice.api.post(previews, { public: true }), 201).json<z.infer<typeof OpenedPreview>>();
    expect((await browse(health)).statusCode).toBe(200);

    for (const { id } of [opened, everybody]) succeeded(await alice.api.delete(`${previews}/${id}`), 204);
    await waitFor(async () => (await browse(health, cookie)).statusCode === 401, { describe: 'the preview to end' });
    refused(await alice.api.delete(`${previews}/${opened.id}`), 'PREVIEW_NOT_FOUND');
    const trail = async () => {
      const page = succeeded(await admin.get('/api/v1/audit-logs?actor=alice&action=preview.opened'), 200).json<
        z.infer<typeof AuditPage>
      >();
      return page.items.map(({ data }) => data['public']);
    };
    expect(await waitFor(trail, { describe: 'the previews in the trail' }, (items) => items.length === 2)).toEqual([true, false]);
    await alice.api.delete('/api/v1/sandboxes/shown');
  }, 60_000);

  it('S0-59 speaks HTTP/2 to a port that was declared as h2c, and refuses that for the sandbox’s own server', async () => {
    const seen: string[] = [];
    const server = createServer().on('stream', (stream, headers) => {
      seen.push(String(headers[':path']));
      stream.respond({ ':status': 200 }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end('over HTTP/2');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port: at } = server.address() as AddressInfo; // which a process is reached at as it is
    const ports = [{ port: 8888 }, { name: 'grpc', port: at, protocol: 'h2c' }];
    expect(await newSandbox(alice.api, 'rpc', { ports })).toMatchObject({ ports });
    const reply = succeeded(await alice.api.post('/proxy/rpc:grpc/x.Y/Z', 'ask'), 200);
    expect([reply.text, seen]).toEqual(['over HTTP/2', ['/x.Y/Z']]);
    refused(await alice.api.post('/api/v1/sandboxes', { name: 'not', ports: [{ port: 8888, protocol: 'h2c' }] }), 'VALIDATION_FAILED');
    succeeded(await alice.api.delete('/api/v1/sandboxes/rpc', { prefer: 'wait=30' }), 204);
    server.close();
  }, 60_000);

  it('S0-58 S1-27 tells a caller what it may ask', async () => {
    const path = `/api/v1/admin/users/${alice.user.id}/limits`;
    succeeded(await admin.put(path, { connections: 50 }), 200);
    const limits = await waitFor(
      async () => succeeded(await alice.api.get('/api/v1/me/limits'), 200).json<LimitsInForce>(),
      { describe: 'the override' },
      ({ connections }) => connections.source === 'override',
    );
    expect(limits).toMatchObject({
      connections: { value: 50, source: 'override' },
      requestsUnderWay: { value: 1000, source: 'default' },
      requestsPerSecond: { value: 0, burst: 0, source: 'default' },
      bodyBytes: { api: 1_048_576, sandbox: null },
    });
    succeeded(await admin.put(path, {}), 200);
  });

  it('wakes a paused sandbox for the first requests, once, and the log says who did', async () => {
    await run(alice.api, 's1', 'echo kept > notes.txt');
    await pause();
    // Right behind the pause a request may still be sent to where the sandbox was.
    const ask = () =>
      waitFor(
        () => alice.api.post('/proxy/s1/execute', { command: 'cat notes.txt' }),
        { within: 40_000 },
        ({ status }) => status !== 502,
      );
    const replies = await Promise.all(Array.from({ length: 5 }, ask));
    for (const reply of replies) expect(succeeded(reply, 200).json()).toMatchObject({ stdout: 'kept\n' });
    expect(await stateOf('s1')).toBe('running');
    const requests = replies.map(({ headers }) => headers['x-request-id']);
    const trail = async () => {
      const query = 'actor=alice&action=sandbox.resume-requested';
      return succeeded(await admin.get(`/api/v1/audit-logs?${query}`), 200).json<z.infer<typeof AuditPage>>().items;
    };
    const woken = await waitFor(trail, { describe: 'the resumption in the trail' }, (entries) => entries.length > 0);
    expect(woken).toMatchObject([{ actorType: 'user', actorId: alice.user.id, keyId: alice.keyId, ip: '127.0.0.1' }]);
    expect(requests).toContain(woken[0]!.correlationId);
  }, 60_000);

  it('S4-05 S1-11 tunnels to a declared port, waking the sandbox, and to no other', async () => {
    await pause();
    const tunnel = await waitFor(
      () => door('s1:8888', alice.key),
      { within: 40_000 },
      ({ text }) => !text.includes(' 502 '),
    );
    expect(tunnel.text).toMatch(/^HTTP\/1\.1 200 Connection Established\r\n/);
    tunnel.socket.write('GET /health HTTP/1.1\r\nhost: inside\r\nconnection: close\r\n\r\n');
    await waitFor(() => tunnel.ended && tunnel.text.includes('HTTP/1.1 200 OK'), { describe: 'the sandbox’s own answer' });
    expect((await door('s1:9', alice.key)).text).toMatch(/^HTTP\/1\.1 403 /);
    expect((await door('s2:8888', alice.key)).text).toMatch(/^HTTP\/1\.1 404 /);
    expect((await door('s1:8888', 'none')).text).toMatch(/^HTTP\/1\.1 407 [^]*proxy-authenticate: Basic/);
  }, 60_000);

  it('closes WebSockets, tunnels and long answers of a key within a second of its revocation, and leaves the user’s other ones', async () => {
    const made = succeeded(await alice.api.post('/api/v1/me/apikeys', { name: 'lost' }), 201).json<z.infer<typeof CreatedApiKey>>();
    const lost = await waitFor(
      () => door('s1:8888', made.key),
      {},
      ({ text }) => text.includes(' 200 '),
    );
    const other = await door('s1:8888', alice.key);
    const long = alice.api.as(made.key).send('POST', '/proxy/s1/execute', { body: { command: 'sleep 60' }, withinMs: 30_000 });
    succeeded(await alice.api.send('PUT', '/proxy/s1/files/server.mjs', { body: sandboxServer }), 201);
    await run(alice.api, 's1', `setsid ${process.execPath} server.mjs ${port} > server.log 2>&1 < /dev/null &`);
    await waitFor(async () => succeeded(await alice.api.get('/proxy/s1:web/'), 418), { describe: "the sandbox's own server answers" });
    const socket = new WebSocket(`${platform.url.replace('http', 'ws')}/proxy/s1:web/ws`, { headers: { 'x-api-key': made.key } });
    await once(socket, 'open');
    const closed = once(socket, 'close');
    succeeded(await alice.api.delete(`/api/v1/me/apikeys/${made.id}`), 204);
    refused(await long, 'UNAUTHENTICATED');
    expect((await closed)[0]).toBe(1008);
    await waitFor(() => lost.ended, { describe: 'the tunnel to be closed' });
    expect(other.ended).toBe(false);
    other.socket.end();
    await once(other.socket, 'close');
  }, 60_000);
});
