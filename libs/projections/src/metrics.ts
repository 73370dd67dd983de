import { metrics, type Counter, type ObservableResult } from '@opentelemetry/api';
import type { ProjectionStatus } from './read-model.js';

// Instruments are made by whoever uses them, not when this file is loaded: the API hands out deaf ones until telemetry has started.

const meter = () => metrics.getMeter('@sandlot/projections');

/** What a runner shows of its read models: how far they are where it is the active one, and whether it is. */
export class ProjectionMetrics {
  private readonly failures: Counter;
  private readonly stops: (() => void)[] = [];

  constructor(
    private readonly service: string,
    private readonly status: () => readonly ProjectionStatus[],
  ) {
    this.failures = meter().createCounter('sandlot_projection_errors_total', { description: 'Failures to read or apply events' });
    this.gauge('sandlot_projection_lag_events', 'Events in the log that are not applied', ({ lagEvents }) => lagEvents);
    this.gauge('sandlot_projection_lag_seconds', 'Age of the oldest event that is not applied', ({ lagSeconds }) => lagSeconds);
    this.gauge('sandlot_projection_stopped', '1 when parked or halted, and not for an event of a newer version', ({ state, stopped }) =>
      (state === 'parked' || state === 'halted') && stopped?.code !== 'NEWER_EVENT' ? 1 : 0,
    );
    this.gauge('sandlot_projection_rebuild_progress_ratio', 'How much of a rebuild is done', ({ rebuild }) => rebuild?.progress ?? 1);
    this.observe('sandlot_leader', '1 where this process applies the read models of a service, 0 where it stands by', (result) => {
      const leads = status().some(({ active }) => active);
      result.observe(leads ? 1 : 0, { component: service });
    });
    for (const { name } of status()) this.failures.add(0, { service, projection: name });
  }

  /** Each time that something stopped a projection or made it wait. */
  failed(projection: string): void {
    this.failures.add(1, { service: this.service, projection });
  }

  close(): void {
    for (const stop of this.stops.splice(0)) stop();
  }

  private gauge(name: string, description: string, value: (status: ProjectionStatus) => number | undefined): void {
    this.observe(name, description, (result) => {
      for (const status of this.status()) {
        const seen = value(status);
        if (status.active && seen !== undefined) result.observe(seen, { service: status.service, projection: status.name });
      }
    });
  }

  private observe(name: string, description: string, callback: (result: ObservableResult) => void): void {
    const gauge = meter().createObservableGauge(name, { description });
    gauge.addCallback(callback);
    this.stops.push(() => gauge.removeCallback(callback));
  }
}
