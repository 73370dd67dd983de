import { metrics } from '@opentelemetry/api';
import { AggregationTemporality, InMemoryMetricExporter, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import type { Commands } from '@sandlot/event-store';
import { newId, systemClock } from '@sandlot/kernel';
import { recordDrift } from './drift-record.js';

it('what somebody else has changed is counted by concern, a deleted namespace too', async () => {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const provider = new MeterProvider({ readers: [new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 60_000 })] });
  metrics.setGlobalMeterProvider(provider);
  const commands = { handle: async () => undefined } as unknown as Commands;
  const because = { version: 1, position: 1, eventId: newId('evt') };
  const drift = (object: string) => ({ object, revision: '7', missing: true, differences: [{ path: '' }] });
  await recordDrift(
    commands,
    newId('usr'),
    'quota',
    [drift('ResourceQuota/sandlot'), drift('LimitRange/sandlot')],
    because as never,
    systemClock,
  );
  await recordDrift(commands, newId('usr'), 'namespace', [drift('Namespace/user-alice')], because as never, systemClock);
  await provider.forceFlush();
  const [counter] = exporter.getMetrics()[0]!.scopeMetrics[0]!.metrics;
  const counted = Object.fromEntries(counter!.dataPoints.map(({ attributes, value }) => [attributes.concern, value]));
  expect([counter!.descriptor.name, counted]).toEqual(['sandlot_drift_corrections_total', { quota: 2, namespace: 1 }]);
  await provider.shutdown();
  metrics.disable();
});
