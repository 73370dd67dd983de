import { newId } from '@sandlot/kernel';
import { signPass } from '@sandlot/service-kit';
import { describeUnless, waitFor } from '@sandlot/testing';
import { Browser, chromiumMissing, type Page } from './testing/browser.js';
import { startProxy, type ProxyUnderTest } from './testing/proxy-under-test.js';
import { httpUpstream, type HttpServer } from './testing/raw-peers.js';

const key = 'a key for tests, thirty-two characters and more';

describeUnless(chromiumMissing)('in a real browser', () => {
  let proxy: ProxyUnderTest;
  let sandboxes: Record<'s1' | 's2', HttpServer>;
  let browser: Browser;

  const originOf = (sandbox: string) => `http://8888-${sandbox}-alice.previews.localhost:${proxy.port}`;
  const api = () => `http://api.localhost:${proxy.port}`;

  beforeAll(async () => {
    proxy = await startProxy({ previews: { domain: 'previews.localhost', key } });
    const serve = () =>
      httpUpstream((_, response) => {
        response.writeHead(200, { 'content-type': 'text/html', 'set-cookie': 'own=1' });
        response.end('<title>still</title><img src="/api/v1/me"><script>document.title = "ran"; fetch("/api/v1/sandboxes")</script>');
      });
    sandboxes = { s1: await serve(), s2: await serve() };
    browser = await Browser.start();
  }, 90_000);

  afterAll(async () => {
    await browser.close();
    await proxy.close();
    for (const server of Object.values(sandboxes)) await server.close();
  });

  /** Opens a preview by its link, in a tab of its own. */
  const visit = async (sandbox: 's1' | 's2'): Promise<Page> => {
    const [id, expiresAt] = [newId('prv'), Math.floor(Date.now() / 1000) + 600];
    const previews = [{ id, port: 8888, public: false, expiresAt: new Date(expiresAt * 1000).toISOString() }];
    proxy.directory.addSandbox('alice', sandbox, sandboxes[sandbox].address, { previews });
    const page = await browser.page();
    await page.open(
      `${originOf(sandbox)}/app?sandlot-preview=${signPass('link', { previewId: id, expiresAt }, new URL(originOf(sandbox)).hostname, key)}`,
    );
    return page;
  };

  it('S2-28 a link opens the preview, is gone from the address, and its cookie is out of reach for scripts', async () => {
    const page = await visit('s1');
    expect(await page.info()).toMatchObject({ title: 'ran', url: `${originOf('s1')}/app` });
    expect(await page.evaluate('document.cookie')).toBe('own=1');
    expect(await page.evaluate('fetch("/again").then(({ status }) => status)')).toBe(200);
    expect(JSON.stringify(sandboxes.s1.requests.map(({ headers, url }) => [headers, url]))).not.toMatch(/prv_/);
  }, 60_000);

  it('two previews share neither cookies nor storage, and neither reaches the other', async () => {
    const first = await visit('s1');
    await first.evaluate('localStorage.setItem("secret", "1"); document.cookie = "secret=1"');
    const second = await visit('s2');
    expect(await second.evaluate('[localStorage.getItem("secret"), document.cookie]')).toEqual([null, 'own=1']);
    const before = sandboxes.s1.requests.length;
    const tries = `Promise.all([
      fetch("${originOf('s1')}/steal", { credentials: "include" }).then(() => "read", () => "refused"),
      fetch("${originOf('s1')}/harm", { credentials: "include", method: "POST", mode: "no-cors" }).then(({ type }) => type),
      new Promise((done) => Object.assign(new WebSocket("${originOf('s1').replace('http', 'ws')}/"), { onopen: () => done("open"), onerror: () => done("refused") })),
      new Promise((done) => Object.assign(new Image(), { onload: () => done("loaded"), onerror: () => done("refused"), src: "${originOf('s1')}/picture" })),
    ])`;
    expect(await second.evaluate(tries)).toEqual(['refused', 'opaque', 'refused', 'refused']);
    expect(sandboxes.s1.requests.length).toBe(before);
    expect(proxy.records.filter(({ status, sandbox }) => status === 403 && sandbox === 's1')).toHaveLength(4);
  }, 60_000);

  it('a preview calls the API with nothing that the browser would add', async () => {
    const page = await visit('s1');
    expect(await page.evaluate(`fetch("${api()}/api/v1/me", { credentials: "include", mode: "no-cors" }).then(({ type }) => type)`)).toBe(
      'opaque',
    );
    const record = await waitFor(() => proxy.records.find(({ kind }) => kind === 'api'), { describe: 'the record' });
    expect(record).toMatchObject({ status: 401, reason: 'no key' });
  }, 60_000);

  it('a path-served page runs no script and calls the API with nothing that the browser would add', async () => {
    proxy.directory.addSandbox('alice', 's1', sandboxes.s1.address);
    proxy.records.length = 0;
    const page = await browser.page();
    await page.open(`${api()}/proxy/s1/`, { 'x-api-key': proxy.alice });
    expect((await page.info()).title).toBe('still');
    const picture = await waitFor(() => proxy.records.find(({ path }) => path === '/api/v1/me'), {
      describe: 'the picture to be asked for',
    });
    expect(picture).toMatchObject({ status: 401, reason: 'no key' });
    expect(proxy.records.some(({ path }) => path === '/api/v1/sandboxes')).toBe(false);
  }, 60_000);
});
