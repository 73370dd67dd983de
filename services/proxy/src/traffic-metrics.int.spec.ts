import { startTelemetry, type Telemetry } from '@sandlot/service-kit';
import { PassThrough } from 'node:stream';
import { observePlane } from './plane-metrics.js';
import { startProxy, type ProxyUnderTest } from './testing/proxy-under-test.js';
import { httpUpstream, type HttpServer } from './testing/raw-peers.js';
import { TrafficMetrics } from './traffic-metrics.js';

describe('the metrics of a proxy', () => {
  let telemetry: Telemetry;
  let traffic: TrafficMetrics;
  let proxy: ProxyUnderTest;
  let sandbox: HttpServer;
  let stop: () => void;

  beforeAll(async () => {
    telemetry = await startTelemetry('proxy', {});
    traffic = new TrafficMetrics({ record: () => undefined }, 1);
    proxy = await startProxy({ recorder: traffic, limits: { requestsPerSecondPerKey: 3 } });
    const lookups = { keys: { hits: 5, misses: 1 }, routes: { hits: 3, misses: 2 } };
    const issuers = [{ name: 'company', fetches: { ok: 12, failed: 3 } }];
    stop = observePlane({ plane: proxy.plane, directory: { lookups }, recorder: { buffered: 7, dropped: 9 }, issuers });
    sandbox = await httpUpstream((request, response) => {
      request.resume().on('end', () => response.end('12345'));
    });
    for (const name of ['s1', 's2']) proxy.directory.addSandbox('alice', name, sandbox.address);
    const ask = (path: string, init?: RequestInit) => fetch(proxy.url + path, { ...init, headers: { 'x-api-key': proxy.alice } });
    for (let i = 0; i < 5; i++) expect((await ask('/proxy/s1/', { method: 'POST', body: 'abc' })).status).toBe(200);
    expect((await ask('/proxy/s2/')).status).toBe(200);
    expect((await ask('/proxy/none/')).status).toBe(404);
    expect((await fetch(`${proxy.url}/proxy/s1/`)).status).toBe(401);
  });
  afterAll(async () => {
    stop();
    await proxy.close();
    await sandbox.close();
    traffic.close();
    await telemetry.close();
  });

  const scrape = async (): Promise<string[]> => {
    const response = Object.assign(new PassThrough(), { statusCode: 0, setHeader: () => undefined });
    telemetry.scrape({} as never, response as never);
    let text = '';
    for await (const chunk of response) text += String(chunk);
    return text.split('\n');
  };

  it('S0-63 S1-29 tell requests, latency and errors, by method, route and status', async () => {
    const lines = await scrape();
    const labels = 'http_request_method="POST",http_route="/proxy/{sandbox}",http_response_status_code="200"';
    expect(lines).toContain(`http_server_request_duration_seconds_count{${labels}} 5`);
    expect(lines).toContain(`http_server_request_duration_seconds_bucket{${labels},le="+Inf"} 5`);
    expect(lines).toContain('sandlot_refusals_total{code="SANDBOX_NOT_FOUND"} 1');
    expect(lines).toContain('sandlot_refusals_total{code="UNAUTHENTICATED"} 1');
    expect(lines).toContain('sandlot_ratelimit_decisions_total{policy="key",decision="allowed"} 6');
  });

  it('tell bytes, what is open, what was known, and what waits to be recorded', async () => {
    const lines = await scrape();
    for (const line of [
      'sandlot_session_bytes_total{kind="http",direction="in"} 15',
      'sandlot_session_bytes_total{kind="http",direction="out"} 30',
      'sandlot_sessions_active{kind="tunnel"} 0',
      'http_server_active_requests 0',
      'sandlot_directory_lookups_total{bucket="routes",result="miss"} 2',
      'sandlot_access_buffered_records 7',
      'sandlot_access_dropped_total 9',
      'sandlot_jwks_fetches_total{issuer="company",result="failed"} 3',
      'sandlot_jwks_fetches_total{issuer="company",result="ok"} 12',
    ])
      expect(lines).toContain(line);
  });

  it('S0-63 S1-29 tell requests by sandbox, where that is asked for, and of no more sandboxes than that', async () => {
    const lines = await scrape();
    expect(lines).toContain('sandlot_sandbox_requests_total{username="alice",sandbox="s1",status="2xx"} 5');
    expect(lines).toContain('sandlot_sandbox_requests_total{username="_other",sandbox="_other",status="2xx"} 1');
    expect(lines.join()).not.toContain('sandbox="s2"');
  });
});
