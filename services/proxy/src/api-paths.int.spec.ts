import { AccessRecord } from '@sandlot/contracts';
import { httpUpstream, isWholeResponse, sendRaw, type HttpServer } from './testing/raw-peers.js';
import { startProxy, type ProxyUnderTest } from './testing/proxy-under-test.js';

describe('API paths', () => {
  let proxy: ProxyUnderTest;
  let gateway: HttpServer;

  beforeAll(async () => {
    gateway = await httpUpstream((request, response) => {
      const refused = request.url!.includes('refuse');
      if (refused) response.setHeader('x-sandlot-code', 'QUOTA_EXCEEDED');
      response.writeHead(refused ? 403 : 200, { 'set-cookie': 'session=1', etag: '"7"' });
      request.pipe(response);
    });
    proxy = await startProxy({ gatewayAddress: gateway.address, sandboxes: { allowLoopback: false } });
  });

  beforeEach(() => {
    gateway.requests.length = proxy.records.length = 0;
  });

  afterAll(async () => {
    await proxy.close();
    await gateway.close();
  });

  const get = (path: string, headers: Record<string, string> = {}) => fetch(`${proxy.url}${path}`, { headers });
  const identityOf = (index = 0) => {
    const header = gateway.requests[index]!.headers['x-sandlot-identity'] as string | undefined;
    return header === undefined ? undefined : (JSON.parse(Buffer.from(header, 'base64url').toString()) as Record<string, unknown>);
  };

  it.each(['/', '/health', '/api/health', '/openapi.json', '/openapi.yaml', '/docs', '/docs/x.css', '/problems/not-found'])(
    'S0-13 %s is public',
    async (path) => {
      expect((await get(path)).status).toBe(200);
      expect(gateway.requests[0]!.url).toBe(path);
      expect(identityOf()).toBeUndefined();
    },
  );

  it.each(['/api', '/api/v1/sandboxes', '/api/admin/users', '/v1/me', '/sandboxes', '/health/x', '/openapi.json/x'])(
    'S0-01 %s needs a key',
    async (path) => {
      expect((await get(path)).status).toBe(401);
      expect(gateway.requests).toHaveLength(0);
      expect((await get(path, { 'x-api-key': proxy.alice })).status).toBe(200);
    },
  );

  it('carry who the caller is, in an assertion that only the proxy can make', async () => {
    await get('/api/v1/me?x=%2f', { authorization: `Bearer ${proxy.root}`, 'x-sandlot-identity': 'forged', 'x-sandlot-role': 'admin' });
    const { headers, url } = gateway.requests[0]!;
    expect(url).toBe('/api/v1/me?x=%2f');
    const { requestId } = proxy.records[0]!;
    const user = [...proxy.directory.users.values()].find(({ username }) => username === 'root')!;
    expect(identityOf()).toEqual({
      userId: user.userId,
      username: 'root',
      role: 'admin',
      keyId: expect.stringMatching(/^key_/),
      ip: '127.0.0.1',
      requestId,
      iat: expect.any(Number),
    });
    expect(headers).toMatchObject({ 'x-request-id': requestId, 'x-forwarded-for': '127.0.0.1' });
    expect(JSON.stringify(headers)).not.toMatch(/slk_|forged|x-sandlot-role|authorization/);
  });

  it('public ones carry no identity, not even a forged one', async () => {
    await get('/health', { 'x-api-key': 'nonsense', 'x-sandlot-identity': 'forged' });
    expect(JSON.stringify(gateway.requests[0]!.headers)).not.toMatch(/forged|nonsense/);
  });

  it('S1-28 leave a record with the code that the gateway refused by, which the client does not see', async () => {
    const response = await get('/api/v1/refuse?secret=1', { 'x-api-key': proxy.alice });
    expect([response.status, response.headers.get('x-sandlot-code')]).toEqual([403, null]);
    expect(proxy.records).toMatchObject([{ kind: 'api', path: '/api/v1/refuse', status: 403, code: 'QUOTA_EXCEEDED', username: 'alice' }]);
    expect(AccessRecord.safeParse(JSON.parse(JSON.stringify(proxy.records[0]))).error).toBeUndefined();
  });

  it('keep their answers whole: they are ours', async () => {
    const response = await get('/api/v1/x', { 'x-api-key': proxy.alice });
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'set-cookie': 'session=1',
      etag: '"7"',
      'x-request-id': proxy.records[0]!.requestId,
    });
    expect(response.headers.has('content-security-policy')).toBe(false);
  });

  it('refuse a sandbox on this machine while they reach the gateway there', async () => {
    proxy.directory.addSandbox('alice', 's1', gateway.address);
    expect((await get('/proxy/s1/', { 'x-api-key': proxy.alice })).status).toBe(502);
  });

  it('S1-28 record bytes, time, client and path without its query, for sandboxes as well', async () => {
    const open = await startProxy();
    open.directory.addSandbox('alice', 's1', gateway.address);
    const body = 'x'.repeat(10_000);
    const path = `/proxy/s1/${'p'.repeat(2000)}`;
    await sendRaw(
      open.port,
      `POST ${path}?token=secret HTTP/1.1\r\nHost: x\r\nX-API-Key: ${open.alice}\r\nContent-Length: 10000\r\n\r\n${body}`,
      isWholeResponse,
    );
    const [record] = open.records;
    expect(AccessRecord.safeParse(JSON.parse(JSON.stringify(record))).error).toBeUndefined();
    expect(record).toMatchObject({
      kind: 'http',
      method: 'POST',
      status: 200,
      bytesIn: 10_000,
      bytesOut: 10_000,
      ip: '127.0.0.1',
      username: 'alice',
      sandbox: 's1',
    });
    expect(record!.path).toBe(path.slice(0, 1024));
    expect(JSON.stringify(record)).not.toMatch(/secret|slk_/);
    await open.close();
  });
});
