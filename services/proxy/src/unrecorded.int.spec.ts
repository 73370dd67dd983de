import type { AccessRecord } from '@sandlot/contracts';
import { startProxy, type ProxyUnderTest } from './testing/proxy-under-test.js';
import { httpUpstream, sendRaw, type HttpServer } from './testing/raw-peers.js';

describe('a proxy whose recorder has no place left', () => {
  const records: AccessRecord[] = [];
  const recorder = { refusing: true, record: (record: AccessRecord) => void records.push(record) };
  let proxy: ProxyUnderTest;
  let sandbox: HttpServer;
  let served = 0;

  beforeAll(async () => {
    proxy = await startProxy({ recorder });
    sandbox = await httpUpstream((_, response) => {
      served++;
      response.end('ok');
    });
    proxy.directory.addSandbox('alice', 's1', sandbox.address);
  });
  afterAll(() => Promise.all([proxy.close(), sandbox.close()]));

  it.each([
    ['a request', 'GET /proxy/s1/ HTTP/1.1\r\nHost: x\r\n'],
    ['a WebSocket', 'GET /proxy/s1/ HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n'],
    ['a tunnel', 'CONNECT s1:8888 HTTP/1.1\r\nHost: x\r\n'],
    ['a request to the API', 'GET /api/v1/me HTTP/1.1\r\nHost: x\r\n'],
  ])('answers %s 503, and says when to come back', async (_, head) => {
    const answer = await sendRaw(proxy.port, `${head}X-API-Key: ${proxy.alice}\r\n\r\n`);
    expect(answer.status).toBe(503);
    expect(answer.text).toMatch(/\r\nretry-after: 5\r\n/i);
    expect(served).toBe(0);
  });

  it('S1-28 records where a request went, and when its answer began, as soon as there is a place', async () => {
    recorder.refusing = false;
    records.length = 0;
    expect((await fetch(`${proxy.url}/proxy/s1/a?secret=1`, { headers: { 'x-api-key': proxy.alice } })).status).toBe(200);
    expect(records).toMatchObject([{ status: 200, path: '/proxy/s1/a', port: 8888, username: 'alice', sandbox: 's1' }]);
    expect(records[0]!.firstByteMs).toBeLessThanOrEqual(records[0]!.durationMs);
  });
});
