import { connect } from 'node:net';
import { waitFor } from '@sandlot/testing';
import { isWholeResponse, rawUpstream, type RawServer } from './testing/raw-peers.js';
import { startProxy, type ProxyUnderTest } from './testing/proxy-under-test.js';

/** A client that goes on sending until it has an answer, as uploads do. */
function upload(port: number, head: string, piece: Buffer): Promise<string> {
  return new Promise((done) => {
    let text = '';
    const socket = connect(port, '127.0.0.1').on('error', () => undefined);
    const more = () => !socket.destroyed && socket.write(piece, () => setImmediate(more));
    socket.on('data', (bytes: Buffer) => {
      text += bytes.toString('latin1');
      if (isWholeResponse(text)) socket.destroy();
    });
    socket.on('close', () => done(text));
    socket.write(head);
    more();
  });
}

describe('a sandbox that answers before it has read the body', () => {
  let proxy: ProxyUnderTest;
  let upstream: RawServer;

  beforeEach(async () => {
    proxy = await startProxy();
  });
  afterEach(async () => {
    await proxy.close();
    await upstream.close();
  });

  const head = (framing: string) => `POST /proxy/s1/ HTTP/1.1\r\nHost: x\r\nX-API-Key: ${proxy.alice}\r\n${framing}\r\n\r\n`;
  const chunk = (size: number) => Buffer.concat([Buffer.from(`${size.toString(16)}\r\n`), Buffer.alloc(size), Buffer.from('\r\n')]);
  const answer = `HTTP/1.1 413 Content Too Large\r\nContent-Length: 9\r\nConnection: close\r\n\r\ntoo large`;

  it.each([
    ['Content-Length', 'Content-Length: 1000000000', Buffer.alloc(65_536)],
    ['chunks', 'Transfer-Encoding: chunked', chunk(65_536)],
  ])('and closes at once has its answer passed on, every time (%s)', async (_, framing, piece) => {
    upstream = await rawUpstream((socket) => {
      // Unread bytes make the kernel end this with a reset, right behind the answer.
      socket.pause();
      socket.write(answer, () => socket.destroy());
    });
    proxy.directory.addSandbox('alice', 's1', upstream.address);
    for (let i = 0; i < 30; i++) {
      const text = await upload(proxy.port, head(framing), piece);
      expect(text).toMatch(/^HTTP\/1\.1 413 /);
      expect(text).toMatch(/too large$/);
    }
    await waitFor(() => proxy.plane.held.upstreams === 0 && proxy.plane.held.clients === 0, { describe: 'nothing held' });
    expect(new Set(proxy.records.map(({ status }) => status))).toEqual(new Set([413]));
  });

  it('and closes without one is answered 502', async () => {
    upstream = await rawUpstream((socket) => socket.destroy());
    proxy.directory.addSandbox('alice', 's1', upstream.address);
    expect(await upload(proxy.port, head('Content-Length: 1000000000'), Buffer.alloc(65_536))).toMatch(/^HTTP\/1\.1 502 /);
  });

  it('and breaks its answer off leaves no whole response', async () => {
    upstream = await rawUpstream((socket) => {
      socket.pause();
      socket.write(answer.slice(0, -3), () => socket.destroy());
    });
    proxy.directory.addSandbox('alice', 's1', upstream.address);
    expect(isWholeResponse(await upload(proxy.port, head('Content-Length: 1000000000'), Buffer.alloc(65_536)))).toBe(false);
  });
});
