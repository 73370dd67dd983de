import { metrics } from '@opentelemetry/api';
import type { AppendResult, Write } from './event-store.js';

/** How the log takes what is appended. Made with the store that uses it: the API hands out deaf instruments until telemetry has started. */
export class AppendMetrics {
  private readonly appended = metrics.getMeter('@sandlot/event-store').createCounter('sandlot_events_appended_total', {
    description: 'Events that this process has appended to the log, by kind of aggregate',
  });
  private readonly duration = metrics.getMeter('@sandlot/event-store').createHistogram('sandlot_event_append_duration_seconds', {
    unit: 's',
    description: 'How long appends took, repetitions included, by what came of them',
    advice: { explicitBucketBoundaries: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] },
  });
  private readonly conflicts = metrics.getMeter('@sandlot/event-store').createCounter('sandlot_append_conflicts_total', {
    description: 'Appends that found a newer event than the one that they were decided on',
  });

  ended(outcome: AppendResult['outcome'] | 'failed', writes: readonly Write[], startedAt: number): void {
    this.duration.record((performance.now() - startedAt) / 1_000, { outcome });
    this.conflicts.add(outcome === 'conflict' ? 1 : 0); // also 0, so that it is shown before the first one
    if (outcome !== 'appended') return;
    for (const { aggregate, facts } of writes) this.appended.add(facts.length, { category: aggregate.aggregate });
  }
}
