import { once } from 'node:events';
import {
  connect,
  constants,
  createServer,
  type Http2Server,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type ServerOptions,
} from 'node:http2';
import { connect as connectTcp, createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net';
import { certificateAuthority } from '@sandlot/testbed';
import { waitFor } from '@sandlot/testing';
import { startProxy, type ProxyUnderTest } from './testing/proxy-under-test.js';
import { rawUpstream, sendRaw } from './testing/raw-peers.js';

const authority = certificateAuthority('authority');
const { certificate: cert, key } = authority.issue({ commonName: 'sandlot', names: ['127.0.0.1'] });
const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';

interface Asked {
  raw: string[];
  stream: ServerHttp2Stream;
}

const [END_STREAM, END_HEADERS] = [1, 4];

/** @param stream of which it is; given when it is sent */
function frame(type: number, flags: number, payload = Buffer.alloc(0), stream = 0): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.set([type, flags], 3);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const SETTINGS = frame(4, 0);
const HEAD = frame(1, END_HEADERS, Buffer.from([0x88])); // :status 200, by its index in the table of HPACK
const HALF = frame(0, 0, Buffer.from('half'));
const END = frame(0, END_STREAM);
const RESET = frame(3, 0, Buffer.from([0, 0, 0, constants.NGHTTP2_ENHANCE_YOUR_CALM]));
const RESET_WITHOUT_ERROR = frame(3, 0, Buffer.alloc(4), 1);
const GOAWAY = frame(7, 0, Buffer.alloc(8, 1).fill(0, 4)); // the last stream that it has looked at has a high number

/** Answers a request with these frames, as no server of node:http2 would; `later` ones with others. */
async function framesUpstream(first: Buffer[], later: Buffer[] = [], thenEnds = false) {
  const sockets = new Set<Socket>();
  const answered: number[] = [];
  const answer = (socket: Socket, stream: number) => {
    const frames = answered.push(stream) === 1 ? first : later;
    for (const each of frames) {
      const said = Buffer.from(each);
      if (said[3] !== GOAWAY[3]) said.writeUInt32BE(stream, 5);
      socket.write(said);
    }
    if (thenEnds) socket.end();
  };
  const server = createTcpServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy()).on('close', () => sockets.delete(socket)); // prettier-ignore
    socket.write(SETTINGS);
    let read = Buffer.alloc(0);
    let at = PREFACE.length;
    socket.on('data', (data: Buffer) => {
      read = Buffer.concat([read, data]);
      for (; read.length >= at + 9; at += 9 + read.readUIntBE(at, 3))
        if (read[at + 3] === HEAD[3]) answer(socket, read.readUInt32BE(at + 5));
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    sockets,
    answered,
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((done) => server.close(done));
    },
  };
}

/** A sandbox that speaks HTTP/2 without TLS, on a port that stays the same. */
class H2cSandbox {
  readonly sessions = new Set<ServerHttp2Session>();
  readonly asked: Asked[] = [];
  connections = 0;
  handle: (stream: ServerHttp2Stream, path: string) => void = (stream) => {
    stream.respond({ ':status': 200 });
    stream.end('ok');
  };
  private server!: Http2Server;

