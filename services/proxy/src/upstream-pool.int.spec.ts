import { waitFor } from '@sandlot/testing';
import type { Socket } from 'node:net';
import { isWholeResponse, rawUpstream, sendRaw, type RawServer } from './testing/raw-peers.js';
import { startProxy, type ProxyUnderTest } from './testing/proxy-under-test.js';
import type { UpstreamPoolOptions } from './upstream-pool.js';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

describe('connections to a sandbox', () => {
  let proxy: ProxyUnderTest;
  let upstream: RawServer;

  afterEach(async () => {
    await proxy.close();
    await upstream.close();
  });

  const start = async (onText: (socket: Socket, text: string, connection: number) => void, sandboxes: UpstreamPoolOptions = {}) => {
    proxy = await startProxy({ sandboxes });
    upstream = await rawUpstream(onText);
    proxy.directory.addSandbox('alice', 's1', upstream.address);
  };
  const send = (method = 'GET', more = '\r\n') =>
    sendRaw(proxy.port, `${method} /proxy/s1/ HTTP/1.1\r\nHost: x\r\nX-API-Key: ${proxy.alice}\r\n${more}`, (text) =>
      method === 'HEAD' ? text.endsWith('\r\n\r\n') : isWholeResponse(text),
    );
  const answer = (socket: Socket, text: string) => text.endsWith('\r\n\r\n') && socket.write(OK);

  it('are used again', async () => {
    await start(answer);
    for (let i = 0; i < 5; i++) expect((await send()).status).toBe(200);
    expect(upstream.received).toHaveLength(1);
  });

  it.each([
    ['Connection: close', 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok'],
    ['HTTP/1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok'],
  ])('are not used again after %s', async (_, response) => {
    await start((socket, text) => text.endsWith('\r\n\r\n') && socket.write(response));
    for (let i = 0; i < 2; i++) expect((await send()).status).toBe(200);
    expect(upstream.received).toHaveLength(2);
  });

  /** Answers once per connection and drops the next request on it unread, as a server does that was just closing it. */
  const stale = (socket: Socket, text: string) => {
    const requests = text.split('\r\n\r\n').length - 1;
    if (requests === 1) socket.write(OK);
    else socket.resetAndDestroy();
  };

  it.each(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])('that were just being closed cost a repeatable %s one more try', async (method) => {
    await start(stale);
    expect((await send()).status).toBe(200);
    expect((await send(method)).status).toBe(200);
    expect(upstream.received).toHaveLength(2);
  });

  it.each([
    ['POST', 'Content-Length: 0\r\n\r\n'],
    ['PATCH', '\r\n'],
    ['PUT', 'Content-Length: 2\r\n\r\nhi'],
  ])('that were just being closed never make a %s happen twice', async (method, more) => {
    await start(stale);
    expect((await send()).status).toBe(200);
    expect((await send(method, more)).status).toBe(502);
    expect(upstream.received).toHaveLength(1);
  });

  it('are tried again only once, and not when they were new', async () => {
    await start((socket) => socket.resetAndDestroy());
    expect((await send()).status).toBe(502);
    expect(upstream.received).toHaveLength(1);
  });

  it('are closed when they have been idle', async () => {
    await start(answer, { idleTimeoutMs: 50, sweepIntervalMs: 20 });
    await send();
    await waitFor(() => upstream.sockets.size === 0, { describe: 'the idle connection to close' });
  });

  it('are bounded; who waits gets the next that is free', async () => {
    const waiting: Socket[] = [];
    await start((socket, text) => text.endsWith('\r\n\r\n') && waiting.push(socket), { maxPerAddress: 2 });
    const answers = Array.from({ length: 6 }, () => send());
    for (let served = 0; served < 6;) {
      await waitFor(() => waiting.length > 0, { describe: 'a request' });
      expect(upstream.sockets.size).toBeLessThanOrEqual(2);
      for (const socket of waiting.splice(0)) {
        socket.write(OK);
        served++;
      }
    }
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual(Array.from({ length: 6 }, () => 200));
    expect(upstream.received).toHaveLength(2);
  });

  it('that do not come free in time give 503, and so does a queue that is full', async () => {
    await start(() => undefined, { maxPerAddress: 1, maxWaiting: 1, waitTimeoutMs: 100 });
    const first = send();
    await waitFor(() => upstream.received.length === 1, { describe: 'the first request' });
    const answers = await Promise.all([send(), send()]);
    expect(answers.map(({ status }) => status)).toEqual([503, 503]);
    for (const socket of upstream.sockets) socket.destroy();
    expect((await first).status).toBe(502);
  });

  it('go to the new address at once when a route changes', async () => {
    await start(answer);
    await send();
    const moved = await rawUpstream(answer);
    proxy.directory.addSandbox('alice', 's1', moved.address);
    expect((await send()).status).toBe(200);
    expect(moved.received).toHaveLength(1);
    await moved.close();
  });
});
