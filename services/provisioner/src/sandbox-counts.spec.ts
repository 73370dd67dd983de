import { metrics } from '@opentelemetry/api';
import { AggregationTemporality, InMemoryMetricExporter, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { observeSandboxes } from './sandbox-counts.js';

it('S0-63 sandboxes are counted by state, and discovered ones beside them, also while PostgreSQL is away', async () => {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const provider = new MeterProvider({ readers: [new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 60_000 })] });
  metrics.setGlobalMeterProvider(provider);
  let away = false;
  const countByState = () => (away ? Promise.reject(new Error('away')) : Promise.resolve(new Map([['running', 2]] as const)));
  const stop = observeSandboxes({ countByState }, { count: () => 3 });
  const counted = async () => {
    exporter.reset();
    await provider.forceFlush();
    const shown = exporter.getMetrics()[0]!.scopeMetrics[0]!.metrics;
    return Object.fromEntries(
      shown.flatMap(({ descriptor, dataPoints }) =>
        dataPoints.map(({ attributes, value }) => [`${descriptor.name} ${String(attributes.state ?? '')}`.trim(), value]),
      ),
    );
  };
  expect(await counted()).toMatchObject({ 'sandlot_sandboxes running': 2, 'sandlot_sandboxes paused': 0, sandlot_discovered_sandboxes: 3 });
  away = true;
  expect(await counted()).toMatchObject({ sandlot_discovered_sandboxes: 3 });
  stop();
  await provider.shutdown();
  metrics.disable();
});
