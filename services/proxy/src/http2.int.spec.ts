import { once } from 'node:events';
import { connect, constants, type ClientHttp2Session, type ClientHttp2Stream, type OutgoingHttpHeaders } from 'node:http2';
import { connect as connectTls } from 'node:tls';
import { certificateAuthority } from '@sandlot/testbed';
import { waitFor } from '@sandlot/testing';
import { CertificateRule } from './client-certificate.js';
import { startProxy, type ProxyUnderTest } from './testing/proxy-under-test.js';
import { rawUpstream, type RawServer } from './testing/raw-peers.js';

const authority = certificateAuthority('authority');
const { certificate: cert, key } = authority.issue({ commonName: 'sandlot', names: ['127.0.0.1'] });
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

describe('over HTTP/2', () => {
  let proxy: ProxyUnderTest;
  let sandbox: RawServer;
  let session: ClientHttp2Session;
  let answer: string | ((text: string) => string);

  beforeEach(async () => {
    answer = OK;
    const tls = { credentials: { cert, key, ca: authority.certificate }, clients: new CertificateRule('CN={username}') };
    proxy = await startProxy({ tls });
    sandbox = await rawUpstream((socket, text) => {
      const said = typeof answer === 'function' ? answer(text) : text.endsWith('\r\n\r\n') ? answer : '';
      if (said) socket.write(said, 'latin1');
    });
    proxy.directory.addSandbox('alice', 's1', sandbox.address);
    session = open();
  });

  afterEach(async () => {
    session.destroy();
    await proxy.close();
    await sandbox.close();
  });

  const open = (options: object = {}) => connect(proxy.url, { ca: authority.certificate, ...options }).on('error', () => undefined);
  const head = (headers: OutgoingHttpHeaders = {}) => ({ ':path': '/proxy/s1/', 'x-api-key': proxy.alice, ...headers });
  const read = async (stream: ClientHttp2Stream) => {
    const answered = { status: 0, headers: {} as Record<string, unknown>, text: '', trailers: {} as Record<string, unknown>, rst: 0 };
    stream.on('response', (headers) => Object.assign(answered, { status: headers[':status'], headers }));
    stream.on('trailers', (trailers) => (answered.trailers = trailers));
    stream.on('data', (bytes: Buffer) => (answered.text += bytes.toString('latin1')));
    stream.on('error', () => undefined);
    await new Promise((done) => stream.once('close', done));
    return Object.assign(answered, { rst: stream.rstCode });
  };
  const ask = (headers: OutgoingHttpHeaders = {}, body?: string | Buffer, from = session) => {
    const stream = from.request(head(headers), { endStream: body === undefined });
    if (body !== undefined) stream.end(body);
    return read(stream);
  };

  it('serves what it serves over HTTP/1.1, on one connection side by side (S0-59)', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => ask({ ':path': `/proxy/s1/${i}`, accept: 'a' })));
    for (const { status, text, headers } of answers)
      expect([status, text, headers['x-request-id']]).toEqual([200, 'ok', expect.any(String)]);
    expect(sandbox.received[0]).toMatch(/^GET \/\d+ HTTP\/1\.1\r\nHost: 127\.0\.0\.1:\d+\r\naccept: a\r\n/);
    expect(sandbox.received.join('')).not.toMatch(/slk_|\r\n:/);
    expect(sandbox.received[0]).toContain('x-forwarded-proto: https\r\n');
    expect(proxy.records).toHaveLength(20);
    expect(proxy.plane.held.clients).toBe(1);
  });

  it('is signed in by a client certificate as well', async () => {
    const alice = authority.issue({ commonName: 'alice' });
    const other = open({ cert: alice.certificate, key: alice.key });
    expect(await ask({ 'x-api-key': undefined }, undefined, other)).toMatchObject({ status: 200 });
    other.destroy();
    expect(await ask({ 'x-api-key': undefined })).toMatchObject({ status: 401, headers: { 'content-type': 'application/problem+json' } });
  });

  it('passes bodies both ways, with their length or in chunks, and trailers', async () => {
    answer = (text) =>
      text.endsWith('x-sum: 1\r\n\r\n')
        ? 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\nX-Sum: 8\r\n\r\n'
        : '';
    const stream = session.request(head({ ':method': 'POST' }), { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '1', 'x-api-key': 'canary' }));
    stream.end('hello');
    expect(await read(stream)).toMatchObject({ status: 200, text: 'ok', trailers: { 'x-sum': '7, 8' } });
    expect(sandbox.received[0]).toMatch(/\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n$/);

    answer = (text) => (text.endsWith('world') ? OK : '');
    expect(await ask({ ':method': 'PUT', 'content-length': 5 }, 'world')).toMatchObject({ status: 200 });
    expect(sandbox.received.join('')).toMatch(/\r\ncontent-length: 5\r\n\r\nworld$/);
  });

  it.each([
    ['HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n', 200],
    ['GET', 'HTTP/1.1 204 No Content\r\n\r\n', 204],
    ['GET', 'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\n\r\n', 304],
  ])('ends %s answered %j where it ends', async (method, said, status) => {
    answer = said;
    expect(await ask({ ':method': method })).toMatchObject({ status, text: '', rst: constants.NGHTTP2_NO_ERROR });
  });

  it('passes repeated fields on, and none that belong to the other connection', async () => {
    answer =
      'HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nVary: a\r\nVary: b\r\nAge: 1\r\nAge: 2\r\nHTTP2-Settings: x\r\nContent-Length: 0\r\n\r\n';
    const { status, headers } = await ask();
    expect([status, headers.vary, headers['x-hop'], headers['keep-alive'], headers['http2-settings']]).toEqual([
      200,
      'a, b',
      undefined,
      undefined,
      undefined,
    ]);
  });

  it('answers 100-continue when the sandbox does', async () => {
    answer = (text) => (text.endsWith('\r\n\r\n') ? 'HTTP/1.1 100 Continue\r\n\r\n' : text.endsWith('later') ? OK : '');
    const stream = session.request(head({ ':method': 'POST', expect: '100-continue', 'content-length': 5 }));
    const answered = read(stream);
    await once(stream, 'continue');
    stream.end('later');
    expect(await answered).toMatchObject({ status: 200 });
  });

  describe('refuses, and forwards nothing of', () => {
    it.each<[string, OutgoingHttpHeaders, number]>([
      ['a Host that is not the :authority', { ':authority': 'a.example', host: 'b.example' }, 400],
      ['another scheme', { ':scheme': 'http' }, 400],
      ['a method that nobody knows', { ':method': 'GOT' }, 400],
      ['a path out of its sandbox', { ':path': '/proxy/../api' }, 400],
      ['a backslash', { ':path': '/proxy/s1\\..\\x' }, 400],
      ['no key', { 'x-api-key': undefined }, 401],
      ['two credentials', { authorization: 'Bearer x' }, 400],
      ['another sandbox', { ':path': '/proxy/other/' }, 404],
      ['TRACE', { ':method': 'TRACE' }, 405],
      ['a head of more than 16 KiB', { 'x-long': 'x'.repeat(17_000) }, 431],
      ['more than 100 fields', Object.fromEntries(Array.from({ length: 105 }, (_, i) => [`x-${i}`, '1'])), 431],
    ])('%s (S0-59)', async (_, headers, status) => {
      expect(await ask(headers)).toMatchObject({ status, headers: { 'content-type': 'application/problem+json' } });
      expect(sandbox.received).toEqual([]);
      expect(proxy.records).toEqual([expect.objectContaining({ status })]);
    });

    it('an :authority with credentials, without a word', async () => {
      expect(await ask({ ':authority': 'a@b.example' })).toMatchObject({ status: 0, rst: constants.NGHTTP2_PROTOCOL_ERROR });
      expect(sandbox.received).toEqual([]);
    });

    it('CONNECT, for which there is HTTP/1.1', async () => {
      const stream = session.request({ ':method': 'CONNECT', ':authority': 's1:8888', 'x-api-key': proxy.alice });
      expect(await read(stream)).toMatchObject({ status: 405 });
    });

    it('what is longer or shorter than its length, which would be taken for another request', async () => {
      answer = () => '';
      for (const body of ['12345GET /smuggled HTTP/1.1\r\n\r\n', '12']) {
        const { status } = await ask({ ':method': 'POST', 'content-length': 5 }, body);
        expect(status).toBe(0);
      }
      expect(sandbox.received.join('')).not.toContain('smuggled');
      await waitFor(() => sandbox.sockets.size === 0, { describe: 'both requests to be broken off' });
    });

    it('HTTP/2 without TLS', async () => {
      const plain = await startProxy();
      const other = connect(plain.url);
      const [error] = (await once(other, 'error')) as [Error];
      expect(error).toBeDefined();
      await plain.close();
    });
  });

  it('passes a cancellation on, and only that one', async () => {
    answer = () => '';
    const [one, two] = [session.request(head({ ':path': '/proxy/s1/one' })), session.request(head({ ':path': '/proxy/s1/two' }))];
    const [first, second] = [read(one), read(two)];
    await waitFor(() => sandbox.sockets.size === 2 && sandbox.received.every((text) => text.endsWith('\r\n\r\n')));
    one.close(constants.NGHTTP2_CANCEL);
    await first;
    await waitFor(() => sandbox.sockets.size === 1, { describe: 'the sandbox to see the end of one' });
    for (const socket of sandbox.sockets) socket.write(OK);
    expect(await second).toMatchObject({ status: 200 });
    expect(proxy.records.map(({ path, status }) => [path, status])).toEqual([['/proxy/s1/one', 499], ['/proxy/s1/two', 200]]);
  }); // prettier-ignore

  it('never ends an upload that was broken off as if it were complete', async () => {
    answer = () => '';
    // By hand, for node:http2's client ends what it resets.
    const client = connectTls({ port: proxy.port, host: '127.0.0.1', ca: authority.certificate, ALPNProtocols: ['h2'] });
    await once(client, 'secureConnect');
    const fields = { ':method': 'POST', ':scheme': 'https', ':authority': 'x', ':path': '/proxy/s1/', 'x-api-key': proxy.alice };
    const literals = Object.entries(fields).map(
      ([name, value]) => `\0${String.fromCharCode(name.length)}${name}${String.fromCharCode(value.length)}${value}`,
    );
    client.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    client.write(Buffer.concat([frame(SETTINGS, 0, ''), frame(HEADERS, 1, literals.join('')), frame(DATA, 1, 'half')]));
    await waitFor(() => sandbox.received[0]?.endsWith('4\r\nhalf\r\n'));
    client.write(frame(RST_STREAM, 1, '\0\0\0\x08'));
    await waitFor(() => sandbox.sockets.size === 0, { describe: 'the sandbox to see the end' });
    expect(sandbox.received[0]).toMatch(/half\r\n$/);
    expect(proxy.records).toEqual([expect.objectContaining({ status: 499 })]);
    client.destroy();
  });

  it('breaks an answer off that the sandbox breaks off, and nothing else', async () => {
    const answered = ask();
    answer = '';
    await waitFor(() => sandbox.received.length === 1);
    for (const socket of sandbox.sockets) socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf');
    expect(await answered).toMatchObject({ status: 200, text: 'half', rst: constants.NGHTTP2_INTERNAL_ERROR });
    answer = OK;
    expect(await ask()).toMatchObject({ status: 200 });
  });

  it('answers early, and lets the rest of the body go', async () => {
    const stream = session.request(head({ ':method': 'POST', 'x-api-key': 'nonsense' }));
    const answered = read(stream);
    stream.write('x'.repeat(100_000));
    expect(await answered).toMatchObject({ status: 401, rst: constants.NGHTTP2_NO_ERROR });
    expect((await ask()).status).toBe(200);
  });

  it('waits for a client that reads slowly instead of keeping what it has not read', async () => {
    const size = 32 * 1024 * 1024;
    let sent = 0;
    answer = '';
    const stream = session.request(head());
    await waitFor(() => sandbox.received[0]?.endsWith('\r\n\r\n'));
    const [socket] = sandbox.sockets;
    socket!.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
    const more = () => {
      while (sent < size) {
        sent += 65_536;
        if (!socket!.write(Buffer.alloc(65_536, 'x'))) return void socket!.once('drain', more);
      }
    };
    more();
    await once(stream, 'response');
    let last = -1;
    await waitFor(() => last === (last = sent), { describe: 'the sandbox to be held up', every: 200 });
    expect(sent).toBeLessThan(size);
    let length = 0;
    stream.on('data', (bytes: Buffer) => (length += bytes.length));
    await once(stream, 'end');
    expect(length).toBe(size);
  });

  it('ends for whoever is revoked, while the connection’s other streams go on', async () => {
    answer = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nevent\r\n';
    proxy.directory.addSandbox('bob', 's2', sandbox.address);
    const [alice, bob] = [session.request(head()), session.request(head({ ':path': '/proxy/s2/', 'x-api-key': proxy.bob }))];
    const ended = read(alice);
    const going = read(bob);
    await Promise.all([once(alice, 'data'), once(bob, 'data')]);
    proxy.directory.changeKey(proxy.alice, { status: 'revoked' });
    expect(await ended).toMatchObject({ status: 200, text: 'event', rst: constants.NGHTTP2_INTERNAL_ERROR });
    expect(bob.closed).toBe(false);
    bob.close();
    await going;
  });

  it('lets a client open so many streams at once and no more', async () => {
    await once(session, 'remoteSettings');
    expect(session.remoteSettings).toMatchObject({ maxConcurrentStreams: 100 });
  });

  it('ends a connection that does nothing but open and reset streams', async () => {
    answer = () => '';
    await once(session, 'connect');
    for (let round = 0; round < 20 && !session.closed && !session.destroyed; round++) {
      const streams = Array.from({ length: 50 }, () => session.request(head()).on('error', () => undefined));
      await new Promise<void>((done) => session.ping(() => done()));
      for (const stream of streams) stream.close(constants.NGHTTP2_CANCEL);
    }
    await waitFor(() => session.destroyed, { describe: 'the end of the connection' });
    await waitFor(() => proxy.plane.held.upstreams === 0 && proxy.plane.held.places === 0, { describe: 'nothing left of it' });
    const other = open();
    answer = OK;
    expect((await ask({}, undefined, other)).status).toBe(200);
    other.destroy();
  });

  it('tells a connection to go when the proxy stops, and lets its streams finish', async () => {
    answer = '';
    const answered = ask();
    await waitFor(() => sandbox.received[0]?.endsWith('\r\n\r\n'));
    const [goaway, closed] = [once(session, 'goaway'), proxy.plane.close({ graceMs: 5000 })];
    await goaway;
    for (const socket of sandbox.sockets) socket.write(OK);
    expect(await answered).toMatchObject({ status: 200, text: 'ok' });
    await closed;
    proxy.close = () => Promise.resolve();
  });

  it('closes a connection that has been idle for long', async () => {
    const other = await startProxy({ tls: { credentials: { cert, key } }, keepAliveTimeoutMs: 100 });
    const idle = connect(other.url, { ca: authority.certificate });
    await once(idle, 'close');
    await other.close();
  });
});

const [DATA, HEADERS, RST_STREAM, SETTINGS] = [0, 1, 3, 4];
const END_HEADERS = 4;

function frame(type: number, stream: number, payload: string): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.set([type, type === HEADERS ? END_HEADERS : 0], 3);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, Buffer.from(payload, 'latin1')]);
}
