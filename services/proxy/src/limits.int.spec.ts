import { once } from 'node:events';
import { waitFor } from '@sandlot/testing';
import { WebSocket, WebSocketServer } from 'ws';
import { startProxy, type ProxyUnderTest } from './testing/proxy-under-test.js';
import { httpUpstream, rawUpstream, sendRaw, type HttpServer } from './testing/raw-peers.js';

describe('a user over a limit', () => {
  let proxy: ProxyUnderTest;
  let sandbox: HttpServer;
  let finish: (() => void)[];

  const start = async (limits: Parameters<typeof startProxy>[0]) => {
    finish = [];
    proxy = await startProxy(limits);
    sandbox = await httpUpstream((request, response) => {
      if (request.url === '/slow') finish.push(() => response.end());
      else response.end();
    });
    for (const name of ['alice', 'bob']) proxy.directory.addSandbox(name, 's1', sandbox.address);
  };
  afterEach(async () => {
    await proxy.close();
    await sandbox.close();
  });
  const get = (path: string, key = proxy.alice) => fetch(proxy.url + path, { headers: { 'x-api-key': key } });

  it('S1-27 of requests under way is answered 429 with when to come back, and others are not', async () => {
    await start({ limits: { requestsPerUser: 2 } });
    const slow = [get('/proxy/s1/slow'), get('/proxy/s1/slow')];
    await waitFor(() => finish.length === 2);
    const refused = await get('/proxy/s1/');
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1']);
    expect(refused.headers.get('ratelimit-policy')).toBe('"user-requests";q=2;qu="concurrent-requests"');
    expect(await refused.json()).toMatchObject({
      code: 'RATE_LIMITED',
      retryable: true,
      type: 'https://iana.org/assignments/http-problem-types#quota-exceeded',
      'violated-policies': ['user-requests'],
    });
    expect((await get('/api/v1/me')).status).toBe(429);
    expect((await get('/proxy/s1/', proxy.bob)).status).toBe(200);
    for (const each of finish) each();
    await Promise.all(slow);
    expect((await get('/proxy/s1/')).status).toBe(200);
    expect(proxy.plane.held.places).toBe(0);
    expect(proxy.records.filter(({ status }) => status === 429)).toMatchObject([{ code: 'RATE_LIMITED', username: 'alice' }, {}]);
  });

  it('S1-27 of WebSockets and tunnels is answered 429', async () => {
    await start({ limits: { connectionsPerUser: 1 } });
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    await once(server, 'listening');
    proxy.directory.addSandbox('alice', 'ws', `127.0.0.1:${(server.address() as { port: number }).port}`);
    const socket = new WebSocket(`ws://127.0.0.1:${proxy.port}/proxy/ws/`, { headers: { 'x-api-key': proxy.alice } });
    await once(socket, 'open');
    expect((await sendRaw(proxy.port, `CONNECT s1:8888 HTTP/1.1\r\nHost: x\r\nX-API-Key: ${proxy.alice}\r\n\r\n`)).status).toBe(429);
    expect((await get('/proxy/s1/')).status).toBe(200);
    socket.close();
    await waitFor(() => proxy.plane.held.places === 0, { describe: 'the place to be free' });
    server.close();
  });

  it('S0-58 of requests per second is answered 429', async () => {
    await start({ limits: { requestsPerSecondPerKey: 1 } });
    const answers = await Promise.all(Array.from({ length: 10 }, () => get('/proxy/s1/')));
    const refused = answers.filter(({ status }) => status === 429);
    const passed = answers.find(({ status }) => status === 200)!;
    expect([passed.headers.get('ratelimit-policy'), passed.headers.get('ratelimit')]).toEqual([
      '"key";q=2;w=2', expect.stringMatching(/^"key";r=[01];t=1$/),
    ]); // prettier-ignore
    expect(refused.length).toBeGreaterThanOrEqual(7);
    expect(refused[0]!.headers.get('ratelimit')).toBe('"key";r=0;t=1');
    expect((await get('/proxy/s1/', proxy.bob)).status).toBe(200);
  });

  it('S0-58 is told where it stands by the proxy as well, of what was counted and came to nothing', async () => {
    await start({ limits: { requestsPerSecondPerKey: 10 } });
    const [dead, closing] = [await rawUpstream(() => undefined), await rawUpstream((socket) => socket.destroy())];
    await dead.close();
    proxy.directory.addSandbox('alice', 'dead', dead.address);
    proxy.directory.addSandbox('alice', 'closing', closing.address);
    proxy.directory.addSandbox('alice', 'paused', '', { state: 'paused', ports: [] });
    const answers = [];
    for (const name of ['dead', 'closing', 'paused', 's1:1']) answers.push(await get(`/proxy/${name}/`));
    expect(answers.map(({ status }) => status)).toEqual([502, 502, 503, 404]);
    for (const { headers } of answers)
      expect([headers.get('ratelimit-policy'), headers.get('ratelimit')]).toEqual([
        '"key";q=20;w=2',
        expect.stringMatching(/^"key";r=\d+;t=\d+$/),
      ]);
    const tunnel = await sendRaw(proxy.port, `CONNECT dead:8888 HTTP/1.1\r\nHost: x\r\nX-API-Key: ${proxy.alice}\r\n\r\n`);
    expect(tunnel.text).toMatch(/^HTTP\/1\.1 502 [^]*\r\nratelimit: "key";r=\d+;t=\d+\r\n/);
    expect((await get('/proxy/none/')).headers.has('ratelimit')).toBe(false); // nothing was counted
    await closing.close();
  });

  it('S0-58 S1-27 is told what is in force, and whether it is so for everybody', async () => {
    await start({ limits: { requestsPerSecondPerUser: 50, requestsPerUser: 7 }, apiBodyLimit: 1000 });
    const { userId } = [...proxy.directory.users.values()].find(({ username }) => username === 'alice')!;
    proxy.directory.changeUser('alice', { limits: { requestsPerSecondPerKey: 5, connections: 0 } });
    expect(await proxy.plane.limitsOfUsers.of(userId)).toEqual({
      requestsPerSecond: { value: 50, burst: 100, source: 'default' },
      requestsPerSecondPerKey: { value: 5, burst: 10, source: 'override' },
      requestsPerSecondPerSandbox: { value: 0, burst: 0, source: 'default' },
      requestsUnderWay: { value: 7, source: 'default' },
      connections: { value: 0, source: 'override' },
      bodyBytes: { api: 1000, sandbox: null },
    });
    await expect(proxy.plane.limitsOfUsers.of('usr_none')).rejects.toMatchObject({ code: 'USER_NOT_FOUND' });
    proxy.directory.away = true;
    await expect(proxy.plane.limitsOfUsers.of('usr_none')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  it("S1-27 of the user's own is answered by it as soon as the record says so", async () => {
    await start({ limits: { requestsPerSecondPerKey: 0 } });
    expect((await get('/proxy/s1/')).headers.has('ratelimit')).toBe(false);
    proxy.directory.changeUser('alice', { limits: { requestsPerSecondPerSandbox: 1 } });
    const statuses = await Promise.all(Array.from({ length: 10 }, async () => (await get('/proxy/s1/')).status));
    expect(statuses.filter((status) => status === 429).length).toBeGreaterThanOrEqual(7);
    proxy.directory.changeUser('alice', { limits: undefined });
    expect((await get('/proxy/s1/')).status).toBe(200);
  });

  it('who asks for what is not there takes no place', async () => {
    await start({ limits: { requestsPerUser: 1 } });
    for (let i = 0; i < 5; i++) expect((await get('/proxy/none/')).status).toBe(404);
    expect((await get('/proxy/s1/')).status).toBe(200);
  });
});
