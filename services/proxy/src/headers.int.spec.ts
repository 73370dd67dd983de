import { answering, isWholeResponse, rawUpstream, sendRaw, type RawServer } from './testing/raw-peers.js';
import { startProxy, type ProxyUnderTest } from './testing/proxy-under-test.js';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';

describe('headers', () => {
  let proxy: ProxyUnderTest;
  let upstream: RawServer;
  let answer = OK;

  beforeEach(async () => {
    proxy = await startProxy();
    answer = OK;
    upstream = await rawUpstream((socket, text) => answering(answer)(socket, text));
    proxy.directory.addSandbox('alice', 's1', upstream.address);
  });

  afterEach(async () => {
    await proxy.close();
    await upstream.close();
  });

  /** @returns the head that the sandbox got, and the response */
  const exchange = async (lines = '', path = '/proxy/s1/') => {
    const request = `GET ${path} HTTP/1.1\r\nHost: sandlot.example:8080\r\nX-API-Key: ${proxy.alice}\r\n${lines}\r\n`;
    const response = await sendRaw(proxy.port, request, isWholeResponse);
    const heads = upstream.received.at(-1)?.split('\r\n\r\n') ?? [];
    return { seen: `${heads.at(-2)}\r\n\r\n`, response: response.text };
  };

  it.each([
    'Authorization', 'Proxy-Authorization', 'Proxy-Connection', 'Proxy-Foo', 'X-Forwarded-For', 'X-Forwarded-Host', 'X-Forwarded-Proto', 'X-Forwarded-Prefix',
    'X-Forwarded-User', 'Forwarded', 'X-Real-IP', 'X-Client-IP', 'True-Client-IP', 'CF-Connecting-IP', 'X-Original-URL', 'X-Original-Host', 'X-Rewrite-URL',
    'X-Envoy-Original-Path', 'X-Auth-User', 'X-Sandlot-Identity', 'X-Sandlot-Anything', 'X-Request-Id', 'Cookie', 'Keep-Alive', 'TE', 'HTTP2-Settings', 'X_Forwarded_For',
    'Content_Length', 'X-Under_Score',
  ])('%s of the client never reaches a sandbox', async (name) => {
    if (name === 'Authorization') {
      const request = `GET /proxy/s1/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${proxy.alice}\r\n\r\n`;
      await sendRaw(proxy.port, request, isWholeResponse);
      return expect(upstream.received[0]).not.toMatch(/authorization|slk_/i);
    }
    for (const spelling of [name, name.toUpperCase(), name.toLowerCase()]) {
      const { seen } = await exchange(`${spelling}: canary-1\r\n`);
      expect(seen).toMatch(/^GET \/ HTTP\/1.1\r\n/);
      expect(seen).not.toContain('canary-1');
      expect(seen).not.toContain('slk_');
    }
  }); // prettier-ignore

  it('passes everything else as it is, repeated fields included', async () => {
    const lines =
      'Accept: a\r\nX-Foo: 1\r\nx-foo: 2\r\nOrigin: https://o\r\nUser-Agent: Test/1\r\nX-Latin: \xe9\r\nRange: bytes=0-1\r\nX-Empty: \r\n';
    const { seen } = await exchange(lines);
    for (const line of ['Accept: a', 'X-Foo: 1', 'x-foo: 2', 'Origin: https://o', 'User-Agent: Test/1', 'Range: bytes=0-1', 'X-Empty: ']) {
      expect(seen).toContain(`\r\n${line}\r\n`);
    }
  });

  it('says where the request comes from, in words of its own', async () => {
    const { seen } = await exchange('X-Forwarded-For: 1.2.3.4\r\n', '/alice/s1/x');
    expect(seen).toMatch(/^GET \/x HTTP\/1.1\r\nHost: sandlot.example:8080\r\n/);
    for (const line of [
      'x-forwarded-for: 127.0.0.1',
      'x-forwarded-proto: http',
      'x-forwarded-host: sandlot.example:8080',
      'x-forwarded-prefix: /alice/s1',
    ]) {
      expect(seen).toContain(`\r\n${line}\r\n`);
    }
    const id = /\r\nx-request-id: (req_[0-9a-hjkmnp-tv-z]{26})\r\n/.exec(seen)![1];
    expect(proxy.records[0]!.requestId).toBe(id);
  });

  it('drops what Connection lists', async () => {
    const { seen } = await exchange('Connection: X-Hop, keep-alive, x-other\r\nX-Hop: a\r\nX-Other: b\r\nX-Stays: c\r\n');
    expect(seen).not.toMatch(/x-hop|x-other|^connection/im);
    expect(seen).toContain('X-Stays: c');
  });

  it('passes a valid trace context on and replaces any other', async () => {
    const valid = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    const traced = (await exchange(`traceparent: ${valid}\r\ntracestate: a=1\r\n`)).seen;
    expect(traced).toContain(`\r\ntraceparent: ${valid}\r\n`);
    expect(traced).toContain('\r\ntracestate: a=1\r\n');
    for (const lines of ['', 'traceparent: nonsense\r\ntracestate: a=1\r\n', `traceparent: ${valid}\r\ntraceparent: ${valid}\r\n`]) {
      const { seen } = await exchange(lines);
      expect(seen.match(/^traceparent: 00-[0-9a-f]{32}-[0-9a-f]{16}-00\r$/gm)).toHaveLength(1);
      expect(seen).not.toContain('tracestate');
    }
  });

  it.each([
    'Set-Cookie', 'Set-Cookie2', 'Clear-Site-Data', 'Service-Worker-Allowed', 'Strict-Transport-Security', 'Alt-Svc', 'Public-Key-Pins', 'Access-Control-Allow-Credentials',
    'Reporting-Endpoints', 'Report-To', 'NEL', 'Origin-Agent-Cluster',
    'Keep-Alive', 'Proxy-Authenticate', 'Proxy-Connection', 'X-Sandlot-Code', 'X-Request-Id', 'Upgrade',
  ])('%s of a sandbox never reaches a client', async (name) => {
    answer = `HTTP/1.1 200 OK\r\n${name}: canary-2\r\n${name.toLowerCase()}: canary-2\r\nContent-Length: 2\r\n\r\nok`;
    const { response } = await exchange();
    expect(response).toMatch(/^HTTP\/1.1 200 OK\r\n[^]*ok$/);
    expect(response).not.toContain('canary-2');
  }); // prettier-ignore

  it('drops what the Connection of a sandbox lists', async () => {
    answer = 'HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nX-Hop: a\r\nX-Stays: b\r\nContent-Length: 2\r\n\r\nok';
    const { response } = await exchange();
    expect(response).not.toMatch(/x-hop/i);
    expect(response).toContain('X-Stays: b');
  });

  it('passes a response’s status, reason and other fields as they are', async () => {
    answer = 'HTTP/1.1 418 Short and stout\r\nServer: pot\r\nVary: a\r\nvary: b\r\nDate: x\r\nContent-Length: 2\r\n\r\nok';
    const { response } = await exchange();
    expect(response).toMatch(/^HTTP\/1.1 418 Short and stout\r\nServer: pot\r\nVary: a\r\nvary: b\r\nDate: x\r\nContent-Length: 2\r\n/);
    expect(response.match(/^date:/gim)).toHaveLength(1);
  });

  it('gives pages of a sandbox an origin of their own', async () => {
    answer = "HTTP/1.1 200 OK\r\nContent-Security-Policy: default-src 'self'\r\nContent-Length: 2\r\n\r\nok";
    expect((await exchange()).response.match(/^content-security-policy: .*/gim)).toEqual([
      "Content-Security-Policy: default-src 'self'\r".trim(),
      'content-security-policy: sandbox',
    ]);
  });

  it('says nosniff once, whatever the sandbox says', async () => {
    answer = 'HTTP/1.1 200 OK\r\nX-Content-Type-Options: sniff\r\nContent-Length: 2\r\n\r\nok';
    expect((await exchange()).response.match(/^x-content-type-options: .*/gim)).toEqual(['x-content-type-options: nosniff']);
  });

  it('leads no client with its key from a sandbox to the API', async () => {
    answer = 'HTTP/1.1 307 Temporary Redirect\r\nLocation: /api/v1/sandboxes/other/pause\r\nContent-Length: 2\r\n\r\nok';
    expect((await exchange('', '/alice/s1/x')).response).toContain('Location: /alice/s1/api/v1/sandboxes/other/pause\r\n');
  });
});
