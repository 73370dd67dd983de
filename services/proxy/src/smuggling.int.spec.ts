import { rawUpstream, sendRaw, type RawServer } from './testing/raw-peers.js';
import { startProxy, type ProxyUnderTest } from './testing/proxy-under-test.js';

describe('request smuggling', () => {
  let proxy: ProxyUnderTest;
  let upstream: RawServer;
  let key: string;

  beforeEach(async () => {
    proxy = await startProxy();
    upstream = await rawUpstream((socket, text) => {
      if (/\r\n\r\n$/.test(text) || text.endsWith('0\r\n\r\n')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
    });
    proxy.directory.addSandbox('alice', 's1', upstream.address);
    key = `X-API-Key: ${proxy.alice}\r\n`;
  });

  afterEach(async () => {
    await proxy.close();
    await upstream.close();
  });

  const BASE = 'POST /proxy/s1/ HTTP/1.1\r\nHost: x\r\nKEY';
  const HIDDEN = 'GET /proxy/s1/hidden HTTP/1.1\r\nHost: x\r\n\r\n';
  const REFUSED: [string, string][] = [
    ['Content-Length and Transfer-Encoding', `${BASE}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${HIDDEN}`],
    ['Transfer-Encoding and Content-Length', `${BASE}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n${HIDDEN}`],
    ['two lengths that differ', `${BASE}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!`],
    ['one length twice', `${BASE}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`],
    ['a list of lengths', `${BASE}Content-Length: 5, 5\r\n\r\nhello`],
    ['a signed length', `${BASE}Content-Length: +5\r\n\r\nhello`],
    ['a negative length', `${BASE}Content-Length: -1\r\n\r\nhello`],
    ['a length in hex', `${BASE}Content-Length: 0x5\r\n\r\nhello`],
    ['a length with a space inside', `${BASE}Content-Length: 1 0\r\n\r\nhellohello`],
    ['an empty length', `${BASE}Content-Length:\r\n\r\n${HIDDEN}`],
    ['a length beyond all numbers', `${BASE}Content-Length: 18446744073709551621\r\n\r\nhello`],
    ['a space before the colon', `${BASE}Content-Length : 5\r\n\r\nhello`],
    ['a tab before the colon', `${BASE}Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n`],
    ['a folded line', `${BASE}X-A: b\r\n c\r\n\r\n`],
    ['a folded Transfer-Encoding', `${BASE}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n`],
    ['bare LF after the request line', 'GET /proxy/s1/ HTTP/1.1\nHost: x\r\nKEY\r\n'],
    ['bare LF between fields', `${BASE}X-A: b\nX-B: c\r\n\r\n`],
    ['bare LF as the end', `${BASE}X-A: b\n\n`],
    ['bare CR in a value', `${BASE}X-A: b\rTransfer-Encoding: chunked\r\n\r\n`],
    ['NUL in a value', `${BASE}X-A: b\0c\r\n\r\n`],
    ['NUL in a name', `${BASE}X-\0A: b\r\n\r\n`],
    ['a control in a value', `${BASE}X-A: b\x01\r\n\r\n`],
    ['a name that is no token', `${BASE}X(A): b\r\n\r\n`],
    ['a line without colon', `${BASE}nothing\r\n\r\n`],
    ['an empty name', `${BASE}: b\r\n\r\n`],
    ['a first field that is indented', 'GET /proxy/s1/ HTTP/1.1\r\n Host: x\r\nKEY\r\n'],
    ['two Hosts', `GET /proxy/s1/ HTTP/1.1\r\nHost: x\r\nHost: y\r\nKEY\r\n`],
    ['the same Host twice', `GET /proxy/s1/ HTTP/1.1\r\nHost: x\r\nHost: x\r\nKEY\r\n`],
    ['no Host', 'GET /proxy/s1/ HTTP/1.1\r\nKEY\r\n'],
    ['an empty Host', 'GET /proxy/s1/ HTTP/1.1\r\nHost:\r\nKEY\r\n'],
    ['a path in Host', 'GET /proxy/s1/ HTTP/1.1\r\nHost: a/b\r\nKEY\r\n'],
    ['a user in Host', 'GET /proxy/s1/ HTTP/1.1\r\nHost: a@b\r\nKEY\r\n'],
    ['a list in Host', 'GET /proxy/s1/ HTTP/1.1\r\nHost: a, b\r\nKEY\r\n'],
    ['a bad port in Host', 'GET /proxy/s1/ HTTP/1.1\r\nHost: a:b\r\nKEY\r\n'],
    ['Transfer-Encoding on HTTP/1.0', 'POST /proxy/s1/ HTTP/1.0\r\nHost: x\r\nKEYTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['gzip, chunked', `${BASE}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`],
    ['chunked, gzip', `${BASE}Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n`],
    ['chunked, chunked', `${BASE}Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n`],
    ['chunked twice', `${BASE}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    ['identity', `${BASE}Transfer-Encoding: identity\r\nContent-Length: 5\r\n\r\nhello`],
    ['xchunked', `${BASE}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`],
    ['chunked with a vertical tab', `${BASE}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n`],
    ['quoted chunked', `${BASE}Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n`],
    ['HTTP/2.0', 'GET /proxy/s1/ HTTP/2.0\r\nHost: x\r\nKEY\r\n'],
    ['HTTP/1.2', 'GET /proxy/s1/ HTTP/1.2\r\nHost: x\r\nKEY\r\n'],
    ['HTTP/0.9', 'GET /proxy/s1/\r\n\r\n'],
    ['the HTTP/2 preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['lower-case http', 'GET /proxy/s1/ http/1.1\r\nHost: x\r\nKEY\r\n'],
    ['a method that nobody knows', 'FROB /proxy/s1/ HTTP/1.1\r\nHost: x\r\nKEY\r\n'],
    ['an absolute target of another host', 'GET http://evil.example/proxy/s1/ HTTP/1.1\r\nHost: x\r\nKEY\r\n'],
    ['Connection: Host', `${BASE}Connection: close, Host\r\n\r\n`],
    ['Connection: Content-Length', `${BASE}Connection: content-length\r\nContent-Length: 2\r\n\r\nhi`],
    ['Connection: Transfer-Encoding', `${BASE}Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    ['Connection: Authorization', `${BASE}Connection: Authorization\r\n\r\n`],
    ['Connection: X-API-Key', `${BASE}Connection: x-api-key\r\n\r\n`],
    ['Connection: X-Forwarded-For', `${BASE}Connection: keep-alive, X-Forwarded-For\r\n\r\n`],
    ['Connection: X-Sandlot-Identity', `${BASE}Connection: X-Sandlot-Identity\r\n\r\n`],
  ];

  it.each(REFUSED)('%s is refused with 400 problem+json and reaches no sandbox', async (_, request) => {
    const answer = await sendRaw(proxy.port, request.replace('KEY', key));
    const body = answer.text.slice(answer.text.indexOf('\r\n\r\n') + 4);
    expect(answer.status).toBe(400);
    expect(JSON.parse(body.slice(0, body.indexOf('}') + 1))).toMatchObject({ code: 'MALFORMED_REQUEST', status: 400 });
    expect(upstream.received.join('')).toBe('');
  });

  it.each([
    ['a size that is no number', 'x\r\nhello\r\n0\r\n\r\n'],
    ['a negative size', '-1\r\nhello\r\n0\r\n\r\n'],
    ['a size in 0x', '0x5\r\nhello\r\n0\r\n\r\n'],
    ['bare LF after the size', '5\nhello\r\n0\r\n\r\n'],
    ['a chunk longer than announced', '4\r\nhello\r\n0\r\n\r\n'],
    ['a size beyond all numbers', 'ffffffffffffffffff\r\nhello\r\n0\r\n\r\n'],
  ])('a chunked body with %s is refused and never begins to reach a sandbox', async (_, body) => {
    await sendRaw(proxy.port, `${BASE}Transfer-Encoding: chunked\r\n\r\n`.replace('KEY', key) + body);
    expect(upstream.received.join('')).toBe('');
    expect(proxy.records).toMatchObject([{ status: 400, code: 'MALFORMED_REQUEST', method: 'POST', path: '/proxy/s1/' }]);
  });

  it('makes a request line with more spaces than needed canonical', async () => {
    const request = `GET  /proxy/s1/x  HTTP/1.1\r\nHost: x\r\n${key}Connection: close\r\n\r\n`;
    expect((await sendRaw(proxy.port, request)).status).toBe(200);
    expect(upstream.received[0]).toMatch(/^GET \/x HTTP\/1.1\r\n/);
  });

  it('forwards exactly the requests that it records, each with one Host and one framing', async () => {
    const requests =
      `POST /proxy/s1/1 HTTP/1.1\r\nHost: x\r\n${key}Content-Length: ${HIDDEN.length}\r\n\r\n${HIDDEN}` +
      `POST /proxy/s1/2 HTTP/1.1\r\nHost: x\r\n${key}Transfer-Encoding: CHUNKED\r\n\r\n5;a=b\r\nhello\r\n0\r\n\r\n` +
      `GET /proxy/s1/3 HTTP/1.1\r\nHost: x\r\n${key}Connection: close\r\n\r\n`;
    const answer = await sendRaw(proxy.port, requests);
    expect(answer.text.match(/HTTP\/1.1 200 OK/g)).toHaveLength(3);
    expect(proxy.records.map(({ path }) => path)).toEqual(['/proxy/s1/1', '/proxy/s1/2', '/proxy/s1/3']);
    const [one, two, three] = ['/1 ', '/2 ', '/3 '].map((path) => upstream.received.find((text) => text.includes(path))!);
    expect(one).toMatch(/^POST \/1 HTTP\/1.1\r\nHost: x\r\n/);
    expect(one).toContain(`content-length: ${HIDDEN.length}\r\n\r\n${HIDDEN}`);
    expect(two).toMatch(/transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n/);
    expect(three!.match(/^host:/gim)!.length).toBe(three!.match(/^GET|^POST/gm)!.length);
  });
});
