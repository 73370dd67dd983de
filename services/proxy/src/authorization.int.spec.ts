import { jest } from '@jest/globals';
import { formatApiKey } from '@sandlot/kernel';
import { isWholeResponse, httpUpstream, sendRaw, type HttpServer } from './testing/raw-peers.js';
import { startProxy, type ProxyUnderTest } from './testing/proxy-under-test.js';

describe('who may pass', () => {
  let proxy: ProxyUnderTest;
  const upstreams: HttpServer[] = [];

  beforeEach(async () => {
    proxy = await startProxy();
    for (const [user, name] of [['alice', 's1'], ['alice', 's2'], ['bob', 's1'], ['bob', 's3']] as const) {
      const upstream = await httpUpstream((request, response) => response.end(`${user} ${name} ${request.url}`));
      upstreams.push(upstream);
      proxy.directory.addSandbox(user, name, upstream.address);
    } // prettier-ignore
  });

  afterEach(async () => {
    await proxy.close();
    await Promise.all(upstreams.splice(0).map((upstream) => upstream.close()));
  });

  const get = async (path: string, headers: Record<string, string> = {}) => {
    const response = await fetch(`${proxy.url}${path}`, { headers });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      text,
      body: response.ok ? undefined : (JSON.parse(text) as Record<string, unknown>),
    };
  };
  const bearer = (key: string) => ({ authorization: `Bearer ${key}` });
  const lastRecord = () => proxy.records.at(-1)!;

  it('S0-01 takes the key as Bearer, in any case, or as X-API-Key', async () => {
    for (const headers of [bearer(proxy.alice), { authorization: `bearer  ${proxy.alice}` }, { 'X-API-Key': proxy.alice }]) {
      expect((await get('/proxy/s1/x', headers as Record<string, string>)).text).toBe('alice s1 /x');
    }
  });

  it('S0-01 answers 401 without a key, and says how to send one', async () => {
    const { status, headers, body } = await get('/proxy/s1/');
    expect([status, headers.get('www-authenticate'), headers.get('content-type')]).toEqual([
      401,
      'Bearer realm="sandlot"',
      'application/problem+json',
    ]);
    expect(body).toMatchObject({ code: 'UNAUTHENTICATED', detail: expect.stringContaining('Authorization: Bearer') });
    expect(lastRecord()).toMatchObject({ status: 401, code: 'UNAUTHENTICATED', reason: 'no key' });
  });

  it('S0-02 answers every key that is not accepted alike, and says why only in the record, under its holder', async () => {
    const { directory } = proxy;
    directory.users.set('usr_off', { userId: 'usr_off' as never, username: 'off', role: 'user', status: 'disabled' });
    const cases: [string, string, string | undefined][] = [
      ['nonsense', 'malformed key', undefined],
      [`${proxy.alice.slice(0, -1)}!`, 'malformed key', undefined],
      [proxy.alice.replace(/^slk_(.)(.)/, 'slk_$2$1').replace(/^slk_../, 'slk_zQ'), 'malformed key', undefined], // its checksum is wrong
      [nobodysKey(), 'unknown key', undefined],
      [
        directory.addKey('alice', { expiresAt: new Date(Date.now() - 1000).toISOString() }),
        'key expired',
        directory.users.keys().next().value,
      ],
      [directory.addKey('alice', { expiresAt: 'not a date' }), 'key expired', directory.users.keys().next().value],
      [directory.addKey('alice', { status: 'revoked' }), 'key revoked', directory.users.keys().next().value],
      [directory.addKey('alice', { userId: 'usr_off' as never }), 'user disabled', 'usr_off'],
      [directory.addKey('alice', { userId: 'usr_gone' as never }), 'unknown user', 'usr_gone'],
    ];
    const answers = new Set<string>();
    for (const [key, reason, userId] of cases) {
      const { status, body } = await get('/proxy/s1/', bearer(key));
      answers.add(JSON.stringify({ ...body, status, requestId: '', instance: '' }));
      expect(lastRecord()).toMatchObject({ status: 401, reason });
      expect(lastRecord().userId).toBe(userId);
    }
    expect([...answers]).toHaveLength(1);
  });

  it('takes one credential, of the right scheme', async () => {
    const raw = (lines: string) => sendRaw(proxy.port, `GET /proxy/s1/ HTTP/1.1\r\nHost: x\r\n${lines}\r\n`, isWholeResponse);
    expect((await raw(`Authorization: Bearer ${proxy.alice}\r\nX-API-Key: ${proxy.bob}\r\n`)).status).toBe(400);
    expect((await raw(`X-API-Key: ${proxy.alice}\r\nX-API-Key: ${proxy.alice}\r\n`)).status).toBe(400);
    expect((await raw(`Authorization: Basic ${proxy.alice}\r\n`)).status).toBe(401);
    expect((await raw(`Proxy-Authorization: Bearer ${proxy.alice}\r\n`)).status).toBe(401);
    expect((await raw(`Cookie: key=${proxy.alice}\r\n`)).status).toBe(401);
  });

  it('exempts nothing: no method, path, user agent or forwarding header gets in without a key', async () => {
    for (const method of ['OPTIONS', 'HEAD', 'POST', 'PROPFIND']) {
      expect(
        (await sendRaw(proxy.port, `${method} /proxy/s1/health HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`))
          .status,
      ).toBe(401);
    }
    const headers = {
      'user-agent': 'kube-probe/1.36',
      'x-forwarded-uri': '/health',
      'x-original-url': '/health',
      'x-forwarded-for': '127.0.0.1',
    };
    for (const path of ['/proxy/s1/health', '/proxy/s1/x.css', '/alice/s1/openapi.json'])
      expect((await get(path, headers)).status).toBe(401);
  });

  it('S0-04 lets a user reach only their own sandboxes', async () => {
    expect((await get('/proxy/s1/x', bearer(proxy.alice))).text).toBe('alice s1 /x');
    expect((await get('/proxy/s1/x', bearer(proxy.bob))).text).toBe('bob s1 /x');
    expect((await get('/alice/s2/', bearer(proxy.alice))).status).toBe(200);
    for (const path of ['/bob/s1/', '/bob/s3/', '/proxy/s3/']) expect((await get(path, bearer(proxy.alice))).status).toBe(404);
    for (const path of ['/alice/s1/', '/alice/s2/', '/proxy/s2/']) expect((await get(path, bearer(proxy.bob))).status).toBe(404);
  });

  it('S0-04 S1-10 answers for somebody else’s sandbox as for none', async () => {
    const answers = await Promise.all(
      ['/bob/s1/', '/bob/none/', '/nobody/s1/', '/proxy/none/'].map((path) => get(path, bearer(proxy.alice))),
    );
    const bodies = answers.map(({ body }) => JSON.stringify({ ...body, requestId: '', instance: '' }));
    expect(new Set(bodies).size).toBe(1);
    expect(answers[0]!.body).toMatchObject({ status: 404, code: 'SANDBOX_NOT_FOUND', detail: 'Sandbox not found' });
  });

  it('S0-04 goes by the owner that the route names, not only by its address', async () => {
    const route = proxy.directory.routes.get('bob.s1')!;
    proxy.directory.routes.set('alice.stale', route);
    expect((await get('/proxy/stale/', bearer(proxy.alice))).status).toBe(404);
  });

  it('C1 lets administrators cross by the address that names the user', async () => {
    expect((await get('/alice/s1/x', bearer(proxy.root))).text).toBe('alice s1 /x');
    expect((await get('/proxy/s1/x', bearer(proxy.root))).status).toBe(404);
    expect(lastRecord()).toMatchObject({ username: 'root', sandbox: 's1' });
  });

  it.each([
    ['starting', 503, '1'], ['resuming', 503, '1'], ['pausing', 503, '5'], ['paused', 503, '5'], ['failed', 503, '5'], ['deleting', 404, null], ['deleted', 404, null],
  ] as const)('S1-11 answers for a sandbox that is %s', async (state, status, retryAfter) => {
    proxy.directory.addSandbox('alice', 'x', '127.0.0.1:1', { state });
    const answer = await get('/proxy/x/', bearer(proxy.alice));
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([status, retryAfter]);
    if (status === 503) expect(answer.body).toMatchObject({ code: 'SANDBOX_NOT_READY', detail: 'Sandbox not ready', state });
  }); // prettier-ignore

  it.each(['starting', 'resuming'] as const)('looks again before it turns away who asks for a sandbox that is %s', async (state) => {
    const running = proxy.directory.routes.get('alice.s1')!;
    const behind = { ...running, state, ports: [] };
    const route = jest.spyOn(proxy.directory, 'route').mockReturnValue(behind);
    expect((await get('/proxy/s1/x', bearer(proxy.alice))).text).toBe('alice s1 /x');
    route.mockRestore();
  });

  it('keeps serving what it knows when nobody can be asked, and says 503 for the rest, never 401', async () => {
    proxy.directory.away = true;
    expect((await get('/proxy/s1/', bearer(proxy.alice))).status).toBe(200);
    for (const [path, key] of [
      ['/proxy/s9/', proxy.alice],
      ['/proxy/s1/', nobodysKey()],
    ] as const) {
      const answer = await get(path, bearer(key));
      expect([answer.status, answer.headers.get('retry-after'), answer.body!.code]).toEqual([503, '1', 'UNAVAILABLE']);
    }
  });

  it('waits for answers that are not in memory', async () => {
    proxy.directory.slow = true;
    expect((await get('/proxy/s1/x', bearer(proxy.alice))).text).toBe('alice s1 /x');
    expect((await get('/proxy/none/', bearer(proxy.alice))).status).toBe(404);
  });

  it('S0-04 no spelling of a path reaches a sandbox other than the one that was authorised, nor another target', async () => {
    const up = ['..', '.', '%2e%2e', '%2E%2e', '..%2f', '%2f', '%5c', '\\', '..\\', '%252e%252e', '..;', '', '%00', '%c0%ae', '....'];
    const paths = up.flatMap((step) => [
      `/proxy/${step}/bob/s3/x`, `/proxy/s1/${step}/s3/x`, `/proxy/s1/${step}/${step}/bob/s3/x`, `/alice/${step}/bob/s3/x`, `/alice/s1/${step}/${step}/bob/s3`,
      `/${step}/bob/s3/x`, `/alice${step}/bob/s3`, `/alice/s1${step}/../bob/s3`, `/api/${step}/bob/s3/x`, `/proxy/s1:${step}/bob/s3`,
    ]); // prettier-ignore
    for (const path of paths) {
      const answer = await sendRaw(proxy.port, `GET ${path} HTTP/1.1\r\nHost: x\r\nX-API-Key: ${proxy.alice}\r\nConnection: close\r\n\r\n`);
      const reached = /\r\n\r\n(?:[0-9a-f]+\r\n)?((?:alice|bob) s\d \S*)/.exec(answer.text)?.[1];
      if (answer.status !== 200) expect([400, 404, 503]).toContain(answer.status);
      else expect(reached).toBe(`alice s1 ${path.replace(/^\/(proxy|alice)\/s1/, '') || '/'}`);
    }
    expect(paths.length).toBeGreaterThanOrEqual(150);
  });
});

/** A key that is well-formed, and nobody's. */
function nobodysKey(): string {
  return formatApiKey(crypto.getRandomValues(new Uint8Array(32)));
}
