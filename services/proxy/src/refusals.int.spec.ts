import { connect } from 'node:net';
import { isWholeResponse, rawUpstream, sendRaw } from './testing/raw-peers.js';
import { startProxy, type ProxyUnderTest } from './testing/proxy-under-test.js';

describe('S4-21 refusals', () => {
  let proxy: ProxyUnderTest;

  beforeAll(async () => {
    proxy = await startProxy({ headersTimeoutMs: 300, checkIntervalMs: 50, apiBodyLimit: 1000 });
  });

  afterAll(() => proxy.close());

  const send = (request: string) =>
    sendRaw(proxy.port, request.replace('KEY', `Host: x\r\nX-API-Key: ${proxy.alice}\r\n`), isWholeResponse);

  it.each([
    ['a URL over 8 KiB', `GET /proxy/s1/${'a'.repeat(9000)} HTTP/1.1\r\nKEY\r\n`, 414, 'URI_TOO_LONG'],
    ['a head over 16 KiB', `GET / HTTP/1.1\r\nKEYX-A: ${'a'.repeat(17_000)}\r\n\r\n`, 431, 'HEADERS_TOO_LARGE'],
    ['a URL over 16 KiB', `GET /${'a'.repeat(20_000)} HTTP/1.1\r\nKEY\r\n`, 431, 'HEADERS_TOO_LARGE'],
    ['over 100 fields', `GET /proxy/s1/ HTTP/1.1\r\nKEY${'a: b\r\n'.repeat(99)}\r\n`, 431, 'HEADERS_TOO_LARGE'],
    ['TRACE', 'TRACE /proxy/s1/ HTTP/1.1\r\nKEY\r\n', 405, 'METHOD_NOT_ALLOWED'],
    ['CONNECT of a path', 'CONNECT /proxy/s1/ HTTP/1.1\r\nKEY\r\n', 405, 'METHOD_NOT_ALLOWED'],
    ['CONNECT to elsewhere', 'CONNECT example.com:443 HTTP/1.1\r\nKEY\r\n', 404, 'SANDBOX_NOT_FOUND'],
    ['OPTIONS *', 'OPTIONS * HTTP/1.1\r\nKEY\r\n', 405, 'METHOD_NOT_ALLOWED'],
    ['an expectation', 'POST /proxy/s1/ HTTP/1.1\r\nKEYExpect: 200-ok\r\nContent-Length: 2\r\n\r\nhi', 417, 'MALFORMED_REQUEST'],
    ['an unknown path', 'GET /favicon.ico HTTP/1.1\r\nKEY\r\n', 404, 'NOT_FOUND'],
    ['an announced body over the limit of the API', 'POST /api/v1/x HTTP/1.1\r\nKEYContent-Length: 1001\r\n\r\n', 413, 'BODY_TOO_LARGE'],
    ['the API being away', 'GET /api/v1/x HTTP/1.1\r\nKEY\r\n', 503, 'UNAVAILABLE'],
    ['bytes that are no HTTP', '\x16\x03\x01\x02\x00\x01\x00', 400, 'MALFORMED_REQUEST'],
  ])('%s gets problem+json, and a record', async (_, request, status, code) => {
    proxy.records.length = 0;
    const answer = await send(request);
    const [head, body] = answer.text.split('\r\n\r\n');
    expect(answer.status).toBe(status);
    expect(head).toMatch(/content-type: application\/problem\+json\r\n/);
    const requestId = /x-request-id: (\S+)/.exec(head!)![1];
    expect(JSON.parse(body!)).toMatchObject({ status, code, title: expect.any(String), detail: expect.any(String), requestId });
    expect(body).not.toMatch(/<html|Error:|\n +at /i);
    if (status === 405) expect(head).toMatch(/allow: GET, HEAD, POST/);
    if (status === 503) expect(head).toMatch(/retry-after: 1/);
    expect(proxy.records).toMatchObject([{ status, code, requestId }]);
  });

  it('a chunked body over the limit of the API is refused as soon as it is', async () => {
    const gateway = await rawUpstream(() => undefined);
    const limited = await startProxy({ gatewayAddress: gateway.address, apiBodyLimit: 1000 });
    const chunk = `3e8\r\n${'x'.repeat(1000)}\r\n`;
    const answer = await sendRaw(
      limited.port,
      `POST /api/v1/x HTTP/1.1\r\nHost: x\r\nX-API-Key: ${limited.alice}\r\nTransfer-Encoding: chunked\r\n\r\n${chunk}${chunk}`,
      isWholeResponse,
    );
    expect(answer.status).toBe(413);
    await limited.close();
    await gateway.close();
  });

  it('a refused request with a body loses neither the answer nor the connection’s end', async () => {
    const answer = await send(`POST /favicon.ico HTTP/1.1\r\nKEYContent-Length: 100000000\r\n\r\n${'x'.repeat(300_000)}`);
    expect(answer).toMatchObject({ status: 404, ended: 'end' });
    expect(answer.text).toMatch(/connection: close/i);
  });

  it('a HEAD request is refused without a body', async () => {
    const answer = await sendRaw(proxy.port, 'HEAD /proxy/s1/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    expect(answer.text).toMatch(/^HTTP\/1.1 401 [^]*\r\n\r\n$/);
  });

  it.each([
    ['nothing', ''],
    ['a head that does not end', 'GET / HTTP/1.1\r\nHost: x\r\n'],
    ['half a request line', 'GET /'],
  ])('a client that sends %s is let go after the limit', async (_, bytes) => {
    const answer = await sendRaw(proxy.port, bytes);
    expect(answer).toMatchObject({ ended: 'end', status: 408 });
  });

  it('a client over the limit of connections is closed at once', async () => {
    const small = await startProxy({ maxConnections: 1 });
    const first = connect(small.port, '127.0.0.1');
    await new Promise((done) => first.once('connect', done));
    expect((await sendRaw(small.port, 'GET / HTTP/1.1\r\n\r\n')).status).toBe(0);
    first.destroy();
    await small.close();
  });
});
