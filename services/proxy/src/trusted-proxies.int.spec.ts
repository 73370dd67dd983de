import { PREVIEW_LINK_PARAMETER } from '@sandlot/contracts';
import { newId } from '@sandlot/kernel';
import { signPass } from '@sandlot/service-kit';
import { TrustedProxies } from './client-origin.js';
import { startProxy, type ProxyUnderTest } from './testing/proxy-under-test.js';
import { answering, rawUpstream, sendRaw, isWholeResponse, type RawServer } from './testing/raw-peers.js';

const PREVIEW = newId('prv');
const DOMAIN = 'previews.test';
const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const SAID = 'X-Forwarded-For: 198.51.100.9, 203.0.113.5\r\nX-Forwarded-Proto: https\r\nForwarded: for=1.2.3.4\r\nX-Real-IP: 1.2.3.4\r\n';

describe('behind a proxy that ends TLS', () => {
  let proxy: ProxyUnderTest;
  let sandbox: RawServer;
  let gateway: RawServer;

  const start = async (trusted: string[] | undefined) => {
    sandbox = await rawUpstream(answering(OK));
    gateway = await rawUpstream(answering(OK));
    proxy = await startProxy({
      trustedProxies: trusted && new TrustedProxies(trusted),
      previews: { domain: DOMAIN, key: 'k'.repeat(32) },
      gatewayAddress: gateway.address,
    });
    proxy.directory.addSandbox('alice', 's1', sandbox.address);
  };
  afterEach(async () => {
    await proxy.close();
    await sandbox.close();
    await gateway.close();
  });
  const ask = (path: string, host = 'sandlot.example', more = '') =>
    sendRaw(proxy.port, `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nX-API-Key: ${proxy.alice}\r\n${SAID}${more}\r\n`, isWholeResponse);

  it('a sandbox hears that it was https, and from whom, at path-based and at preview addresses', async () => {
    await start(['127.0.0.0/8']);
    expect((await ask('/proxy/s1/')).status).toBe(200);
    expect((await ask('/', `8888-s1-alice.${DOMAIN}`)).status).toBe(200);
    expect(sandbox.received.length).toBeGreaterThan(0);
    for (const head of sandbox.received.join('').split('\r\n\r\n').filter(Boolean)) {
      expect(head).toContain('\r\nx-forwarded-for: 203.0.113.5\r\nx-forwarded-proto: https\r\n');
      expect(head.match(/^(?:forwarded|x-forwarded-(?:for|proto)|x-real-ip):/gim)).toHaveLength(2);
      expect(head).not.toContain('1.2.3.4');
    }
    expect(proxy.records.map(({ ip }) => ip)).toEqual(['203.0.113.5', '203.0.113.5']);
  });

  it('the API hears from whom, in what is signed', async () => {
    await start(['127.0.0.1']);
    expect((await ask('/api/v1/me')).status).toBe(200);
    const assertion = /\r\nx-sandlot-identity: (\S+)\r\n/i.exec(gateway.received[0]!)![1]!;
    expect(JSON.parse(Buffer.from(assertion, 'base64url').toString())).toMatchObject({ username: 'alice', ip: '203.0.113.5' });
  });

  it('a browser is let in by a cookie for https alone, and may ask of the page’s own origin, which is https', async () => {
    await start(['127.0.0.1']);
    const host = `8888-s1-alice.${DOMAIN}`;
    const expiresAt = new Date(Date.now() + 60_000).toISOString();
    proxy.directory.changeRoute('alice', 's1', { previews: [{ id: PREVIEW, port: 8888, public: false, expiresAt }] });
    const link = signPass('link', { previewId: PREVIEW, expiresAt: Math.ceil(Date.parse(expiresAt) / 1000) }, host, 'k'.repeat(32));
    const browse = (path: string, more: string) =>
      sendRaw(proxy.port, `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${SAID}${more}\r\n`, isWholeResponse);
    const opened = await browse(`/?${PREVIEW_LINK_PARAMETER}=${link}`, '');
    expect(opened.text).toMatch(new RegExp(`^HTTP/1.1 303 [^]*\r\nlocation: https://${host}/\r\n`));
    const cookie = /\r\nset-cookie: ([^;]+); Path=\/; Secure; HttpOnly;/.exec(opened.text)![1]!;
    expect((await browse('/', `Cookie: ${cookie}\r\nOrigin: https://${host}\r\n`)).status).toBe(200);
    expect((await browse('/', `Cookie: ${cookie}\r\nOrigin: http://${host}\r\n`)).status).toBe(403);
    expect(sandbox.received.join('')).toContain('x-forwarded-proto: https\r\n');
  });

  it.each([
    ['nobody', undefined],
    ['another one', ['192.0.2.1']],
  ])('nothing of it is believed where %s is trusted', async (_, trusted) => {
    await start(trusted);
    await ask('/proxy/s1/');
    expect(sandbox.received[0]).toContain('\r\nx-forwarded-for: 127.0.0.1\r\nx-forwarded-proto: http\r\n');
    expect(proxy.records).toMatchObject([{ ip: '127.0.0.1' }]);
  });
});
