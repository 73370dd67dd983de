import { once } from 'node:events';
import { connect } from 'node:net';
import { DomainError } from '@sandlot/kernel';
import { waitFor } from '@sandlot/testing';
import { WebSocket, WebSocketServer } from 'ws';
import { startProxy, type ProxyUnderTest } from './testing/proxy-under-test.js';
import { httpUpstream, type HttpServer } from './testing/raw-peers.js';
import type { WakeAttempt, WakeOptions } from './wake.js';

describe('a request for a sandbox that sleeps', () => {
  let proxy: ProxyUnderTest;
  let sandbox: HttpServer;
  let attempts: (WakeAttempt & { name: string })[];
  let answer: () => Promise<void>;

  const start = async (options: Partial<WakeOptions> = {}) => {
    attempts = [];
    answer = () => Promise.resolve();
    const waker: WakeOptions['waker'] = {
      wake: ({ name }, attempt) => {
        attempts.push({ ...attempt, name });
        return answer();
      },
    };
    proxy = await startProxy({ wake: { waker, ...options } });
    sandbox = await httpUpstream((request, response) => {
      let length = 0;
      request.on('data', (data: Buffer) => (length += data.length)).on('end', () => response.end(`got ${length}`));
    });
    asleep('nap');
  };
  const asleep = (name: string) => proxy.directory.addSandbox('alice', name, '', { state: 'paused', ports: [] });
  const wakes = (name = 'nap') =>
    proxy.directory.changeRoute('alice', name, { state: 'running', ports: [{ port: 8888, address: sandbox.address }] });
  const get = (path = '/proxy/nap/', headers: Record<string, string> = {}, key = proxy.alice) =>
    fetch(proxy.url + path, { headers: { 'x-api-key': key, ...headers } });
  const held = (count: number) => waitFor(() => proxy.plane.held.waiting === count, { describe: `${count} held` });

  const restart = async (options: Partial<WakeOptions>) => {
    await proxy.close();
    await sandbox.close();
    await start(options);
  };

  beforeEach(() => start());
  afterEach(async () => {
    await proxy.close();
    await sandbox.close();
  });

  it('wakes it in the name of the caller, is held until it runs, and says so in its record', async () => {
    const reply = get();
    await held(1);
    expect(attempts).toMatchObject([{ name: 'nap', caller: { username: 'alice' }, ip: '127.0.0.1' }]);
    proxy.directory.changeRoute('alice', 'nap', { state: 'resuming' });
    wakes();
    expect(await (await reply).text()).toBe('got 0');
    expect(proxy.records).toMatchObject([{ status: 200, woke: true, heldMs: expect.any(Number), requestId: attempts[0]!.requestId }]);
    expect([proxy.plane.held.waiting, proxy.directory.listening]).toEqual([0, 0]);
  });

  it('wakes it once, however many come', async () => {
    const replies = Array.from({ length: 50 }, () => get());
    await held(50);
    wakes();
    expect((await Promise.all(replies)).map(({ status }) => status)).toEqual(Array(50).fill(200));
    expect(attempts).toHaveLength(1);
    expect(proxy.records.filter(({ woke }) => woke)).toHaveLength(1);
  });

  it.each(['starting', 'resuming'] as const)('is held without waking one that is %s', async (state) => {
    proxy.directory.changeRoute('alice', 'nap', { state });
    const reply = get();
    await held(1);
    wakes();
    expect((await reply).status).toBe(200);
    expect(attempts).toEqual([]);
  });

  it('wakes one that is being paused', async () => {
    proxy.directory.changeRoute('alice', 'nap', { state: 'pausing' });
    const reply = get();
    await waitFor(() => attempts.length === 1);
    wakes();
    expect((await reply).status).toBe(200);
  });

  it.each(['wait=0', 'respond-async'])(
    'that would not wait (Prefer: %s) is told when to come back, and the sandbox wakes',
    async (prefer) => {
      const reply = await get('/proxy/nap/', { prefer });
      expect([reply.status, reply.headers.get('retry-after')]).toEqual([503, '1']);
      expect(await reply.json()).toMatchObject({ code: 'SANDBOX_NOT_READY', state: 'paused' });
      await get('/proxy/nap/', { prefer });
      expect(attempts).toHaveLength(1);
    },
  );

  it('is told to come back when its time is over', async () => {
    await restart({ timeoutMs: 50 });
    const reply = await get();
    expect([reply.status, reply.headers.get('retry-after')]).toEqual([503, '1']);
    expect(proxy.directory.listening).toBe(0);
  });

  it('wakes nothing where that is switched off', async () => {
    await restart({ timeoutMs: 0 });
    expect((await get()).status).toBe(503);
    expect(attempts).toEqual([]);
  });

  it('of somebody else wakes nothing; an administrator’s does', async () => {
    expect((await get('/alice/nap/', {}, proxy.bob)).status).toBe(404);
    expect(attempts).toEqual([]);
    const reply = get('/alice/nap/', {}, proxy.root);
    await held(1);
    wakes();
    expect((await reply).status).toBe(200);
    expect(attempts).toMatchObject([{ caller: { username: 'root', role: 'admin' } }]);
  });

  it.each([
    ['failed', { state: 'failed' }, 503, 'SANDBOX_NOT_READY'],
    ['deleted meanwhile', { state: 'deleting' }, 404, 'SANDBOX_NOT_FOUND'],
    ['withdrawn', undefined, 404, 'SANDBOX_NOT_FOUND'],
  ] as const)('is answered when the sandbox is %s', async (_, change, status, code) => {
    const reply = get();
    await held(1);
    proxy.directory.changeRoute('alice', 'nap', change);
    expect((await reply).status).toBe(status);
    expect(await (await reply).json()).toMatchObject({ code });
  });

  it('does not fight over a sandbox that is paused again', async () => {
    const reply = get();
    await held(1);
    proxy.directory.changeRoute('alice', 'nap', { state: 'resuming' });
    proxy.directory.changeRoute('alice', 'nap', { state: 'pausing' });
    expect(await (await reply).json()).toMatchObject({ state: 'pausing' });
    expect(attempts).toHaveLength(1);
  });

  it.each([
    ['UNAVAILABLE', 503, 'UNAVAILABLE'],
    ['SANDBOX_NOT_FOUND', 404, 'SANDBOX_NOT_FOUND'],
  ] as const)('is answered at once when nobody can wake it: %s', async (code, status, shown) => {
    answer = () => Promise.reject(new DomainError(code, 'no'));
    const reply = await get();
    expect([reply.status, await reply.json()]).toMatchObject([status, { code: shown }]);
  });

  it('goes on waiting when it is not known whether it was woken', async () => {
    answer = () => Promise.reject(new DomainError('OUTCOME_UNKNOWN', 'no answer'));
    const reply = get();
    await held(1);
    wakes();
    expect((await reply).status).toBe(200);
  });

  it('has its body left unread until the sandbox runs', async () => {
    const body = Buffer.alloc(8_000_000, 1);
    const client = connect(proxy.port, '127.0.0.1');
    let sent = false;
    client.write(`POST /proxy/nap/ HTTP/1.1\r\nHost: x\r\nX-API-Key: ${proxy.alice}\r\nContent-Length: ${body.length}\r\n\r\n`);
    client.write(body, () => (sent = true));
    await held(1);
    // The kernel takes a few megabytes at most; the rest stays with the client, however long this takes.
    await waitFor(() => client.bytesWritten > 0 && client.writableLength > 0);
    expect(sent).toBe(false);
    wakes();
    const [first] = (await once(client, 'data')) as [Buffer];
    expect(first.toString()).toContain('200 OK');
    client.destroy();
  });

  it('frees its place when its client goes', async () => {
    const client = connect(proxy.port, '127.0.0.1');
    client.write(`GET /proxy/nap/ HTTP/1.1\r\nHost: x\r\nX-API-Key: ${proxy.alice}\r\n\r\n`);
    await held(1);
    client.destroy();
    await held(0);
    await waitFor(() => proxy.records.length === 1, { describe: 'the record' });
    expect(proxy.records).toMatchObject([{ status: 499, reason: 'the client closed the connection' }]);
  });

  it('is held only as long as there are places, per sandbox and in all', async () => {
    await restart({ maxHeld: 3, maxHeldPerSandbox: 2 });
    asleep('other');
    const replies = [get(), get()];
    await held(2);
    expect((await get()).status).toBe(503);
    replies.push(get('/proxy/other/'));
    await held(3);
    expect((await get('/proxy/other/')).status).toBe(503);
    wakes();
    wakes('other');
    expect((await Promise.all(replies)).map(({ status }) => status)).toEqual([200, 200, 200]);
  });

  it('is neither held nor wakes anything while the proxy drains, and one that is held may finish', async () => {
    const reply = get();
    await held(1);
    const late = connect(proxy.port, '127.0.0.1');
    await once(late, 'connect');
    late.write('GET /proxy/nap/ HTTP/1.1\r\nHost: x\r\n'); // under way, so that the drain waits for it
    asleep('other');
    await waitFor(() => proxy.plane.held.clients === 2);
    const closed = proxy.plane.close({ graceMs: 5000 });
    late.write(`Prefer: x\r\nX-API-Key: ${proxy.alice}\r\n\r\n`);
    expect(((await once(late, 'data')) as [Buffer])[0].toString()).toContain('503');
    wakes();
    expect((await reply).status).toBe(200);
    late.destroy();
    await closed;
  });

  it('may be a WebSocket', async () => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    server.on('connection', (socket) => socket.send('awake'));
    await once(server, 'listening');
    const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}/proxy/nap/`, { headers: { 'x-api-key': proxy.alice } });
    await held(1);
    const { port } = server.address() as { port: number };
    proxy.directory.changeRoute('alice', 'nap', { state: 'running', ports: [{ port: 8888, address: `127.0.0.1:${port}` }] });
    const [message] = (await once(socket, 'message')) as [Buffer];
    expect(message.toString()).toBe('awake');
    socket.terminate();
    server.close();
  });

  it('may be a WebSocket, and frees its place when its client goes', async () => {
    const client = connect(proxy.port, '127.0.0.1');
    const handshake = 'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n';
    client.write(
      `GET /proxy/nap/ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-API-Key: ${proxy.alice}\r\n${handshake}\r\n`,
    );
    await held(1);
    client.end();
    await held(0);
    client.destroy();
  });
});
