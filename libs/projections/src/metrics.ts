import { metrics } from '@opentelemetry/api';
import type { ProjectionStatus } from './read-model.js';

const meter = metrics.getMeter('sandlot.projections');
const runners = new Set<() => readonly ProjectionStatus[]>();

/** Each time that something stopped a projection or made it wait. */
export const errors = meter.createCounter('sandlot_projection_errors_total', { description: 'Failures to read or apply events' });

gauge('sandlot_projection_lag_events', 'Events in the log that are not applied', (status) => status.lagEvents);
gauge('sandlot_projection_lag_seconds', 'Age of the oldest event that is not applied, in seconds', (status) => status.lagSeconds);
gauge('sandlot_projection_stopped', '1 when parked or halted: an operator is needed', ({ state }) =>
  state === 'parked' || state === 'halted' ? 1 : 0,
);
gauge('sandlot_projection_rebuild_progress_ratio', 'How much of a rebuild is done, 0 to 1', (status) => status.rebuild?.progress);

/** Reports the status of a runner's projections, where it is the active one, until the returned function is called. */
export function observe(status: () => readonly ProjectionStatus[]): () => void {
  runners.add(status);
  return () => void runners.delete(status);
}

function gauge(name: string, description: string, value: (status: ProjectionStatus) => number | undefined): void {
  meter.createObservableGauge(name, { description }).addCallback((result) => {
    for (const status of [...runners].flatMap((runner) => runner())) {
      const seen = value(status);
      if (status.active && seen !== undefined) result.observe(seen, { service: status.service, projection: status.name });
    }
  });
}
