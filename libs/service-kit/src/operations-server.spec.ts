import { Health, startOperationsServer, startTelemetry, type OperationsServer, type Telemetry } from './index.js';

describe('the operations port', () => {
  const health = new Health();
  let telemetry: Telemetry;
  let server: OperationsServer;
  const get = async (path: string, init?: RequestInit) => {
    const response = await fetch(`http://127.0.0.1:${server.port}${path}`, init);
    return { status: response.status, allow: response.headers.get('allow'), text: await response.text() };
  };

  beforeAll(async () => {
    telemetry = await startTelemetry('test', {});
    server = await startOperationsServer({ port: 0, host: '127.0.0.1', health, telemetry });
  });
  afterAll(async () => {
    await server.close();
    await telemetry.close();
  });

  it('says alive from the beginning, ready once started, not ready while a check fails or it drains', async () => {
    expect(await get('/livez')).toMatchObject({ status: 200 });
    expect(await get('/readyz')).toMatchObject({ status: 503, text: '[-]starting\nnot ready\n' });
    let broken = true;
    health.add('nats', () => undefined);
    health.add('database', () => {
      if (broken) throw new Error('connect ECONNREFUSED');
    });
    health.started();
    expect(await get('/readyz?verbose')).toMatchObject({ status: 503, text: '[+]nats ok\n[-]database connect ECONNREFUSED\nnot ready\n' });
    broken = false;
    expect(await get('/readyz?verbose')).toMatchObject({ status: 200, text: '[+]nats ok\n[+]database ok\nready\n' });
    expect(await get('/readyz')).toMatchObject({ status: 200, text: 'ready\n' });
    health.drain();
    expect(await get('/readyz')).toMatchObject({ status: 503, text: expect.stringContaining('[-]draining') });
    expect(await get('/livez')).toMatchObject({ status: 200 });
  });

  it('has metrics for Prometheus, with the build and the runtime', async () => {
    const { status, text } = await get('/metrics');
    expect(status).toBe(200);
    expect(text).toMatch(/^sandlot_build_info\{version="\d+\.\d+\.\d+",node="\d+/m);
    expect(text).toMatch(/^process_resident_memory_bytes \d+/m);
    expect(text).toMatch(/^nodejs_eventloop/m);
  });

  it('answers everything else with a problem', async () => {
    expect(await get('/x')).toMatchObject({ status: 404, text: expect.stringContaining('"code":"NOT_FOUND"') });
    expect(await get('/metrics', { method: 'POST' })).toMatchObject({ status: 405, allow: 'GET, HEAD' });
  });
});
