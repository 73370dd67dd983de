import { waitFor } from '@sandlot/testing';
import type { Socket } from 'node:net';
import { isWholeResponse, rawUpstream, sendRaw, type RawServer } from './testing/raw-peers.js';
import { startProxy, type ProxyUnderTest } from './testing/proxy-under-test.js';

describe('a hostile or failing sandbox', () => {
  let proxy: ProxyUnderTest;
  const upstreams: RawServer[] = [];

  beforeEach(async () => {
    proxy = await startProxy({ responseTimeoutMs: 300, sandboxes: { sweepIntervalMs: 50, connectTimeoutMs: 300 } });
  });

  afterEach(async () => {
    await proxy.close();
    await Promise.all(upstreams.splice(0).map((upstream) => upstream.close()));
  });

  const sandbox = async (onText: (socket: Socket, text: string, connection: number) => void) => {
    const upstream = await rawUpstream(onText);
    upstreams.push(upstream);
    proxy.directory.addSandbox('alice', 's1', upstream.address);
    return upstream;
  };
  const get = (method = 'GET', more = '') =>
    sendRaw(proxy.port, `${method} /proxy/s1/ HTTP/1.1\r\nHost: x\r\nX-API-Key: ${proxy.alice}\r\n${more}\r\n`, isWholeResponse);

  it.each([
    ['not HTTP', 'SSH-2.0-OpenSSH_9.2\r\n'],
    ['HTTP/2', 'HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok'],
    ['bare LF', 'HTTP/1.1 200 OK\nContent-Length: 2\n\nok'],
    ['a folded line', 'HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 2\r\n\r\nok'],
    ['both lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!'],
    ['NUL', 'HTTP/1.1 200 OK\r\nA: \0\r\nContent-Length: 2\r\n\r\nok'],
    ['CR in a value', 'HTTP/1.1 200 OK\r\nA: b\rSet-Cookie: c=d\r\nContent-Length: 2\r\n\r\nok'],
    ['an unknown coding', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n'],
    ['an endless head', `HTTP/1.1 200 OK\r\n${'A: b\r\n'.repeat(8000)}`],
    ['100 k fields', `HTTP/1.1 200 OK\r\n${'A: b\r\n'.repeat(100_000)}\r\n`],
    ['101 for nothing', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n'],
    ['a flood of interim responses', 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(1000)],
    ['an interim response with a body', 'HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\nhello'],
  ])('that answers with %s gives 502', async (_, answer) => {
    const upstream = await sandbox((socket) => socket.write(answer, 'latin1'));
    const { status, text } = await get();
    expect(status).toBe(502);
    expect(JSON.parse(text.split('\r\n\r\n')[1]!)).toMatchObject({
      code: 'SANDBOX_UNREACHABLE',
      detail: 'The sandbox sent a malformed response',
    });
    await waitFor(() => upstream.sockets.size === 0, { describe: 'the connection to be closed, never used again' });
  });

  it.each([
    ['in an announced body', 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this'],
    ['in a chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nonly'],
    ['between chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nonly\r\n'],
    ['before the last empty line', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nonly\r\n0\r\n'],
  ])('that breaks off %s leaves the client with a reset, never with a short 200', async (_, answer) => {
    for (const end of [(socket: Socket) => socket.end(), (socket: Socket) => socket.resetAndDestroy()]) {
      await sandbox((socket) => socket.write(answer, () => setImmediate(end, socket)));
      const { status, ended, text } = await get();
      expect([0, 200]).toContain(status); // a reset may overtake what was sent before it
      expect(ended).toBe('reset');
      expect(isWholeResponse(text)).toBe(false);
    }
  });

  it.each([
    ['a bad size', '4\r\nokay\r\nzz\r\n'],
    ['a chunk without its end', '4\r\nokaynot\r\n'],
    ['bare LF', '4\nokay\r\n0\r\n\r\n'],
  ])('that sends chunks with %s leaves the client with a reset', async (_, chunks) => {
    await sandbox((socket) => socket.write(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}`));
    expect((await get()).ended).toBe('reset');
  });

  it('cannot answer the next request with what it sends behind a response', async () => {
    const evil = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil';
    const upstream = await sandbox((socket, text, connection) => {
      if (text.endsWith('\r\n\r\n')) socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n${connection === 0 ? `ok${evil}` : 'ok'}`);
    });
    expect((await get()).text).toMatch(/\r\n\r\nok$/);
    expect((await get()).text).toMatch(/\r\n\r\nok$/);
    expect(upstream.received).toHaveLength(2);
  });

  it('cannot answer a request that has not been sent yet', async () => {
    const upstream = await sandbox((socket, text, connection) => {
      if (!text.endsWith('\r\n\r\n')) return;
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      if (connection === 0) setTimeout(() => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil'), 20);
    });
    await get();
    await waitFor(() => upstream.sockets.size === 0, { describe: 'the connection to be closed at once' });
    expect((await get()).text).toMatch(/\r\n\r\nok$/);
  });

  it('that sends a body where none may be does not desynchronise the next request', async () => {
    const upstream = await sandbox((socket, text) => {
      if (text.endsWith('\r\n\r\n')) socket.write('HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nevil');
    });
    for (let i = 0; i < 2; i++) {
      const { status, text } = await sendRaw(
        proxy.port,
        `GET /proxy/s1/ HTTP/1.1\r\nHost: x\r\nX-API-Key: ${proxy.alice}\r\nConnection: close\r\n\r\n`,
      );
      expect([status, text.includes('evil')]).toEqual([204, false]);
    }
    expect(upstream.received).toHaveLength(2);
  });

  it('that never answers gives 504 after the limit', async () => {
    await sandbox(() => undefined);
    const { status, text } = await get();
    expect(status).toBe(504);
    expect(text).toContain('SANDBOX_TIMEOUT');
  });

  it('that closes without an answer gives 502', async () => {
    await sandbox((socket) => socket.destroy());
    const { status, text } = await get('POST', 'Content-Length: 0\r\n');
    expect(status).toBe(502);
    expect(text).not.toMatch(/127\.0\.0\.1|ECONN/);
  });

  it('that is not there gives 502, without its address', async () => {
    proxy.directory.addSandbox('alice', 's1', '127.0.0.1:1');
    const { status, text } = await get();
    expect(status).toBe(502);
    expect(text).not.toContain('127.0.0.1');
    expect(proxy.records[0]).toMatchObject({ status: 502, code: 'SANDBOX_UNREACHABLE', reason: expect.stringContaining('127.0.0.1:1') });
  });

  it.each(['169.254.169.254:80', '[fd00:ec2::254]:80', '[::ffff:169.254.169.254]:80', '0.0.0.0:80'])(
    'at %s is never dialled',
    async (address) => {
      proxy.directory.addSandbox('alice', 's1', address);
      expect((await get()).status).toBe(502);
      expect(proxy.records[0]!.reason).toContain('never dialled');
    },
  );
});
