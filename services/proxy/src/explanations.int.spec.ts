import { startProxy, type ProxyUnderTest } from './testing/proxy-under-test.js';
import { httpUpstream, type HttpServer } from './testing/raw-peers.js';

describe('an explanation', () => {
  let proxy: ProxyUnderTest;
  let sandbox: HttpServer;
  let woken = 0;
  let served = 0;
  const idOf = (username: string) => `usr_${username.padEnd(26, '0')}` as never;
  const explain = (path: string, { user = 'alice', method = 'GET' } = {}) =>
    proxy.plane.explanations.explain({ userId: idOf(user), method, path });

  beforeAll(async () => {
    const wake = { waker: { wake: () => Promise.resolve(void woken++) } };
    proxy = await startProxy({ wake, gatewayAddress: '127.0.0.1:9', limits: { requestsPerSecondPerUser: 1 } });
    sandbox = await httpUpstream((_, response) => {
      served++;
      response.end();
    });
    proxy.directory.addSandbox('alice', 's1', sandbox.address);
    proxy.directory.addSandbox('alice', 'asleep', sandbox.address, { state: 'paused', ports: [] });
    proxy.directory.addSandbox('alice', 'gone', sandbox.address, { state: 'deleting' });
    proxy.directory.addSandbox('bob', 's2', sandbox.address);
    proxy.directory.addUser('carol', { status: 'disabled' });
  });
  afterAll(() => Promise.all([proxy.close(), sandbox.close()]));

  it('S1-28 says where a request would go', async () => {
    expect(await explain('/proxy/s1/a/%2e%2e/b?secret=1')).toMatchObject({
      decision: 'forwarded', to: 'sandbox', address: sandbox.address, status: null, code: null, kind: 'http', sandbox: 's1', port: 8888,
      state: 'running', wakes: false,
    }); // prettier-ignore
    expect(await explain('/api/v1/me')).toMatchObject({ decision: 'forwarded', to: 'gateway', address: '127.0.0.1:9', kind: 'api' });
    expect(await explain('s1:8888', { method: 'CONNECT' })).toMatchObject({
      decision: 'forwarded',
      to: 'sandbox',
      address: sandbox.address,
      kind: 'tunnel',
    });
    expect(await explain('/bob/s2/', { user: 'root' })).toMatchObject({ decision: 'forwarded', sandbox: 's2' });
  });

  it.each([
    ['/proxy/none/', 404, 'SANDBOX_NOT_FOUND', 'there is no route of this name'],
    ['/proxy/gone/', 404, 'SANDBOX_NOT_FOUND', 'it is deleting'],
    ['/bob/s2/', 404, 'SANDBOX_NOT_FOUND', 'only administrators reach into the sandboxes of others'],
    ['/proxy/s1:9999/', 404, 'NOT_FOUND', null],
    ['/proxy/s1/a\\b', 400, 'MALFORMED_REQUEST', null],
  ])('S1-28 says why %s is answered %s', async (path, status, code, reason) => {
    expect(await explain(path)).toMatchObject({ decision: 'refused', to: null, address: null, status, code, reason });
  });

  it('says why somebody is not let in', async () => {
    expect(await explain('/proxy/s1/', { user: 'carol' })).toMatchObject({ status: 401, reason: 'user disabled' });
    expect(await explain('/proxy/s1/', { user: 'nobody' })).toMatchObject({ status: 401, reason: 'unknown user' });
  });

  it('says that a sandbox would be woken, and wakes nothing', async () => {
    expect(await explain('/proxy/asleep/')).toMatchObject({ status: 503, code: 'SANDBOX_NOT_READY', state: 'paused', wakes: true });
    expect([woken, proxy.directory.listening]).toEqual([0, 0]);
  });

  it('says that a limit is reached, and takes nothing of it', async () => {
    for (let i = 0; i < 10; i++) expect(await explain('/proxy/s1/')).toMatchObject({ decision: 'forwarded' });
    const get = () => fetch(`${proxy.url}/proxy/s1/`, { headers: { 'x-api-key': proxy.alice } });
    for (let refused = false; !refused;) refused = (await get()).status === 429;
    expect(await explain('/proxy/s1/')).toMatchObject({ decision: 'refused', status: 429, code: 'RATE_LIMITED' });
    expect(await explain('/proxy/s2/', { user: 'bob' })).toMatchObject({ decision: 'forwarded' });
  });

  it('leaves no trace', async () => {
    const [before, records] = [served, proxy.records.length];
    await explain('/proxy/s1/');
    expect([served, proxy.records.length, proxy.plane.held.places]).toEqual([before, records, 0]);
  });
});
