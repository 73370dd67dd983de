import { metrics, type Attributes, type ObservableResult } from '@opentelemetry/api';

// Instruments are made by whoever uses them, not when this file is loaded: the API hands out deaf ones until telemetry has started.

const meter = () => metrics.getMeter('@sandlot/consumers');
const seconds = { unit: 's', advice: { explicitBucketBoundaries: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300] } };

export type HandlingOutcome = 'handled' | 'retried' | 'dead' | 'interrupted';

export class ConsumerMetrics {
  private readonly duration = meter().createHistogram('sandlot_consumer_process_duration_seconds', {
    ...seconds,
    description: 'How long handlers took, by what came of it',
  });
  private readonly redeliveries = meter().createCounter('sandlot_consumer_redeliveries_total', {
    description: 'Deliveries of an event that had been delivered before',
  });
  private readonly skips = meter().createCounter('sandlot_consumer_skipped_total', {
    description: 'Events of a type that this version does not know, acknowledged without a handler',
  });
  private readonly letters = meter().createCounter('sandlot_dead_letters_total', { description: 'Events that a handler gave up on' });

  /** @param pending what each consumer has before it, asked when the metrics are read */
  constructor(pending: () => Promise<ReadonlyMap<string, number>>) {
    const gauge = meter().createObservableGauge('sandlot_consumer_pending_messages', { description: 'Events not yet delivered' });
    const observe = async (result: ObservableResult<Attributes>) => {
      for (const [consumer, count] of await pending()) result.observe(count, { consumer });
    };
    gauge.addCallback(observe);
    this.close = () => gauge.removeCallback(observe);
  }

  readonly close: () => void;

  processed(consumer: string, outcome: HandlingOutcome, startedAt: number): void {
    this.duration.record((performance.now() - startedAt) / 1000, { consumer, outcome });
  }

  redelivered(consumer: string): void {
    this.redeliveries.add(1, { consumer });
  }

  skipped(consumer: string): void {
    this.skips.add(1, { consumer });
  }

  deadLetter(consumer: string): void {
    this.letters.add(1, { consumer });
  }
}

export class ReconcileMetrics {
  private readonly duration = meter().createHistogram('sandlot_reconcile_duration_seconds', {
    ...seconds,
    description: 'How long one run of a reconciler took',
  });

  constructor(
    private readonly kind: string,
    depth: () => number,
  ) {
    const gauge = meter().createObservableGauge('sandlot_reconcile_queue_depth', { description: 'Ids that wait for a run' });
    const observe = (result: ObservableResult<Attributes>) => result.observe(depth(), { kind });
    gauge.addCallback(observe);
    this.close = () => gauge.removeCallback(observe);
  }

  readonly close: () => void;

  ran(outcome: 'succeeded' | 'failed', startedAt: number): void {
    this.duration.record((performance.now() - startedAt) / 1000, { kind: this.kind, outcome });
  }
}
