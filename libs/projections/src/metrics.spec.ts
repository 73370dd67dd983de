import { metrics } from '@opentelemetry/api';
import { AggregationTemporality, InMemoryMetricExporter, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { ProjectionMetrics } from './metrics.js';
import { remedies, type ProjectionStatus, type StopCode } from './read-model.js';

const halted = (code: StopCode): ProjectionStatus => ({
  service: 'auth', name: code, state: 'halted', active: true, live: 'blue', position: 7, skipped: [],
  stopped: { code, reason: 'position 8', remedy: remedies[code], at: 8 },
}); // prettier-ignore

it('a read model counts as stopped when an operator is needed, and not while it waits for its service to be updated', async () => {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const provider = new MeterProvider({ readers: [new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 60_000 })] });
  metrics.setGlobalMeterProvider(provider);
  const shown = new ProjectionMetrics('auth', () => [halted('GAP'), halted('NEWER_EVENT')]);
  await provider.forceFlush();
  const all = exporter.getMetrics()[0]!.scopeMetrics[0]!.metrics;
  const points = all.find(({ descriptor }) => descriptor.name === 'sandlot_projection_stopped')!.dataPoints;
  expect(points.map(({ attributes, value }) => [attributes.projection, value])).toEqual([['GAP', 1], ['NEWER_EVENT', 0]]); // prettier-ignore
  shown.close();
  await provider.shutdown();
  metrics.disable();
});
