import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readForwarded } from './testing/forwarded-requests.js';
import { answeringEach, probe, type Observation } from './testing/http-probe.js';
import { rawUpstream, type RawServer } from './testing/raw-peers.js';
import { SMUGGLING_PAYLOADS } from './testing/smuggling-payloads.js';
import { startProxy, type ProxyUnderTest } from './testing/proxy-under-test.js';

describe('the smuggling payloads', () => {
  let proxy: ProxyUnderTest;
  const upstreams: RawServer[] = [];
  const observed: Observation[] = [];

  beforeAll(async () => {
    proxy = await startProxy({ headersTimeoutMs: 60_000 });
    const asked = SMUGGLING_PAYLOADS.map(async ({ bytes }, i) => {
      const upstream = await rawUpstream(answeringEach({ answer: 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok' }));
      upstreams.push(upstream);
      proxy.directory.addSandbox('alice', `p${i}`, upstream.address);
      const door = { port: proxy.port, prefix: `/proxy/p${i}/`, credentials: `X-API-Key: ${proxy.alice}\r\n` };
      observed[i] = await probe(door, upstream, bytes);
    });
    await Promise.all(asked);
  }, 60_000);

  afterAll(async () => {
    await proxy.close();
    await Promise.all(upstreams.map((upstream) => upstream.close()));
  });

  const all = SMUGGLING_PAYLOADS.map((payload, i) => ({ ...payload, i }));
  const forwarded = (i: number) => readForwarded(observed[i]!.upstream);

  it('are at least 150', () => {
    expect(SMUGGLING_PAYLOADS.length).toBeGreaterThanOrEqual(150);
  });

  it('reach no sandbox where they must be refused', () => {
    const passed = all.filter(({ refused, i }) => refused && observed[i]!.upstream !== '').map(({ name }) => name);
    expect(passed).toEqual([]);
  });

  it('are answered with an error where they are refused, or, in the middle of a body, with the end', () => {
    const unrefused = all.filter(({ refused, i }) => refused && !hasError(observed[i]!)).map(({ name }) => name);
    expect(unrefused).toEqual([]);
  });

  it('are canonical where they are forwarded', () => {
    const flawed = all.map(({ name, i }) => ({ name, flaws: forwarded(i).flaws })).filter(({ flaws }) => flaws.length > 0);
    expect(flawed).toEqual([]);
  });

  it('are as many requests for the sandbox as were recorded as passed', () => {
    for (const { name, i } of all) {
      const records = proxy.records.filter(({ path, status }) => path.startsWith(`/proxy/p${i}/`) && status === 200);
      expect({ name, count: forwarded(i).count }).toEqual({ name, count: records.length });
    }
  });

  it('are never more requests to us than to another proxy that passes them on', () => {
    const file = join(import.meta.dirname, '../../../bench/proxy/results/peers.json');
    const { smuggling } = JSON.parse(readFileSync(file, 'utf8')) as { smuggling: Record<string, Record<string, { count: number }>> };
    const more = all.filter(({ name, i }) => Object.values(smuggling[name]!).some(({ count }) => count > 0 && count < forwarded(i).count));
    expect(more).toEqual([]);
  });
});

function hasError({ client, ended }: Observation): boolean {
  return client === '' ? ended !== 'open' : /^HTTP\/1\.1 [45]/.test(client);
}
