import { metrics, type ObservableResult } from '@opentelemetry/api';
import type { Pool } from 'pg';

/** How many connections to PostgreSQL a pool has, and who waits for one. @returns stops it */
export function observePool(service: string, pool: Pool): () => void {
  const gauge = metrics.getMeter('@sandlot/projections').createObservableGauge('sandlot_db_pool_connections', {
    description: 'Connections of a read side to PostgreSQL that are at work or idle, and work that waits for one',
  });
  const observe = (result: ObservableResult) => {
    const states = { active: pool.totalCount - pool.idleCount, idle: pool.idleCount, waiting: pool.waitingCount };
    for (const [state, count] of Object.entries(states)) result.observe(count, { pool: service, state });
  };
  gauge.addCallback(observe);
  return () => gauge.removeCallback(observe);
}
