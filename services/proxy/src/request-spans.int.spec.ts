import { propagation, trace } from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { RequestSpans } from './request-spans.js';
import { startProxy } from './testing/proxy-under-test.js';
import { httpUpstream } from './testing/raw-peers.js';

it('S0-63 one span for each request, below the one that the client names, whose id goes on to the sandbox', async () => {
  const exporter = new InMemorySpanExporter();
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  trace.setGlobalTracerProvider(new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] }));
  const proxy = await startProxy({ spans: new RequestSpans() });
  const sandbox = await httpUpstream((request, response) => response.end(request.headers.traceparent));
  proxy.directory.addSandbox('alice', 's1', sandbox.address);
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const ask = (path: string) => fetch(proxy.url + path, { headers: { 'x-api-key': proxy.alice, traceparent } });

  const passedOn = await (await ask('/proxy/s1/a?secret=1')).text();
  expect((await ask('/proxy/none/')).status).toBe(404);
  const spans = exporter.getFinishedSpans();
  expect(spans.map(({ attributes }) => attributes)).toMatchObject([
    { 'http.request.method': 'GET', 'http.response.status_code': 200, 'url.path': '/proxy/s1/a' },
    { 'http.response.status_code': 404, 'error.type': 'SANDBOX_NOT_FOUND' },
  ]);
  expect(spans.map((span) => [span.spanContext().traceId, span.parentSpanContext?.spanId])).toEqual(
    Array(2).fill([traceparent.slice(3, 35), traceparent.slice(36, 52)]),
  );
  expect(passedOn).toBe(`00-${spans[0]!.spanContext().traceId}-${spans[0]!.spanContext().spanId}-01`);

  await proxy.close();
  await sandbox.close();
  trace.disable();
  propagation.disable();
});
