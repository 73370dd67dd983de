import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { waitFor } from '@sandlot/testing';
import { WebSocket } from 'ws';
import { startProxy, type ProxyUnderTest } from './testing/proxy-under-test.js';
import { sendRaw } from './testing/raw-peers.js';

describe('tunnels over WebSocket', () => {
  let proxy: ProxyUnderTest;
  let server: Server;
  let serve: (socket: Socket) => void;
  let accepted: Socket[];

  const echo = (socket: Socket) => void socket.on('data', (bytes) => socket.write(bytes)).on('end', () => socket.end());

  beforeAll(async () => {
    proxy = await startProxy({ tunnelIdleMs: 1500, tunnelPingMs: 300 });
    server = createServer({ allowHalfOpen: true }, (socket) => {
      accepted.push(socket.on('error', () => undefined));
      serve(socket);
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const ports = [
      { name: 'http', port: 8888, address: '127.0.0.1:1' },
      { name: 'ssh', port: 22, address },
    ];
    proxy.directory.addSandbox('alice', 's1', address, { ports });
    proxy.directory.addSandbox('bob', 'b1', address, { ports });
    proxy.directory.addSandbox('alice', 'nap', '', { state: 'paused', ports: [] });
  });

  beforeEach(() => {
    accepted = [];
    serve = echo;
    proxy.records.length = 0;
  });

  afterEach(async () => {
    for (const socket of accepted) socket.destroy();
    await waitFor(() => proxy.plane.held.openConnections === 0 && proxy.plane.held.upstreams === 0, { describe: 'nothing held' });
  });

  afterAll(async () => {
    await proxy.close();
    await new Promise((done) => server.close(done));
  });

  /** An open tunnel, and what has come out of it. */
  const open = async (path = '/v1/sessions/s1/tunnel', headers: Record<string, string> = { 'x-api-key': proxy.alice }) => {
    const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}${path}`, { headers });
    let text = '';
    socket.on('message', (data: Buffer, isBinary) => (text += isBinary ? data.toString('latin1') : 'text?'));
    await once(socket, 'open');
    return { socket, received: () => text };
  };
  const closed = async (socket: WebSocket) => ((await once(socket, 'close')) as [number])[0];

  it.each(['/v1/sessions/s1/tunnel', '/api/v1/sandboxes/s1/tunnel?port=22', '/v1/sandboxes/s1/tunnel?port=ssh'])(
    'S4-05 GET %s reaches a declared port of an own sandbox',
    async (path) => {
      const { socket, received } = await open(path);
      socket.send(Buffer.from('hello, '));
      socket.send(Buffer.from('world'));
      await waitFor(() => received() === 'hello, world', { describe: 'the echo' });
      socket.close();
      expect(await closed(socket)).toBe(1005);
    },
  );

  it('S4-05 pass large messages and any bytes both ways', async () => {
    const { socket, received } = await open();
    const bytes = Buffer.from(crypto.getRandomValues(new Uint8Array(60_000)));
    for (let i = 0; i < 50; i++) socket.send(bytes);
    await waitFor(() => received().length === 3_000_000, { describe: 'all of it' });
    expect(received()).toBe(bytes.toString('latin1').repeat(50));
    socket.terminate();
  });

  it.each<[string, string, Record<string, string> | undefined, number, string]>([
    ['without a key', '/v1/sessions/s1/tunnel', {}, 401, 'UNAUTHENTICATED'],
    ['to a sandbox that does not exist', '/v1/sessions/s2/tunnel', undefined, 404, 'SANDBOX_NOT_FOUND'],
    ['to somebody else’s sandbox', '/v1/sessions/b1/tunnel', undefined, 404, 'SANDBOX_NOT_FOUND'],
    ['to a port that is not declared', '/v1/sessions/s1/tunnel?port=23', undefined, 403, 'FORBIDDEN'],
    ['to a port that nothing listens on', '/v1/sessions/s1/tunnel?port=8888', undefined, 502, 'SANDBOX_UNREACHABLE'],
    ['to a sandbox that is paused', '/v1/sessions/nap/tunnel', undefined, 503, 'SANDBOX_NOT_READY'],
    ['with another parameter', '/v1/sessions/s1/tunnel?host=10.0.0.1', undefined, 405, 'METHOD_NOT_ALLOWED'],
  ])('S4-05 %s are refused before they are open', async (_, path, headers, status, code) => {
    const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}${path}`, { headers: headers ?? { 'x-api-key': proxy.alice } });
    socket.on('error', () => undefined);
    const [, response] = (await once(socket, 'unexpected-response')) as [unknown, AsyncIterable<Buffer> & { statusCode: number }];
    let body = '';
    for await (const piece of response) body += piece.toString();
    expect([response.statusCode, JSON.parse(body).code]).toEqual([status, code]);
    expect(proxy.records).toMatchObject([{ kind: 'tunnel', method: 'GET', status, code }]);
  });

  it.each(['GET', 'POST', 'DELETE'])('S4-05 are not what a plain %s gets: 405', async (method) => {
    const answer = await fetch(`${proxy.url}/v1/sessions/s1/tunnel`, { method, headers: { 'x-api-key': proxy.alice } });
    expect([answer.status, answer.headers.get('allow'), answer.headers.get('upgrade')]).toEqual([405, 'CONNECT, GET', 'websocket']);
    const upgrade = `Host: x\r\nX-API-Key: ${proxy.alice}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n`;
    if (method !== 'GET')
      expect((await sendRaw(proxy.port, `${method} /v1/sessions/s1/tunnel HTTP/1.1\r\n${upgrade}\r\n`)).status).toBe(405);
  });

  it('S4-05 are opened as RFC 6455 says or not at all', async () => {
    const lines = `Host: x\r\nX-API-Key: ${proxy.alice}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\n`;
    expect((await sendRaw(proxy.port, `GET /v1/sessions/s1/tunnel HTTP/1.1\r\n${lines}\r\n`)).status).toBe(400);
  });

  it('end with all that the sandbox has sent and Close 1000 when it ends', async () => {
    serve = (socket) => void socket.end(Buffer.alloc(2_000_000, 'x'));
    const { socket, received } = await open();
    expect(await closed(socket)).toBe(1000);
    expect(received()).toHaveLength(2_000_000);
  });

  it('end with Close 1011 when the sandbox breaks off', async () => {
    serve = (socket) => void socket.on('data', () => socket.resetAndDestroy());
    const { socket } = await open();
    socket.send(Buffer.from('x'));
    expect(await closed(socket)).toBe(1011);
    await waitFor(() => proxy.records.length === 1, { describe: 'the record' });
    expect(proxy.records[0]!.reason).toBe('the sandbox reset the connection');
  });

  it('end for the sandbox when the client says goodbye or breaks off', async () => {
    for (const leave of ['close', 'terminate'] as const) {
      const { socket } = await open();
      await waitFor(() => accepted.length === 1);
      const ended = once(accepted[0]!, 'end');
      socket[leave]();
      await ended;
      accepted = [];
    }
  });

  it('answer text and other nonsense with the close code for it', async () => {
    const { socket } = await open();
    socket.send('text');
    expect(await closed(socket)).toBe(1003);
  });

  it('answer pings, send some, and end when nobody answers those', async () => {
    const { socket } = await open();
    socket.ping('are you there');
    const [payload] = (await once(socket, 'pong')) as [Buffer];
    expect(payload.toString()).toBe('are you there');
    await once(socket, 'ping');
    const deaf = new WebSocket(`ws://127.0.0.1:${proxy.port}/v1/sessions/s1/tunnel`, {
      headers: { 'x-api-key': proxy.alice },
      autoPong: false,
    });
    await once(deaf, 'open');
    expect(await closed(deaf)).toBe(1006);
    await waitFor(() => proxy.records.some(({ reason }) => reason === 'the client does not answer'), { describe: 'the record' });
    socket.terminate();
  });

  it('are closed when nothing passes but pings', async () => {
    const { socket } = await open();
    expect(await closed(socket)).toBe(1001);
    await waitFor(() => proxy.records.length === 1, { describe: 'the record' });
    expect(proxy.records[0]!.reason).toMatch(/nothing passed for/);
  });

  it('hold the sender back when the receiver does not read, whichever it is', async () => {
    serve = (socket) => void socket.pause();
    const up = await open();
    for (let i = 0; i < 64; i++) up.socket.send(Buffer.alloc(1_000_000));
    await waitFor(() => accepted.length === 1 && up.socket.bufferedAmount > 10_000_000, { describe: 'the kernel to take no more' });
    up.socket.terminate();
    let taken = 0;
    serve = (socket) => {
      const fill = () => {
        while (taken < 64_000_000 && socket.write(Buffer.alloc(1_000_000))) taken += 1_000_000;
      };
      socket.on('drain', fill);
      fill();
    };
    const down = await open();
    down.socket.pause();
    await waitFor(() => accepted.length === 2 && accepted[1]!.writableNeedDrain, { describe: 'the sandbox to be held back' });
    expect(taken).toBeLessThan(64_000_000);
    down.socket.terminate();
  });

  it('end within a second, with Close 1008, when their key is revoked', async () => {
    const key = proxy.directory.addKey('alice');
    const { socket } = await open('/v1/sessions/s1/tunnel', { authorization: `Bearer ${key}` });
    proxy.directory.changeKey(key, { status: 'revoked' });
    const [code, reason] = (await once(socket, 'close')) as [number, Buffer];
    expect([code, reason.toString()]).toEqual([1008, '']);
  });

  it('S1-28 leave one record with what passed in them', async () => {
    const { socket, received } = await open();
    socket.send(Buffer.from('hello'));
    await waitFor(() => received() === 'hello');
    socket.close();
    const record = await waitFor(() => proxy.records[0], { describe: 'the record' });
    expect(record).toMatchObject({
      kind: 'tunnel', method: 'GET', path: '/v1/sessions/s1/tunnel', status: 101, bytesIn: 5, bytesOut: 5, sandbox: 's1',
      reason: 'the client closed the connection',
    }); // prettier-ignore
  });
});
