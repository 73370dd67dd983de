import { once } from 'node:events';
import { request as overHttp, type IncomingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import { previewLabel, type RoutePreview } from '@sandlot/contracts';
import { newId } from '@sandlot/kernel';
import { signPass } from '@sandlot/service-kit';
import { waitFor } from '@sandlot/testing';
import { WebSocket, WebSocketServer } from 'ws';
import { httpUpstream, sendRaw, type HttpServer } from './testing/raw-peers.js';
import { startProxy, type ProxyUnderTest } from './testing/proxy-under-test.js';

const key = 'a key for tests, thirty-two characters and more';
const hostOf = (sandbox: string, username = 'alice', port = 8888) => `${previewLabel({ port, sandbox, username })}.previews.example`;
const HOST = hostOf('s1');
const ORIGIN = `https://${HOST}`;

interface Received {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

describe('previews', () => {
  let proxy: ProxyUnderTest;
  let upstream: HttpServer;
  let echo: WebSocketServer;
  let answerWith: Record<string, string | string[]>;
  let shown: RoutePreview;
  let everybody: RoutePreview;

  beforeAll(async () => {
    upstream = await httpUpstream((request, response) => {
      if (request.url === '/slow') return void response.writeHead(200).write('begun');
      response.writeHead(200, { 'content-type': 'application/json', ...answerWith });
      response.end(JSON.stringify({ url: request.url, headers: request.headers }));
    });
    echo = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    await once(echo, 'listening');
  });

  beforeEach(async () => {
    proxy = await startProxy({ previews: { domain: 'previews.example', key } });
    answerWith = {};
    const preview = (changes: Partial<RoutePreview>): RoutePreview => ({
      id: newId('prv'),
      port: 8888,
      public: false,
      expiresAt: new Date(Date.now() + 60_000).toISOString(),
      ...changes,
    });
    shown = preview({});
    everybody = preview({ port: 3000, public: true });
    const ports = [
      { port: 8888, address: upstream.address },
      { port: 3000, address: upstream.address },
      { port: 9000, address: `127.0.0.1:${(echo.address() as { port: number }).port}` },
    ];
    proxy.directory.addSandbox('alice', 's1', '', { ports, previews: [shown, everybody, preview({ port: 9000 })] });
  });

  afterEach(() => proxy.close());
  afterAll(async () => {
    for (const client of echo.clients) client.terminate();
    echo.close();
    await upstream.close();
  });

  const send = (path: string, headers: Record<string, string> = {}, { host = HOST, method = 'GET' } = {}) =>
    new Promise<Received>((done, failed) => {
      const asking = overHttp(
        { port: proxy.port, host: '127.0.0.1', path, method, headers: { host, ...headers }, agent: false },
        (response) => {
          let body = '';
          response.on('data', (bytes: Buffer) => (body += bytes.toString()));
          response.on('end', () => done({ status: response.statusCode!, headers: response.headers, body })).on('error', failed);
        },
      );
      asking.on('error', failed).end();
    });
  const pass = (kind: 'link' | 'cookie', { id, expiresAt } = shown, host = HOST) =>
    signPass(kind, { previewId: id, expiresAt: Math.ceil(Date.parse(expiresAt) / 1000) }, host, key);
  const cookie = (preview = shown, host = HOST) => ({ cookie: `__Host-sandlot-preview=${pass('cookie', preview, host)}` });
  const codeOf = ({ status, body }: Received) => [status, JSON.parse(body).code];

  it('S2-28 are opened by a link, which becomes a cookie of that host alone and goes away', async () => {
    const opened = await send(`/app?x=1&sandlot-preview=${pass('link')}`);
    expect([opened.status, opened.headers.location, opened.headers['cache-control']]).toEqual([303, `${ORIGIN}/app?x=1`, 'no-store']);
    const [set] = opened.headers['set-cookie']!;
    expect(set).toMatch(/^__Host-sandlot-preview=prv_\w+\.\d+\.[\w-]{43}; Path=\/; Secure; HttpOnly; SameSite=Lax; Max-Age=(?:59|6[01])$/);
    const page = await send('/app?x=1', { cookie: set!.split(';')[0]! });
    expect([page.status, JSON.parse(page.body).url]).toEqual([200, '/app?x=1']);
    expect(proxy.records).toMatchObject([
      { status: 303, sandbox: 's1', path: '/app' },
      { status: 200, username: 'alice', keyId: shown.id, sandbox: 's1' },
    ]);
  });

  it('lead nobody elsewhere when a link is opened', async () => {
    expect((await send(`//evil.example/?sandlot-preview=${pass('link')}`)).headers.location).toBe(`${ORIGIN}//evil.example/`);
  });

  it('take API keys of the owner and of administrators, at any declared port', async () => {
    const keys: Record<string, string>[] = [{ authorization: `Bearer ${proxy.alice}` }, { 'x-api-key': proxy.root }];
    for (const headers of keys) expect((await send('/', headers)).status).toBe(200);
    expect(codeOf(await send('/', { 'x-api-key': proxy.bob }))).toEqual([404, 'SANDBOX_NOT_FOUND']);
    expect(codeOf(await send('/', { 'x-api-key': proxy.alice }, { host: hostOf('s1', 'alice', 1234) }))).toEqual([404, 'NOT_FOUND']);
  });

  it('let everybody in where the owner has said so, and only there', async () => {
    expect((await send('/', {}, { host: hostOf('s1', 'alice', 3000) })).status).toBe(200);
    expect(codeOf(await send('/'))).toEqual([401, 'UNAUTHENTICATED']);
  });

  it.each<[string, () => [string, Record<string, string>?, string?]]>([
    ['no credentials', () => ['/']],
    ['a link that is none', () => ['/?sandlot-preview=x']],
    ['a cookie as a link', () => [`/?sandlot-preview=${pass('cookie')}`]],
    ['a link as a cookie', () => ['/', { cookie: `__Host-sandlot-preview=${pass('link')}` }]],
    ['the cookie of another host', () => ['/', cookie(shown, hostOf('s2'))]],
    ['a cookie for another port', () => ['/', cookie(shown), hostOf('s1', 'alice', 9000)]],
    ['an expired link', () => [`/?sandlot-preview=${pass('link', { ...shown, expiresAt: new Date(Date.now() - 1000).toISOString() })}`]],
    ['a link to a preview that is not open', () => [`/?sandlot-preview=${pass('link', { ...shown, id: newId('prv') })}`]],
    ['no sandbox of that name', () => ['/', {}, hostOf('nothing')]],
  ])('with %s are refused with 401', async (_, how) => {
    const [path, headers, host] = how();
    expect(codeOf(await send(path, headers, { host }))).toEqual([401, 'UNAUTHENTICATED']);
  });

  it.each(['previews.example', 'x.previews.example', '8888-S1-alice.previews.example', '8888-s1--alice.previews.example', '8888-s1-alice.previews.example.'])(
    'serve nothing of the API at %s, nor of a sandbox',
    async (host) => {
      for (const path of ['/', '/health', '/api/v1/me', '/proxy/s1/', '/openapi.json'])
        expect(codeOf(await send(path, { 'x-api-key': proxy.alice }, { host }))).toEqual([404, 'NOT_FOUND']);
    },
  ); // prettier-ignore

  it('give every path to the sandbox, that of the API and of tunnels too', async () => {
    for (const path of ['/api/v1/me', '/health', '/proxy/s2/x', '/a/../b%2f?q=%20', '/v1/sessions/s1/tunnel'])
      expect(JSON.parse((await send(path, cookie())).body).url).toBe(path);
    const connecting = await sendRaw(proxy.port, `CONNECT s1:8888 HTTP/1.1\r\nHost: ${HOST}\r\nX-API-Key: ${proxy.alice}\r\n\r\n`);
    expect(connecting.status).toBe(400);
  });

  it('show the sandbox its own cookies and credentials, and never ours', async () => {
    const ours = cookie().cookie;
    const { headers } = JSON.parse((await send('/', { cookie: `a=1; ${ours}; b=2`, authorization: 'Basic YTpi' })).body);
    expect(headers).toMatchObject({ host: HOST, cookie: 'a=1; b=2', authorization: 'Basic YTpi' });
    const byKey = JSON.parse((await send('/', { cookie: `a=1; ${ours}`, authorization: `Bearer ${proxy.alice}` })).body);
    expect(byKey.headers.cookie).toBe('a=1');
    expect(JSON.stringify(byKey)).not.toMatch(/slk_|prv_/);
  });

  it('keep a sandbox’s cookies on its own host, and none may pass for ours', async () => {
    answerWith = {
      'set-cookie': ['a=1; Domain=previews.example; Path=/', 'b=2; domain = .previews.example', 'c=3', '__Host-sandlot-preview=x; Path=/; Secure', '__host-SANDLOT-x=y'],
      'clear-site-data': '"cookies"', 'alt-svc': 'h3=":443"', 'strict-transport-security': 'max-age=1; includeSubDomains', 'service-worker-allowed': '/',
    }; // prettier-ignore
    const { headers } = await send('/', cookie());
    expect(headers['set-cookie']).toEqual(['a=1; Path=/', 'b=2', 'c=3']);
    expect(Object.keys(headers)).not.toEqual(expect.arrayContaining(['clear-site-data']));
    for (const name of ['clear-site-data', 'alt-svc', 'strict-transport-security', 'content-security-policy'])
      expect(headers[name]).toBeUndefined();
    expect([headers['service-worker-allowed'], headers['origin-agent-cluster']]).toEqual(['/', '?1']);
  });

  it('are not at the disposal of other pages, by the cookie that a browser sends for them', async () => {
    const other = `https://${hostOf('s2')}`;
    const signs: Record<string, string>[] = [
      { origin: other },
      { 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'image' },
    ];
    for (const headers of signs) expect(codeOf(await send('/', { ...cookie(), ...headers }))).toEqual([403, 'FORBIDDEN']);
    expect((await send('/', { ...cookie(), origin: ORIGIN, 'sec-fetch-site': 'same-origin' }, { method: 'POST' })).status).toBe(200);
    expect((await send('/', { 'x-api-key': proxy.alice, origin: other }, { method: 'POST' })).status).toBe(200);
  });

  it('wake nothing for guests, and say that the sandbox sleeps', async () => {
    proxy.directory.changeRoute('alice', 's1', { state: 'paused', ports: [] });
    expect(codeOf(await send('/', cookie()))).toEqual([503, 'SANDBOX_NOT_READY']);
    expect(codeOf(await send('/'))).toEqual([401, 'UNAUTHENTICATED']);
  });

  it('accept no cookie at the address of the API', async () => {
    expect(codeOf(await send('/proxy/s1/', cookie(), { host: 'sandlot.example' }))).toEqual([401, 'UNAUTHENTICATED']);
  });

  const openSocket = async (headers: Record<string, string>) => {
    const host = hostOf('s1', 'alice', 9000);
    const [, , third] = proxy.directory.routes.get('alice.s1')!.previews!;
    const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}/`, { headers: { host, ...cookie(third, host), ...headers } });
    socket.on('error', () => undefined);
    const opened = once(socket, 'open').then(() => 101);
    const refused = once(socket, 'unexpected-response').then(([, response]) => (response as { statusCode: number }).statusCode);
    return { socket, status: await Promise.race([opened, refused]) };
  };

  it('open WebSockets for their own pages only', async () => {
    const own = `https://${hostOf('s1', 'alice', 9000)}`;
    expect((await openSocket({ origin: ORIGIN })).status).toBe(403);
    expect((await openSocket({})).status).toBe(403);
    const { socket, status } = await openSocket({ origin: own });
    expect(status).toBe(101);
    socket.terminate();
  });

  const endings: [string, () => void][] = [
    ['the preview is revoked', () => proxy.directory.changeRoute('alice', 's1', { previews: [] })],
    ['the sandbox is paused', () => proxy.directory.changeRoute('alice', 's1', { state: 'pausing', ports: [] })],
    ['the sandbox is deleted', () => proxy.directory.changeRoute('alice', 's1', undefined)],
    ['their owner is disabled', () => proxy.directory.changeUser('alice', { status: 'disabled' })],
  ];

  it.each(endings)('end within a second when %s', async (_, end) => {
    const { socket } = await openSocket({ origin: `https://${hostOf('s1', 'alice', 9000)}` });
    const closed = once(socket, 'close');
    const slow = connect(proxy.port, '127.0.0.1').on('error', () => undefined);
    let text = '';
    slow.on('data', (bytes: Buffer) => (text += bytes.toString()));
    slow.write(`GET /slow HTTP/1.1\r\nHost: ${HOST}\r\nCookie: ${cookie().cookie}\r\n\r\n`);
    await waitFor(() => text.includes('begun'), { describe: 'the long answer to begin' });
    end();
    expect(((await closed) as [number])[0]).toBe(1008);
    await waitFor(() => slow.closed, { describe: 'the long answer to be cut' });
    expect((await send('/', cookie())).status).not.toBe(200);
    await waitFor(() => proxy.directory.listening === 0 && proxy.plane.held.places === 0, { describe: 'nothing to be watched any more' });
  });
});

describe('without a domain for them, previews', () => {
  it('are not there: every host is the API’s', async () => {
    const proxy = await startProxy();
    proxy.directory.addSandbox('alice', 's1', '127.0.0.1:1');
    const answer = await sendRaw(proxy.port, `GET /nothing HTTP/1.1\r\nHost: ${HOST}\r\nConnection: close\r\n\r\n`);
    expect(answer.text).toContain('Nothing is served at this path');
    await proxy.close();
  });
});
