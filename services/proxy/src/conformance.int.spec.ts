import { CONFORMANCE_CASES, see } from './testing/conformance-cases.js';
import { answeringEach, probe } from './testing/http-probe.js';
import { startProxy, type ProxyUnderTest } from './testing/proxy-under-test.js';
import { rawUpstream, type RawServer } from './testing/raw-peers.js';

describe('what RFC 9110 and 9112 ask of a forwarder', () => {
  let proxy: ProxyUnderTest;
  const upstreams: RawServer[] = [];
  const found: string[] = [];

  beforeAll(async () => {
    proxy = await startProxy();
    const asked = CONFORMANCE_CASES.map(async (one, i) => {
      const upstream = await rawUpstream(answeringEach({ answer: 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok', ...one }));
      upstreams.push(upstream);
      proxy.directory.addSandbox('alice', `c${i}`, upstream.address);
      const door = { port: proxy.port, prefix: `/proxy/c${i}/`, credentials: `X-API-Key: ${proxy.alice}\r\n` };
      found[i] = one.read(see(await probe(door, upstream, one.request, one)));
    });
    await Promise.all(asked);
  }, 60_000);

  afterAll(async () => {
    await proxy.close();
    await Promise.all(upstreams.map((upstream) => upstream.close()));
  });

  const rows = CONFORMANCE_CASES.map(({ rfc, what, right, ours = right[0]! }, i) => [rfc, what, ours, i, right] as const);

  it.each(rows)('RFC %s: %s: %s', (_, __, ours, i, right) => {
    expect(found[i]).toBe(ours);
    expect(right).toContain(ours);
  });
});
