import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { request } from 'node:http';
import type { Writable } from 'node:stream';
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import { waitFor } from '@sandlot/testing';
import { httpUpstream, rawUpstream, sendRaw, type HttpServer } from './testing/raw-peers.js';
import { startProxy, type ProxyUnderTest } from './testing/proxy-under-test.js';

const CHUNK = Buffer.alloc(64 * 1024, 'sandlot');

describe('forwarding to a sandbox', () => {
  let proxy: ProxyUnderTest;
  let echo: HttpServer;

  beforeAll(async () => {
    proxy = await startProxy();
    // Answers with what it got: method, target and body's hash in headers, the body itself behind.
    echo = await httpUpstream((incoming, response) => {
      response.writeHead(200, {
        'x-method': incoming.method!,
        'x-target': incoming.url!,
        'content-type': incoming.headers['content-type'] ?? 'none',
      });
      incoming.pipe(response);
    });
    proxy.directory.addSandbox('alice', 's1', echo.address);
  });

  afterAll(async () => {
    await proxy.close();
    await echo.close();
  });

  const call = async (method: string, path: string, body?: string | Buffer, headers: OutgoingHttpHeaders = {}) => {
    const outgoing = request(`${proxy.url}${path}`, { method, headers: { 'x-api-key': proxy.alice, ...headers } });
    outgoing.end(body);
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
    const pieces: Buffer[] = [];
    for await (const piece of response) pieces.push(piece as Buffer);
    return { response, body: Buffer.concat(pieces) };
  };

  it.each(['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND', 'REPORT', 'PURGE', 'LOCK', 'M-SEARCH', 'QUERY'])(
    'S0-32 S1-01 passes %s, by both addresses',
    async (method) => {
      for (const path of ['/proxy/s1/a/b?x=1', '/alice/s1/a/b?x=1']) {
        const { response } = await call(method, path, undefined, { 'content-length': 0 });
        expect(response.headers).toMatchObject({ 'x-method': method, 'x-target': '/a/b?x=1' });
      }
    },
  );

  it('S0-35 passes the body of POST /{username}/{sandbox}/{endpoint}', async () => {
    const body = JSON.stringify({ command: 'ls -la' });
    const answer = await call('POST', '/alice/s1/v1/shell/exec', body, { 'content-type': 'application/json' });
    expect(answer.body.toString()).toBe(body);
    expect(answer.response.headers).toMatchObject({ 'x-target': '/v1/shell/exec', 'content-type': 'application/json' });
  });

  it('C1 serves no address without a key', async () => {
    for (const path of ['/proxy/s1/', '/alice/s1/', '/alice/s1']) {
      expect((await fetch(`${proxy.url}${path}`)).status).toBe(401);
    }
  });

  it('C13 finds a sandbox by the name of its service too', async () => {
    expect((await call('GET', '/alice/sandbox-s1/x')).response.headers['x-target']).toBe('/x');
    expect((await call('GET', '/proxy/sandbox-nothing/x')).response.statusCode).toBe(404);
  });

  it.each(['/?', '/?a=b&a=c', '/x?q=%00%ff&r=/../..&s=\\', '/a%20b%2Fc', '/../../bob/s1/x', '//a//b', '/;p=1', '/%E2%82%AC'])(
    'S1-01 passes the target %s byte for byte',
    async (target) => {
      const answer = await sendRaw(
        proxy.port,
        `GET /proxy/s1${target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${proxy.alice}\r\nConnection: close\r\n\r\n`,
      );
      expect(/x-target: (.*)\r\n/.exec(answer.text)?.[1]).toBe(target);
    },
  );

  it.each([
    ['announced', { 'content-length': 256 }],
    ['chunked', { 'transfer-encoding': 'chunked' }],
  ])('S0-32 passes binary bodies both ways, %s', async (_, headers) => {
    const body = Buffer.from(Array.from({ length: 256 }, (__, i) => i));
    const answer = await call('POST', '/proxy/s1/', body, headers);
    expect(answer.body.equals(body)).toBe(true);
  });

  it('streams 128 MiB up and down at once without holding them', async () => {
    const chunks = 2048;
    const outgoing = request(`${proxy.url}/proxy/s1/`, { method: 'PUT', headers: { 'x-api-key': proxy.alice } });
    const sent = createHash('sha256');
    const received = createHash('sha256');
    let length = 0;
    const before = process.memoryUsage.rss();
    let peak = 0;
    const answered = once(outgoing, 'response').then(async ([response]) => {
      for await (const piece of response as IncomingMessage) {
        received.update(piece as Buffer);
        length += (piece as Buffer).length;
        peak = Math.max(peak, process.memoryUsage.rss() - before);
      }
    });
    for (let i = 0; i < chunks; i++) {
      sent.update(CHUNK);
      if (!outgoing.write(CHUNK)) await once(outgoing, 'drain');
    }
    outgoing.end();
    await answered;
    expect(length).toBe(chunks * CHUNK.length);
    expect(received.digest('hex')).toBe(sent.digest('hex'));
    expect(peak / 1048576).toBeLessThan(160); // client, proxy and upstream in one process
  });

  /** Writes without end, as fast as it may, and counts. */
  const pour = (into: Writable) => {
    const poured = { bytes: 0 };
    const more = () => {
      while (!into.destroyed && into.write(CHUNK)) poured.bytes += CHUNK.length;
      poured.bytes += CHUNK.length;
      into.once('drain', more);
    };
    more();
    return poured;
  };
  /** What the kernel buffers of the sockets in between hold, with room to spare. */
  const HELD = 32 * 1024 * 1024;

  it('lets a slow reader slow the sandbox down instead of buffering', async () => {
    let poured = { bytes: 0 };
    const fast = await httpUpstream((_, response) => (poured = pour(response)));
    proxy.directory.addSandbox('alice', 'fast', fast.address);
    const outgoing = request(`${proxy.url}/proxy/fast/`, { headers: { 'x-api-key': proxy.alice } }).end();
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
    response.pause();
    await settled(() => poured.bytes);
    expect(poured.bytes).toBeGreaterThan(0);
    expect(poured.bytes).toBeLessThan(HELD);
    outgoing.on('error', () => undefined).destroy();
    await fast.close();
  });

  it('lets a slow sandbox slow an upload down instead of buffering', async () => {
    const slow = await httpUpstream(() => undefined); // never reads the body
    proxy.directory.addSandbox('alice', 'slow', slow.address);
    const outgoing = request(`${proxy.url}/proxy/slow/`, { method: 'POST', headers: { 'x-api-key': proxy.alice } });
    const poured = pour(outgoing);
    await settled(() => poured.bytes);
    expect(poured.bytes).toBeGreaterThan(0);
    expect(poured.bytes).toBeLessThan(HELD);
    outgoing.on('error', () => undefined).destroy();
    await slow.close();
  });

  it('flushes every server-sent event at once, and the head before the first', async () => {
    let events: (text: string) => void = () => undefined;
    const sse = await httpUpstream((_, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
      events = (text) => response.write(text);
    });
    proxy.directory.addSandbox('alice', 'sse', sse.address);
    const outgoing = request(`${proxy.url}/proxy/sse/`, { headers: { 'x-api-key': proxy.alice } }).end();
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
    for (const text of ['data: 1\n\n', 'data: 2\n\n']) {
      events(text);
      const [piece] = (await once(response, 'data')) as [Buffer];
      expect(piece.toString()).toBe(text);
    }
    outgoing.on('error', () => undefined).destroy();
    await sse.close();
  });

  it.each([
    ['HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', 200, '5'],
    ['GET', 'HTTP/1.1 204 No Content\r\n\r\n', 204, undefined],
    ['GET', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: "a"\r\n\r\n', 304, '5'],
    ['GET', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', 200, '0'],
  ])('knows that the answer to %s %j has no body', async (method, answer, status, length) => {
    const upstream = await rawUpstream((socket, text) => text.endsWith('\r\n\r\n') && socket.write(answer));
    proxy.directory.addSandbox('alice', 'bodyless', upstream.address);
    for (let i = 0; i < 2; i++) {
      const { response, body } = await call(method, '/proxy/bodyless/');
      expect([response.statusCode, response.headers['content-length'], body.length]).toEqual([status, length, 0]);
    }
    expect(upstream.received).toHaveLength(1); // and that its connection can be used again
    await upstream.close();
  });

  it('passes a body that ends with its connection', async () => {
    const upstream = await rawUpstream((socket) => socket.end('HTTP/1.1 200 OK\r\n\r\nuntil the end'));
    proxy.directory.addSandbox('alice', 'old', upstream.address);
    expect((await call('GET', '/proxy/old/')).body.toString()).toBe('until the end');
    await upstream.close();
  });

  it('passes trailers both ways, without what has no place there', async () => {
    let trailers: NodeJS.Dict<string> = {};
    const upstream = await httpUpstream((incoming, response) => {
      incoming.resume().on('end', () => {
        trailers = incoming.trailers;
        response.writeHead(200, { trailer: 'x-sum' });
        response.write('a');
        response.addTrailers({ 'x-sum': '1', 'set-cookie': 'a=b' });
        response.end();
      });
    });
    proxy.directory.addSandbox('alice', 'trailers', upstream.address);
    const outgoing = request(`${proxy.url}/proxy/trailers/`, {
      method: 'POST',
      headers: { 'x-api-key': proxy.alice, trailer: 'x-digest' },
    });
    outgoing.write('body');
    outgoing.addTrailers({ 'x-digest': '2', 'x-sandlot-user': 'root' });
    outgoing.end();
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
    await once(response.resume(), 'end');
    expect(trailers).toEqual({ 'x-digest': '2' });
    expect(response.trailers).toEqual({ 'x-sum': '1' });
    await upstream.close();
  });

  it('passes 100 (Continue) on and only then the body', async () => {
    const outgoing = request(`${proxy.url}/proxy/s1/`, {
      method: 'POST',
      headers: { 'x-api-key': proxy.alice, expect: '100-continue', 'content-length': 4 },
    });
    outgoing.flushHeaders();
    await once(outgoing, 'continue');
    outgoing.end('body');
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
    const [piece] = (await once(response, 'data')) as [Buffer];
    expect(piece.toString()).toBe('body');
  });

  it('passes an early answer on and closes both connections, for the rest of the body is not wanted', async () => {
    const upstream = await rawUpstream((socket, text) => {
      if (text.includes('\r\n\r\n')) socket.write('HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\n\r\nmuch');
    });
    proxy.directory.addSandbox('alice', 'picky', upstream.address);
    const answer = await sendRaw(
      proxy.port,
      `POST /proxy/picky/ HTTP/1.1\r\nHost: x\r\nX-API-Key: ${proxy.alice}\r\nContent-Length: 1000000\r\n\r\nstart`,
    );
    expect(answer).toMatchObject({ status: 413, ended: 'end' });
    expect(answer.text).toContain('much');
    await upstream.close();
  });

  it('passes interim responses on, but no 100 to who did not expect one', async () => {
    const early = 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n';
    const upstream = await rawUpstream((socket) => socket.write(`${early}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok`));
    proxy.directory.addSandbox('alice', 'hints', upstream.address);
    const whole = (text: string) => text.endsWith('\r\n\r\nok');
    const answer = await sendRaw(proxy.port, `GET /proxy/hints/ HTTP/1.1\r\nHost: x\r\nX-API-Key: ${proxy.alice}\r\n\r\n`, whole);
    expect(answer.text.match(/^HTTP\/1\.1 [^\r]*|^Link: [^\r]*/gm)).toEqual([
      'HTTP/1.1 103 Early Hints',
      'Link: </a>',
      'HTTP/1.1 102 Processing',
      'HTTP/1.1 200 OK',
    ]);
    await upstream.close();
  });

  it('answers pipelined requests in their order', async () => {
    const one = (path: string, more = '') => `GET /proxy/s1/${path} HTTP/1.1\r\nHost: x\r\nX-API-Key: ${proxy.alice}\r\n${more}\r\n`;
    const answer = await sendRaw(proxy.port, one('1') + one('2') + one('3', 'Connection: close\r\n'));
    expect([...answer.text.matchAll(/x-target: (\S+)/g)].map(([, target]) => target)).toEqual(['/1', '/2', '/3']);
  });

  it('serves HTTP/1.0 clients, closing after the answer', async () => {
    const answer = await sendRaw(proxy.port, `GET /proxy/s1/old HTTP/1.0\r\nX-API-Key: ${proxy.alice}\r\n\r\n`);
    expect(answer).toMatchObject({ status: 200, ended: 'end' });
    expect(answer.text).not.toMatch(/transfer-encoding/i);
  });

  it('C10 reaches a declared port by number and by name, and no other', async () => {
    const second = await httpUpstream((_, response) => response.end('second'));
    const ports = [{ port: 8888, address: echo.address }, { name: 'web', port: 3000, address: second.address }]; // prettier-ignore
    proxy.directory.addSandbox('alice', 'two', '', { ports });
    expect((await call('GET', '/proxy/two:web/')).body.toString()).toBe('second');
    expect((await call('GET', '/alice/two:3000/')).body.toString()).toBe('second');
    expect((await call('GET', '/proxy/two:8888/x')).response.headers['x-target']).toBe('/x');
    expect((await call('GET', '/proxy/two:22/')).response.statusCode).toBe(404);
    await second.close();
  });
});

/** Waits until a number has stopped growing, or has grown past all bounds. */
async function settled(read: () => number): Promise<void> {
  let last = -1;
  let since = performance.now();
  await waitFor(
    () => {
      const now = read();
      if (now !== last) since = performance.now();
      last = now;
      return now > 512 * 1024 * 1024 || (now > 0 && performance.now() - since > 300);
    },
    { describe: 'no more to be taken' },
  );
}
