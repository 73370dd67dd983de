import { metrics } from '@opentelemetry/api';
import { AggregationTemporality, InMemoryMetricExporter, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { requestMetrics } from './request-metrics.js';

it('requests to the Kubernetes API are measured by resource, whichever form their path has', async () => {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 60_000 });
  const provider = new MeterProvider({ readers: [reader] });
  metrics.setGlobalMeterProvider(provider);
  const measure = requestMetrics();
  for (const path of [
    '/api/v1/namespaces',
    '/api/v1/namespaces/user-alice',
    '/api/v1/pods?watch=true',
    '/api/v1/namespaces/user-alice/resourcequotas/sandlot',
    '/apis/apps/v1/namespaces/user-alice/statefulsets?fieldManager=x',
    '/apis/agents.x-k8s.io',
  ])
    measure({ method: 'GET', path, status: 200, tookMs: 5 });
  await provider.forceFlush();
  const points = exporter.getMetrics()[0]!.scopeMetrics[0]!.metrics[0]!.dataPoints;
  expect(points.map(({ attributes }) => attributes.resource).sort()).toEqual(['-', 'namespaces', 'pods', 'resourcequotas', 'statefulsets']);
  await provider.shutdown();
  metrics.disable();
});
