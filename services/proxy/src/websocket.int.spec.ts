import { once } from 'node:events';
import { connect } from 'node:net';
import { createHash } from 'node:crypto';
import { waitFor } from '@sandlot/testing';
import { WebSocket, WebSocketServer } from 'ws';
import { rawUpstream, sendRaw, httpUpstream } from './testing/raw-peers.js';
import { startProxy, type ProxyUnderTest } from './testing/proxy-under-test.js';

const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const ACCEPT = createHash('sha1').update(`${KEY}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');

describe('WebSockets', () => {
  let proxy: ProxyUnderTest;
  let server: WebSocketServer;

  beforeAll(async () => {
    proxy = await startProxy();
    server = new WebSocketServer({ port: 0, host: '127.0.0.1', handleProtocols: (offered) => [...offered].at(-1) ?? false });
    server.on('connection', (socket) => {
      socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
    });
    await once(server, 'listening');
    proxy.directory.addSandbox('alice', 's1', `127.0.0.1:${(server.address() as { port: number }).port}`);
  });

  afterAll(async () => {
    for (const client of server.clients) client.terminate();
    server.close();
    await proxy.close();
  });

  const open = async (path = '/proxy/s1/ws?x=1', options = {}, protocols: string[] = []) => {
    const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}${path}`, protocols, { headers: { 'x-api-key': proxy.alice }, ...options });
    await once(socket, 'open');
    return socket;
  };
  const handshake = (lines: string, path = '/proxy/s1/') =>
    `GET ${path} HTTP/1.1\r\nHost: x\r\nX-API-Key: ${proxy.alice}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${lines}\r\n`;
  const proper = `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${KEY}\r\n`;

  it('S0-32 pass text and binary messages of any size, by both addresses', async () => {
    for (const path of ['/proxy/s1/', '/alice/s1/']) {
      const socket = await open(path);
      for (const message of ['hello', Buffer.alloc(3_000_000, 7), '', Buffer.from([0, 255])]) {
        socket.send(message);
        const [data, isBinary] = (await once(socket, 'message')) as [Buffer, boolean];
        expect(isBinary).toBe(typeof message !== 'string');
        expect(data.equals(Buffer.from(message))).toBe(true);
      }
      socket.close();
    }
  });

  it('keep their subprotocol, pings and extensions', async () => {
    const socket = await open('/proxy/s1/', {}, ['a', 'b']);
    expect([socket.protocol, socket.extensions]).toEqual(['b', '']);
    socket.ping('x');
    const [data] = (await once(socket, 'pong')) as [Buffer];
    expect(data.toString()).toBe('x');
    socket.close();
  });

  it.each([1000, 1001, 3000, 4999])('pass close code %i of the sandbox to the client', async (code) => {
    server.once('connection', (socket) => socket.close(code, 'because'));
    const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}/proxy/s1/`, { headers: { 'x-api-key': proxy.alice } });
    const [received, reason] = (await once(socket, 'close')) as [number, Buffer];
    expect([received, reason.toString()]).toEqual([code, 'because']);
  });

  it('pass close codes of the client to the sandbox', async () => {
    const connected = once(server, 'connection');
    const socket = await open();
    const [peer] = (await connected) as [WebSocket];
    socket.close(4001, 'bye');
    const [code, reason] = (await once(peer, 'close')) as [number, Buffer];
    expect([code, reason.toString()]).toEqual([4001, 'bye']);
  });

  it('end on one side when the other breaks off', async () => {
    const connected = once(server, 'connection');
    const socket = await open();
    const [peer] = (await connected) as [WebSocket];
    socket.terminate();
    expect((await once(peer, 'close'))[0]).toBe(1006);
    const again = await open();
    for (const client of server.clients) client.terminate();
    expect((await once(again, 'close'))[0]).toBe(1006);
    await waitFor(() => proxy.plane.held.openConnections === 0 && proxy.plane.held.upstreams === 0, { describe: 'nothing held' });
  });

  it('S1-28 leave one record with what passed, when they end', async () => {
    const socket = await open('/proxy/s1/ws?secret=1');
    socket.send('hello');
    await once(socket, 'message');
    socket.close();
    const record = await waitFor(() => proxy.records.find(({ path }) => path === '/proxy/s1/ws'), { describe: 'the record' });
    expect(record).toMatchObject({ kind: 'websocket', method: 'GET', status: 101, username: 'alice', sandbox: 's1' });
    expect([record.bytesIn, record.bytesOut].every((bytes) => bytes > 5)).toBe(true);
  });

  it.each([
    ['S0-01 without a key', '/proxy/s1/', { 'x-api-key': '' }, 401, 'UNAUTHENTICATED'],
    ['S0-04 of somebody else', '/bob/s2/', {}, 404, 'SANDBOX_NOT_FOUND'],
    ['S1-10 to a sandbox that does not exist', '/proxy/nothing/', {}, 404, 'SANDBOX_NOT_FOUND'],
    ['S1-11 to a paused sandbox', '/proxy/paused/', {}, 503, 'SANDBOX_NOT_READY'],
    ['to a sandbox that does not answer', '/proxy/dead/', {}, 502, 'SANDBOX_UNREACHABLE'],
  ])('%s are refused by an ordinary response', async (_, path, headers, status, code) => {
    proxy.directory.addSandbox('bob', 's2', '127.0.0.1:1');
    proxy.directory.addSandbox('alice', 'paused', '127.0.0.1:1', { state: 'paused' });
    proxy.directory.addSandbox('alice', 'dead', '127.0.0.1:1');
    const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}${path}`, { headers: { 'x-api-key': proxy.alice, ...headers } });
    socket.on('error', () => undefined);
    const [, response] = (await once(socket, 'unexpected-response')) as [unknown, AsyncIterable<Buffer> & { statusCode: number }];
    let body = '';
    for await (const piece of response) body += piece.toString();
    expect([response.statusCode, JSON.parse(body).code]).toEqual([status, code]);
  });

  it.each([
    ['another version', `Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: ${KEY}\r\n`],
    ['no version', `Sec-WebSocket-Key: ${KEY}\r\n`],
    ['no key', 'Sec-WebSocket-Version: 13\r\n'],
    ['a key that is none', 'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: abc\r\n'],
    ['two keys', `${proper}Sec-WebSocket-Key: ${KEY}\r\n`],
    ['a body', `${proper}Content-Length: 3\r\n`],
    ['a chunked body', `${proper}Transfer-Encoding: chunked\r\n`],
  ])('are refused with %s', async (_, lines) => {
    const answer = await sendRaw(proxy.port, handshake(lines));
    expect(answer).toMatchObject({ status: 400 });
    expect(answer.text).toContain('application/problem+json');
  });

  it('are opened by GET only', async () => {
    expect((await sendRaw(proxy.port, handshake(proper).replace('GET', 'POST'))).status).toBe(400);
  });

  it.each(['h2c', 'TLS/1.0', 'websocket, h2c', 'foo'])('are all that is upgraded: Upgrade: %s is served without', async (upgrade) => {
    const upstream = await httpUpstream((request, response) => response.end(JSON.stringify(request.headers)));
    proxy.directory.addSandbox('alice', 'plain', upstream.address);
    const answer = await sendRaw(
      proxy.port,
      `GET /proxy/plain/ HTTP/1.1\r\nHost: x\r\nX-API-Key: ${proxy.alice}\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: ${upgrade}\r\nHTTP2-Settings: AA\r\n\r\n`,
    );
    expect(answer.status).toBe(200);
    expect(answer.text).not.toMatch(/upgrade|http2-settings/i);
    await upstream.close();
  });

  it.each([
    ['a wrong Sec-WebSocket-Accept', 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: abc\r\n'],
    ['another protocol', `Connection: Upgrade\r\nUpgrade: h2c\r\nSec-WebSocket-Accept: ${ACCEPT}\r\n`],
    ['no Upgrade', `Sec-WebSocket-Accept: ${ACCEPT}\r\n`],
  ])('are not opened by a 101 with %s', async (_, lines) => {
    const upstream = await rawUpstream((socket) => socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines}\r\n`));
    proxy.directory.addSandbox('alice', 'liar', upstream.address);
    expect((await sendRaw(proxy.port, handshake(proper, '/proxy/liar/'))).status).toBe(502);
    await upstream.close();
  });

  it('relay an answer that declines, as it is, without what belongs to one hop', async () => {
    const upstream = await rawUpstream((socket) =>
      socket.write(
        'HTTP/1.1 403 Forbidden\r\nSet-Cookie: a=b\r\nX-Why: not today\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n',
      ),
    );
    proxy.directory.addSandbox('alice', 'declines', upstream.address);
    const answer = await sendRaw(proxy.port, handshake(proper, '/proxy/declines/'));
    expect(answer).toMatchObject({ status: 403, ended: 'end' });
    expect(answer.text).toMatch(/X-Why: not today\r\n/);
    expect(answer.text).not.toMatch(/set-cookie/i);
    await upstream.close();
  });

  it('pass what either side sends together with its handshake', async () => {
    const upstream = await rawUpstream((socket, text) => {
      if (!text.includes('\r\n\r\n')) return;
      if (text.endsWith('early')) socket.end();
      else
        socket.write(
          `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${ACCEPT}\r\n\r\nfirst`,
        );
    });
    proxy.directory.addSandbox('alice', 'eager', upstream.address);
    const answer = await sendRaw(proxy.port, `${handshake(proper, '/proxy/eager/')}early`, (text) => text.endsWith('first'));
    expect(answer.status).toBe(101);
    await waitFor(() => upstream.received.some((text) => text.endsWith('early')), { describe: 'the early bytes' });
    await upstream.close();
  });

  it('are closed, with Close 1001 to both sides, when nothing passes for as long as is configured', async () => {
    const idle = await startProxy({ webSocketIdleMs: 300 });
    idle.directory.addSandbox('alice', 's1', `127.0.0.1:${(server.address() as { port: number }).port}`);
    const connected = once(server, 'connection');
    const socket = new WebSocket(`ws://127.0.0.1:${idle.port}/proxy/s1/`, { headers: { 'x-api-key': idle.alice } });
    const [peer] = (await connected) as [WebSocket];
    const codes = await Promise.all([socket, peer].map(async (side) => ((await once(side, 'close')) as [number])[0]));
    expect(codes).toEqual([1001, 1001]);
    await waitFor(() => /nothing passed/.test(idle.records[0]?.reason ?? ''), { describe: 'the record' });
    await idle.close();
  });

  it('give up dialling when the client goes before there is an answer', async () => {
    const upstream = await rawUpstream(() => undefined);
    proxy.directory.addSandbox('alice', 'silent', upstream.address);
    const client = connect(proxy.port, '127.0.0.1');
    client.write(handshake(proper, '/proxy/silent/'));
    await waitFor(() => upstream.received.some((text) => text.includes('\r\n\r\n')), { describe: 'the handshake at the sandbox' });
    client.end();
    await waitFor(() => upstream.sockets.size === 0, { describe: 'the connection to the sandbox to close' });
    await upstream.close();
  });
});
