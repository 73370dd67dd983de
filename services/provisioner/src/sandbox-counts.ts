import { metrics, type ObservableResult } from '@opentelemetry/api';
import { SandboxState } from '@sandlot/contracts';
import type { SandboxList } from './sandbox-list.js';

/** How many sandboxes there are, of the read model and by state; nothing while PostgreSQL is away. @returns stops it */
export function observeSandboxes(list: Pick<SandboxList, 'countByState'>): () => void {
  const gauge = metrics.getMeter('@sandlot/provisioner').createObservableGauge('sandlot_sandboxes', {
    description: 'Sandboxes of all users by state, those that are gone left out; every provisioner shows all of them',
  });
  const observe = async (result: ObservableResult) => {
    const counts = await list.countByState().catch(() => undefined);
    if (!counts) return;
    for (const state of SandboxState.exclude(['deleted']).options) result.observe(counts.get(state) ?? 0, { state });
  };
  gauge.addCallback(observe);
  return () => gauge.removeCallback(observe);
}
