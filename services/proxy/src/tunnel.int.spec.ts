import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { waitFor } from '@sandlot/testing';
import { startProxy, type ProxyUnderTest } from './testing/proxy-under-test.js';
import { sendRaw } from './testing/raw-peers.js';

const ESTABLISHED = /^HTTP\/1\.1 200 Connection Established\r\nx-request-id: req_\w{26}\r\n\r\n/;

describe('tunnels', () => {
  let proxy: ProxyUnderTest;
  let server: Server;
  let serve: (socket: Socket) => void;
  let accepted: Socket[];

  beforeEach(async () => {
    proxy = await startProxy({ tunnelIdleMs: 400 });
    accepted = [];
    serve = (socket) => void socket.on('data', (bytes) => socket.write(bytes)).on('end', () => socket.end());
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
  });

  afterEach(async () => {
    await proxy.close();
    for (const socket of accepted) socket.destroy();
    await new Promise((done) => server.close(done));
  });

  const request = (target: string, key = `Proxy-Authorization: Bearer ${proxy.alice}\r\n`, version = '1.1') =>
    `CONNECT ${target} HTTP/${version}\r\nHost: sandlot\r\n${key}\r\n`;

  /** An open tunnel, and what has come out of it. */
  const open = async (behind: string | Buffer = '', target = 's1:22') => {
    const socket = connect({ port: proxy.port, host: '127.0.0.1', allowHalfOpen: true });
    let text = '';
    socket.on('data', (data: Buffer) => (text += data.toString('latin1'))).on('error', () => undefined);
    socket.write(Buffer.concat([Buffer.from(request(target)), Buffer.from(behind)]));
    await waitFor(() => ESTABLISHED.test(text), { describe: 'the tunnel to be open' });
    return { socket, received: () => text.replace(ESTABLISHED, '') };
  };

  it.each(['s1:22', 's1:ssh', 's1.alice:22', '/v1/sessions/s1/tunnel', '/api/v1/sandboxes/s1/tunnel?port=22'])(
    'S4-05 CONNECT %s reaches a declared port of an own sandbox, and what is sent at once arrives',
    async (target) => {
      const { socket, received } = await open('hello', target);
      await waitFor(() => received() === 'hello', { describe: 'the echo' });
      socket.write('again');
      await waitFor(() => received() === 'helloagain', { describe: 'the second echo' });
      socket.end();
      await once(socket, 'end');
    },
  );

  it('take the key as clients of proxies send it, over HTTP/1.0 as well', async () => {
    const basic = `Proxy-Authorization: Basic ${Buffer.from(`alice:${proxy.alice}`).toString('base64')}\r\n`;
    for (const key of [basic, `Authorization: Bearer ${proxy.alice}\r\n`, `X-API-Key: ${proxy.alice}\r\n`])
      expect((await sendRaw(proxy.port, request('s1:22', key), (text) => ESTABLISHED.test(text))).status).toBe(200);
    const old = await sendRaw(proxy.port, `CONNECT s1:22 HTTP/1.0\r\n${basic}\r\n`, (text) => ESTABLISHED.test(text));
    expect(old.status).toBe(200);
  });

  it.each([
    ['without a key', 's1:22', '', 407, 'UNAUTHENTICATED'],
    ['with a key that is none', 's1:22', 'Proxy-Authorization: Bearer no\r\n', 407, 'UNAUTHENTICATED'],
    ['to a sandbox that does not exist', 's2:22', undefined, 404, 'SANDBOX_NOT_FOUND'],
    ['to somebody else’s sandbox', 'b1.bob:22', undefined, 404, 'SANDBOX_NOT_FOUND'],
    ['to a port that is not declared', 's1:23', undefined, 403, 'FORBIDDEN'],
    ['to a port that nothing listens on', 's1:8888', undefined, 502, 'SANDBOX_UNREACHABLE'],
    ['to a sandbox that is paused', 'nap:22', undefined, 503, 'SANDBOX_NOT_READY'],
    ['to the API', '/api/v1/me', undefined, 405, 'METHOD_NOT_ALLOWED'],
    ['to an address', '169.254.169.254:80', undefined, 400, 'MALFORMED_REQUEST'],
    ['with a body', 's1:22', 'Content-Length: 3\r\n', 400, 'MALFORMED_REQUEST'],
  ])('S4-05 %s are refused', async (_, target, key, status, code) => {
    proxy.directory.addSandbox('bob', 'b1', '127.0.0.1:1');
    proxy.directory.addSandbox('alice', 'nap', '', { state: 'paused', ports: [] });
    const answer = await sendRaw(proxy.port, request(target, key));
    const [head, body] = answer.text.split('\r\n\r\n');
    expect([answer.status, answer.ended, JSON.parse(body!)]).toMatchObject([status, 'end', { code, status }]);
    if (status === 407) expect(head).toMatch(/proxy-authenticate: Basic realm="sandlot", Bearer realm="sandlot"/);
    if (status === 503) expect(head).toMatch(/retry-after: /);
    expect(head).not.toMatch(/www-authenticate/);
    expect(proxy.records).toMatchObject([{ kind: 'tunnel', method: 'CONNECT', status, code }]);
  });

  it('let an administrator reach a sandbox of somebody else by its full name', async () => {
    const key = `Proxy-Authorization: Bearer ${proxy.root}\r\n`;
    expect((await sendRaw(proxy.port, request('s1.alice:22', key), (text) => ESTABLISHED.test(text))).status).toBe(200);
  });

  it.each(['client', 'sandbox'])('go on in one direction when the %s has ended the other', async (first) => {
    const { socket, received } = await open();
    await waitFor(() => accepted.length === 1);
    const [sandbox] = accepted;
    let arrived = '';
    sandbox!
      .removeAllListeners('data')
      .removeAllListeners('end')
      .on('data', (bytes: Buffer) => (arrived += bytes.toString()));
    if (first === 'client') {
      socket.end('last words');
      await once(sandbox!, 'end');
      expect(arrived).toBe('last words');
      sandbox!.end('still talking');
      await once(socket, 'end');
      expect(received()).toBe('still talking');
    } else {
      sandbox!.end('last words');
      await once(socket, 'end');
      expect(received()).toBe('last words');
      socket.end('still talking');
      await once(sandbox!, 'end');
      expect(arrived).toBe('still talking');
    }
  });

  it('take what a client sends and ends before the tunnel is open', async () => {
    const socket = connect({ port: proxy.port, host: '127.0.0.1', allowHalfOpen: true });
    let text = '';
    socket.on('data', (data: Buffer) => (text += data.toString()));
    socket.end(`${request('s1:22')}all at once`);
    await once(socket, 'end');
    expect(text.replace(ESTABLISHED, '')).toBe('all at once');
  });

  it('hold the sender back when the receiver does not read', async () => {
    serve = (socket) => void socket.pause();
    const { socket } = await open();
    const piece = Buffer.alloc(1_000_000);
    const grew = () => process.memoryUsage().external;
    const before = grew();
    for (let i = 0; i < 64; i++) socket.write(piece);
    await waitFor(() => accepted.length === 1 && socket.writableLength > 10_000_000, { describe: 'the kernel to take no more' });
    expect(grew() - before).toBeLessThan(16_000_000);
    socket.destroy();
  });

  it('pass a reset on as a reset', async () => {
    const { socket } = await open();
    await waitFor(() => accepted.length === 1);
    let code: unknown;
    accepted[0]!.on('error', (error: NodeJS.ErrnoException) => (code = error.code));
    socket.resetAndDestroy();
    await waitFor(() => code === 'ECONNRESET', { describe: 'the reset at the sandbox' });
  });

  it('are closed when nothing passes, and not while something does', async () => {
    const { socket } = await open();
    const started = performance.now();
    await once(socket, 'end');
    expect(performance.now() - started).toBeGreaterThan(300);
    await waitFor(() => proxy.records.length === 1, { describe: 'the record' });
    expect(proxy.records[0]!.reason).toMatch(/nothing passed for/);
  });

  it('S1-28 leave one record with what passed and who ended it', async () => {
    const { socket } = await open('hello');
    await waitFor(() => accepted.length === 1);
    socket.end();
    const record = await waitFor(() => proxy.records[0], { describe: 'the record' });
    expect(record).toMatchObject({
      kind: 'tunnel', method: 'CONNECT', path: 's1:22', status: 200, bytesIn: 5, bytesOut: 5, username: 'alice', sandbox: 's1',
      reason: 'the client closed the connection',
    }); // prettier-ignore
    expect(proxy.plane.held).toMatchObject({ openConnections: 0, upstreams: 0 });
  });

  it('free everything when the client goes before they are open', async () => {
    proxy.directory.slow = true;
    const socket = connect(proxy.port, '127.0.0.1');
    socket.write(request('s1:22'), () => socket.destroy());
    await waitFor(() => proxy.records.length === 1, { describe: 'the record' });
    await waitFor(() => proxy.plane.held.openConnections === 0 && proxy.plane.held.upstreams === 0, { describe: 'nothing held' });
  });

  it('wake a sandbox that sleeps', async () => {
    await proxy.close();
    const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    proxy = await startProxy({
      wake: {
        waker: {
          wake: async () => proxy.directory.changeRoute('alice', 'nap', { state: 'running', ports: [{ port: 22, address }] }),
        },
      },
    });
    proxy.directory.addSandbox('alice', 'nap', '', { state: 'paused', ports: [] });
    const { socket, received } = await open('awake?', 'nap:22');
    await waitFor(() => received() === 'awake?', { describe: 'the echo' });
    socket.destroy();
  });
});