  async listen(port = 0, options: ServerOptions = {}): Promise<number> {
    this.server = createServer(options);
    this.server.on('session', (session) => {
      this.connections++;
      this.sessions.add(session);
      session.on('error', () => undefined).once('close', () => this.sessions.delete(session));
    });
    this.server.on('stream', (stream, headers, _, raw) => {
      stream.on('error', () => undefined);
      this.asked.push({ raw, stream });
      this.handle(stream, headers[':path']!);
    });
    await new Promise<void>((done) => this.server.listen(port, '127.0.0.1', done));
    return (this.server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    const closed = new Promise((done) => this.server.close(done));
    for (const session of this.sessions) session.destroy();
    await closed;
  }
}

describe('a port that is declared as h2c', () => {
  let proxy: ProxyUnderTest;
  let sandbox: H2cSandbox;
  let port: number;

  const start = async (options: Parameters<typeof startProxy>[0] = {}, server: ServerOptions = {}) => {
    sandbox = new H2cSandbox();
    port = await sandbox.listen(0, server);
    proxy = await startProxy({ ...options });
    declare(`127.0.0.1:${port}`);
  };
  const declare = (address: string, protocol: 'h2c' | undefined = 'h2c') =>
    proxy.directory.addSandbox('alice', 's1', '', { ports: [{ port: 8888, address, ...(protocol && { protocol }) }] });
  afterEach(async () => {
    await proxy.close();
    await sandbox.close();
  });
  const get = (path = '/proxy/s1/', init: RequestInit = {}) =>
    fetch(proxy.url + path, { ...init, headers: { 'x-api-key': proxy.alice, ...(init.headers as object) } });
  const lines = (rest: string) => `${rest.replace('\r\n', `\r\nHost: sandlot.example\r\nX-API-Key: ${proxy.alice}\r\n`)}\r\n\r\n`;

  it('is spoken to in HTTP/2 for a client of HTTP/1.1, with the fields that may pass and no others', async () => {
    await start();
    const { text } = await sendRaw(
      proxy.port,
      lines(
        'GET /proxy/s1/a?b=1 HTTP/1.1\r\nAccept: a\r\nConnection: X-Hop, close\r\nX-Hop: 1\r\nTE: deflate\r\nX-Sandlot-User: root\r\nX_Y: 1\r\nX-Two: 1\r\nX-Two: 2',
      ),
    );
    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    const { raw } = sandbox.asked[0]!;
    expect(raw.slice(0, 8)).toEqual([':method', 'GET', ':scheme', 'http', ':path', '/a?b=1', ':authority', 'sandlot.example']);
    const names = raw.filter((_, i) => i % 2 === 0 && i > 7);
    expect(names).toEqual([
      'accept', 'x-two', 'x-two', 'via', 'x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'x-request-id', 'traceparent',
      'x-forwarded-prefix', 'te',
    ]); // prettier-ignore
    expect(raw.at(-1)).toBe('trailers');
    expect(raw.join('\n')).not.toContain(proxy.alice);
    expect(proxy.records).toMatchObject([{ status: 200, bytesOut: 2, path: '/proxy/s1/a', port: 8888 }]);
  });

  it('takes bodies with a length, in chunks and with trailers, and gives them back', async () => {
    await start();
    sandbox.handle = (stream) => {
      let text = '';
      let trailer = '';
      stream.on('trailers', (trailers) => (trailer = String(trailers['x-sum'])));
      stream.on('data', (data: Buffer) => (text += data.toString()));
      stream.on('end', () => {
        stream.respond({ ':status': 201 }, { waitForTrailers: true });
        stream.on('wantTrailers', () => stream.sendTrailers({ 'x-got': trailer }));
        stream.end(`got ${text}`);
      });
    };
    const sent = 'POST /proxy/s1/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\nConnection: close';
    const answer = await sendRaw(proxy.port, `${lines(sent)}5\r\nhello\r\n0\r\nX-Sum: 7\r\nX-API-Key: canary\r\n\r\n`);
    expect(answer.text).toMatch(/^HTTP\/1\.1 201 Created\r\n[^]*\r\n\r\n9\r\ngot hello\r\n0\r\nx-got: 7\r\n\r\n$/);
    expect(await (await get('/proxy/s1/', { method: 'PUT', body: 'x'.repeat(200_000) })).text()).toBe(`got ${'x'.repeat(200_000)}`);
    expect(sandbox.asked[1]!.raw).toEqual(expect.arrayContaining(['content-length', '200000']));
  });

  it.each([
    ['HEAD', 200, { 'content-length': '5' }],
    ['GET', 204, {}],
    ['GET', 304, { etag: '"1"' }],
  ])('ends %s answered %j where it ends', async (method, status, headers) => {
    await start();
    sandbox.handle = (stream) => stream.respond({ ':status': status, ...headers }, { endStream: true });
    const answer = await get('/proxy/s1/', { method });
    expect([answer.status, await answer.text()]).toEqual([status, '']);
    for (const [name, value] of Object.entries(headers)) expect(answer.headers.get(name)).toBe(value);
  });

  it('passes early hints and 100-continue on', async () => {
    await start();
    sandbox.handle = (stream) => {
      stream.additionalHeaders({ ':status': 100 });
      stream.additionalHeaders({ ':status': 103, link: '</a.css>; rel=preload' });
      stream.resume().on('end', () => {
        stream.respond({ ':status': 200 });
        stream.end();
      });
    };
    const socket = connectTcp(proxy.port, '127.0.0.1');
    let text = '';
    socket.on('data', (data: Buffer) => (text += data.toString()));
    socket.write(lines('POST /proxy/s1/ HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2'));
    await waitFor(() => text.includes('103 Early Hints'), { describe: 'the hints' });
    expect(text).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\n/);
    socket.write('ok');
    await waitFor(() => text.includes('200 OK'), { describe: 'the answer' });
    socket.destroy();
  });

  it('passes what it says on at once, and waits for a client that reads slowly', async () => {
    await start();
    const size = 32 * 1024 * 1024;
    let sent = 0;
    sandbox.handle = (stream) => {
      stream.respond({ ':status': 200 });
      const more = () => {
        while (sent < size && !stream.destroyed) {
          sent += 65_536;
          if (!stream.write(Buffer.alloc(65_536))) return void stream.once('drain', more);
        }
        stream.end();
      };
      more();
    };
    const response = await get();
    let last = -1;
    await waitFor(() => last === (last = sent) && last > 0, { describe: 'the sandbox to be held up', every: 200 });
    expect(sent).toBeLessThan(size);
    expect((await response.arrayBuffer()).byteLength).toBe(size);
  });

  it('hears that a client of HTTP/1.1 has gone, and its other streams go on', async () => {
    await start();
    sandbox.handle = (stream) => {
      stream.respond({ ':status': 200 });
      stream.write('begun');
    };
    const [stay, gone] = [await get(), new AbortController()];
    await get('/proxy/s1/', { signal: gone.signal });
    gone.abort();
    await waitFor(() => sandbox.asked[1]!.stream.rstCode === constants.NGHTTP2_CANCEL, { describe: 'the stream to be cancelled' });
    sandbox.asked[0]!.stream.end(' and ended');
    expect(await stay.text()).toBe('begun and ended');
    expect(sandbox.connections).toBe(1);
  });

  it.each([
    ['before it answers', [RESET], [502, constants.NGHTTP2_NO_ERROR]],
    ['in the middle of its answer', [HEAD, HALF, RESET], [200, constants.NGHTTP2_ENHANCE_YOUR_CALM]],
  ])('that resets a stream %s ends that request alone, and a client of HTTP/2 hears why', async (_, frames, expected) => {
    await start({ tls: { credentials: { cert, key } } });
    const raw = await framesUpstream(frames, [HEAD, END]);
    declare(raw.address);
    const session = connect(proxy.url, { ca: authority.certificate });
    const ask = async () => {
      const stream = session.request({ ':path': '/proxy/s1/', 'x-api-key': proxy.alice }).on('error', () => undefined);
      const [headers] = (await once(stream, 'response')) as [Record<string, number>];
      await new Promise((done) => stream.resume().once('close', done));
      return [headers[':status'], stream.rstCode];
    };
    expect(await ask()).toEqual(expected);
    expect(proxy.records).toMatchObject([{ code: 'SANDBOX_UNREACHABLE', reason: expect.stringContaining('reset the stream (11)') }]);
    expect(await ask()).toEqual([200, constants.NGHTTP2_NO_ERROR]);
    expect([raw.answered, raw.sockets.size]).toEqual([[1, 3], 1]); // on the same connection
    session.destroy();
    await raw.close();
  });

  it.each<[string, Buffer[], boolean]>([
    ['resets its stream as if nothing were wrong', [RESET_WITHOUT_ERROR], false],
    ['closes its connection', [], true],
    ['says goodbye and closes its connection', [GOAWAY], true],
  ])('that %s in the middle of an answer breaks it off: half of it is never taken for all', async (_, frames, closes) => {
    await start();
    const raw = await framesUpstream([HEAD, HALF]);
    declare(raw.address);
    const response = await get();
    for (const socket of raw.sockets) {
      for (const each of frames) socket.write(each);
      if (closes) socket.end();
    }
    await expect(response.text()).rejects.toThrow();
    await waitFor(() => proxy.records.length === 1 && proxy.plane.held.places === 0, { describe: 'the record' });
    expect(proxy.records).toMatchObject([{ status: 200, code: 'SANDBOX_UNREACHABLE' }]);
    await raw.close();
  });

  it('that closes its connection behind a whole answer has it passed on, however slowly it is read', async () => {
    await start();
    const data = Array.from({ length: 3 }, () => frame(0, 0, Buffer.alloc(16_000)));
    const raw = await framesUpstream([HEAD, ...data, END, GOAWAY], [], true);
    declare(raw.address);
    const response = await get();
    await waitFor(() => raw.sockets.size === 0 || [...raw.sockets].every(({ writableFinished }) => writableFinished), {
      describe: 'its end',
    });
    expect((await response.arrayBuffer()).byteLength).toBe(48_000);
    await raw.close();
  });

  it('says goodbye: what is under way ends, and what comes next goes over a new connection', async () => {
    await start();
    let finish = () => undefined as void;
    sandbox.handle = (stream, path) => {
      stream.respond({ ':status': 200 });
      if (path === '/slow') finish = () => void stream.end('slow');
      else stream.end('quick');
    };
    const slow = await get('/proxy/s1/slow');
    for (const session of sandbox.sessions) session.goaway(constants.NGHTTP2_NO_ERROR);
    await waitFor(async () => (await (await get()).text()) === 'quick' && sandbox.connections === 2, { describe: 'a new connection' });
    finish();
    expect(await slow.text()).toBe('slow');
    await waitFor(() => proxy.plane.held.upstreams === 1, { describe: 'the old connection to be gone' });
  });

  it('is asked again what it has refused to look at, and only that', async () => {
    await start();
    const refuseOnce = (stream: ServerHttp2Stream) => {
      stream.close(constants.NGHTTP2_REFUSED_STREAM);
      sandbox.handle = (next) => {
        next.respond({ ':status': 200 });
        next.end('second');
      };
    };
    sandbox.handle = refuseOnce;
    expect(await (await get()).text()).toBe('second');
    sandbox.handle = refuseOnce;
    const posted = await get('/proxy/s1/', { method: 'POST', body: 'x' });
    expect([posted.status, posted.headers.get('retry-after')]).toEqual([503, '1']);
    expect(sandbox.asked).toHaveLength(3);
  });

  it('gets no more requests at a time on a connection than it allows', async () => {
    await start({}, { settings: { maxConcurrentStreams: 2 } });
    const finish: (() => void)[] = [];
    sandbox.handle = (stream) => {
      stream.respond({ ':status': 200 });
      finish.push(() => stream.end('ok'));
    };
    const answers = Array.from({ length: 5 }, () => get());
    await waitFor(() => finish.length === 5, { describe: 'all of them to arrive' });
    expect(sandbox.connections).toBe(3);
    for (const each of finish) each();
    for (const answer of await Promise.all(answers)) expect(await answer.text()).toBe('ok');
  });

  it('is waited for no longer, and by no more, than is set', async () => {
    await start({ h2c: { maxSessions: 1, maxWaiting: 1, waitTimeoutMs: 100 } }, { settings: { maxConcurrentStreams: 1 } });
    sandbox.handle = (stream) => stream.respond({ ':status': 200 });
    const first = await get();
    const [second, third] = await Promise.all([get(), get()]);
    expect([second.status, third.status]).toEqual([503, 503]);
    sandbox.asked[0]!.stream.end();
    await first.text();
    sandbox.handle = (stream) => stream.respond({ ':status': 200 }, { endStream: true });
    expect((await get()).status).toBe(200);
  });

  it('that has gone without a word is found out by a ping, and dialled anew', async () => {
    await start({ h2c: { quietMs: 50, pingTimeoutMs: 100 } });
    let silent = false;
    const relay = await relayTo(port, () => silent);
    declare(relay.address);
    expect((await get()).status).toBe(200);
    silent = true;
    await waitFor(() => relay.quietFor() > 60, { describe: 'the connection to be quiet' });
    expect((await get()).status).toBe(200);
    expect(relay.connections).toBe(2);
    await relay.close();
  });

  it('that goes without a word in the middle of an answer is found out as well, after longer', async () => {
    await start({ h2c: { keepAliveMs: 50, pingTimeoutMs: 50, sweepIntervalMs: 20 } });
    let silent = false;
    const relay = await relayTo(port, () => silent);
    declare(relay.address);
    sandbox.handle = (stream) => {
      stream.respond({ ':status': 200 });
      stream.write('begun');
    };
    const response = await get();
    silent = true;
    await expect(response.text()).rejects.toThrow();
    expect(proxy.records).toMatchObject([{ code: 'SANDBOX_UNREACHABLE' }]);
    await relay.close();
  });

  it.each(['HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok', 'SSH-2.0-x\r\n'])(
    'that speaks %j in truth is answered 502, and says so in the record',
    async (said) => {
      await start();
      const other = await rawUpstream((socket) => socket.write(said));
      declare(other.address);
      expect((await get()).status).toBe(502);
      expect(proxy.records).toMatchObject([{ code: 'SANDBOX_UNREACHABLE', reason: expect.stringContaining('does not speak HTTP/2') }]);
      expect(proxy.plane.held.upstreams).toBe(0);
      await other.close();
    },
  );

  it('is dialled under the same rules as any other', async () => {
    await start({ sandboxes: { allowLoopback: false } });
    expect((await get()).status).toBe(502);
    expect(sandbox.connections).toBe(0);
    expect(proxy.records[0]!.reason).toContain('never dialled');
  });

  it('takes no WebSockets, and says so', async () => {
    await start();
    const upgrade = `GET /proxy/s1/ HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${KEY}`;
    expect(await sendRaw(proxy.port, lines(upgrade))).toMatchObject({ status: 400, text: expect.stringContaining('declared as h2c') });
    expect(sandbox.connections).toBe(0);
  });

  it('has to begin its answer in time', async () => {
    await start({ responseTimeoutMs: 100, h2c: { sweepIntervalMs: 20 } });
    sandbox.handle = () => undefined;
    expect((await get()).status).toBe(504);
    await waitFor(() => sandbox.asked[0]!.stream.closed, { describe: 'the stream to be cancelled' });
  });

  it('is told to go when nobody has asked it for long', async () => {
    await start({ h2c: { idleTimeoutMs: 50, sweepIntervalMs: 20 } });
    expect((await get()).status).toBe(200);
    await waitFor(() => sandbox.sessions.size === 0 && proxy.plane.held.upstreams === 0, { describe: 'the connection to be closed' });
  });
});

/** Passes bytes on to a port, and nothing at all of its first connection once it is told to be silent. */
async function relayTo(port: number, isSilent: () => boolean) {
  const upstreams: ReturnType<typeof connectTcp>[] = [];
  let passedAt = performance.now();
  const relay = createTcpServer((socket) => {
    const upstream = connectTcp(port, '127.0.0.1');
    const first = upstreams.push(upstream) === 1;
    const pass = (to: ReturnType<typeof connectTcp>) => (data: Buffer) => {
      if (first && isSilent()) return;
      passedAt = performance.now();
      to.write(data);
    };
    socket.on('data', pass(upstream)).on('error', () => upstream.destroy()).on('close', () => upstream.destroy()); // prettier-ignore
    upstream.on('data', pass(socket)).on('error', () => socket.destroy()).on('close', () => socket.destroy()); // prettier-ignore
  });
  await new Promise<void>((done) => relay.listen(0, '127.0.0.1', done));
  return {
    address: `127.0.0.1:${(relay.address() as AddressInfo).port}`,
    get connections() {
      return upstreams.length;
    },
    quietFor: () => performance.now() - passedAt,
    close: () => {
      for (const upstream of upstreams) upstream.destroy();
      return new Promise((done) => relay.close(done));
    },
  };
}
