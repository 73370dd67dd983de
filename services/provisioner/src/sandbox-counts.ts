import { metrics, type ObservableResult } from '@opentelemetry/api';
import { SandboxState } from '@sandlot/contracts';
import type { Discovered } from './discovered.js';
import type { SandboxList } from './sandbox-list.js';

/**
 * How many sandboxes there are, of the read model and by state, which says nothing while PostgreSQL is away; and how many of somebody else's
 * are known. @returns stops it
 */
export function observeSandboxes(list: Pick<SandboxList, 'countByState'>, discovered: Pick<Discovered, 'count'>): () => void {
  const meter = metrics.getMeter('@sandlot/provisioner');
  const gauge = meter.createObservableGauge('sandlot_sandboxes', {
    description: 'Sandboxes of all users by state, those that are gone left out; every provisioner shows all of them',
  });
  const observe = async (result: ObservableResult) => {
    const counts = await list.countByState().catch(() => undefined);
    if (!counts) return;
    for (const state of SandboxState.exclude(['deleted']).options) result.observe(counts.get(state) ?? 0, { state });
  };
  const foreign = meter.createObservableGauge('sandlot_discovered_sandboxes', {
    description: 'Sandboxes that somebody else made and that have an address here; every provisioner shows all of them',
  });
  const observeForeign = (result: ObservableResult) => result.observe(discovered.count());
  gauge.addCallback(observe);
  foreign.addCallback(observeForeign);
  return () => {
    gauge.removeCallback(observe);
    foreign.removeCallback(observeForeign);
  };
}
