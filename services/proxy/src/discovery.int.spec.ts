import { once } from 'node:events';
import { connect } from 'node:net';
import type { DiscoveredRoute } from '@sandlot/contracts';
import { startProxy, type ProxyUnderTest } from './testing/proxy-under-test.js';
import { httpUpstream, type HttpServer } from './testing/raw-peers.js';

describe('sandboxes that somebody else made', () => {
  let proxy: ProxyUnderTest;
  let found: HttpServer;
  let own: HttpServer;
  let woken: string[];

  beforeAll(async () => {
    const wake = (route: { name: string }) => Promise.resolve(void woken.push(route.name));
    proxy = await startProxy({ wake: { waker: { wake } } });
    found = await httpUpstream((request, response) => response.end(`found ${request.url}`));
    own = await httpUpstream((_, response) => response.end('own'));
  });
  beforeEach(() => {
    woken = [];
    proxy.directory.routes.clear();
    proxy.directory.discoveredRoutes.clear();
    proxy.directory.slow = false;
  });
  afterAll(async () => {
    await proxy.close();
    await Promise.all([found, own].map((server) => server.close()));
  });

  const discover = (username: string, name: string, record: Partial<DiscoveredRoute> = {}) =>
    proxy.directory.addDiscovered(username, name, found.address, record);
  const get = async (path: string, key = proxy.alice) => {
    const response = await fetch(proxy.url + path, { headers: { 'x-api-key': key } });
    return { status: response.status, headers: response.headers, text: await response.text() };
  };
  const statuses = (path: string, ...keys: string[]) => Promise.all(keys.map(async (key) => (await get(path, key)).status));

  it('S1-02 S1-05 C1 are reached by the user whom the label names, and by administrators', async () => {
    discover('alice', 's1');
    expect(await get('/alice/s1/execute?x=1')).toMatchObject({ status: 200, text: 'found /execute?x=1' });
    expect(proxy.records.at(-1)).toMatchObject({ username: 'alice', sandbox: 's1', sandboxId: 'uid-alice-s1', status: 200 });
    expect((await get('/proxy/s1/')).text).toBe('found /');
    expect(await statuses('/alice/s1/', proxy.bob, proxy.root)).toEqual([404, 200]);
    expect(await statuses('/proxy/s1/', proxy.bob, proxy.root)).toEqual([404, 404]);
  });

  it('S1-05 are reached at default without a label by administrators alone, unless they are shared', async () => {
    discover('default', 's1');
    expect(await statuses('/default/s1/', proxy.alice, proxy.root)).toEqual([404, 200]);
    discover('default', 's1', { shared: true });
    expect(await statuses('/default/s1/', proxy.alice, proxy.bob)).toEqual([200, 200]);
    expect(await statuses('/proxy/s1/', proxy.alice)).toEqual([404]);
    expect((await fetch(`${proxy.url}/default/s1/`)).status).toBe(401);
  });

  it.each([false, true])('come after an own sandbox of that name, whatever its state (slow directory: %s)', async (slow) => {
    proxy.directory.slow = slow;
    discover('alice', 's1');
    proxy.directory.addSandbox('alice', 's1', own.address);
    expect((await get('/alice/s1/')).text).toBe('own');
    proxy.directory.addSandbox('alice', 's1', '', { state: 'failed', ports: [] });
    expect((await get('/alice/s1/')).status).toBe(503);
    proxy.directory.addSandbox('alice', 's1', '', { state: 'deleting', ports: [] });
    expect((await get('/alice/s1/')).status).toBe(404);
  });

  it('C13 are found by the name that their service had in older proxies, and by their own before that', async () => {
    discover('alice', 's1');
    expect((await get('/alice/sandbox-s1/')).text).toBe('found /');
    discover('alice', 'sandbox-s1', { state: 'paused', ports: [] });
    expect((await get('/alice/sandbox-s1/')).status).toBe(503);
    proxy.directory.addSandbox('alice', 's1', own.address);
    expect((await get('/alice/sandbox-s1/')).text).toBe('own');
  });

  it('S1-10 answer 404 where there is none', async () => {
    const { status, text } = await get('/alice/none/');
    expect([status, JSON.parse(text)]).toEqual([404, expect.objectContaining({ code: 'SANDBOX_NOT_FOUND', detail: 'Sandbox not found' })]);
  });

  it('S1-11 answer 503 while they are not ready, and are never woken', async () => {
    for (const state of ['starting', 'paused'] as const) {
      discover('alice', 's1', { state, ports: [] });
      const { status, headers, text } = await get('/alice/s1/');
      expect([status, JSON.parse(text)]).toEqual([503, expect.objectContaining({ code: 'SANDBOX_NOT_READY', detail: 'Sandbox not ready', state })]); // prettier-ignore
      expect(headers.get('retry-after')).toBeTruthy();
    }
    expect(woken).toEqual([]);
  });

  it('S1-04 are reached at declared ports alone', async () => {
    discover('alice', 's1', { ports: [{ port: 8888, address: '127.0.0.1:1' }, { name: 'web', port: 3000, address: found.address }] }); // prettier-ignore
    expect((await get('/alice/s1:web/')).text).toBe('found /');
    expect((await get('/alice/s1:3000/')).text).toBe('found /');
    expect((await get('/alice/s1:9999/')).status).toBe(404);
    expect((await get('/alice/s1/')).status).toBe(502);
  });

  it('S4-05 are reached through tunnels by the same rules', async () => {
    discover('alice', 's1');
    const answerTo = async (key: string) => {
      const socket = connect(proxy.port, '127.0.0.1');
      socket.write(`CONNECT s1.alice:8888 HTTP/1.1\r\nHost: s1.alice:8888\r\nProxy-Authorization: Bearer ${key}\r\n\r\n`);
      const [head] = (await once(socket, 'data')) as [Buffer];
      socket.destroy();
      return head.toString('latin1').slice(9, 12);
    };
    expect([await answerTo(proxy.alice), await answerTo(proxy.bob)]).toEqual(['200', '404']);
  });
});
