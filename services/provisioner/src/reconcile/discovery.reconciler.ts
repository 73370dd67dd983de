import { isDeepStrictEqual } from 'node:util';
import { aggregateRef, discoveredRouteKey, type DiscoveredRoute } from '@sandlot/contracts';
import { serviceContext, type Commands } from '@sandlot/event-store';
import { systemClock, type Clock } from '@sandlot/kernel';
import type { Table } from '@sandlot/service-kit';
import type { Reconciled } from '@sandlot/consumers';
import type { Discovered } from '../discovered.js';
import { discoveryDecider, type ReportDiscovery } from '../domain/discovery/discovery.js';
import { partsOf } from '../domain/discovery/foreign-sandbox.js';

/**
 * Tells the proxies of Sandbox objects that somebody else made, one address at a time. Of those objects it changes nothing. The log is told
 * first: a route that no event explains must not be there.
 */
export class DiscoveryReconciler {
  constructor(
    private readonly commands: Commands,
    private readonly discovered: Discovered,
    private readonly routes: Table<DiscoveredRoute>,
    private readonly clock: Clock = systemClock,
  ) {}

  async reconcile(address: string): Promise<Reconciled> {
    const { username, name } = partsOf(address);
    const verdict = await this.discovered.verdictAt(address);
    const key = discoveredRouteKey(username, name);
    const found = await this.routes.find(key);
    if (verdict !== 'nothing' && 'route' in verdict) {
      await this.report(address, verdict);
      const changed = !found || !isDeepStrictEqual(found.value, verdict.route);
      if (changed) await this.routes.put(key, verdict.route, found?.revision);
      return changed ? { changed: 'published' } : {};
    }
    if (found) await this.routes.remove(key, found.revision);
    await this.report(address, { reason: verdict === 'nothing' ? 'GONE' : verdict.objection.reason });
    return found ? { changed: 'withdrawn' } : {};
  }

  private async report(address: string, seen: ReportDiscovery['seen']): Promise<void> {
    const ref = aggregateRef('discovery', address);
    const { state, revision } = await this.commands.load(discoveryDecider, ref);
    const report = { type: 'ReportDiscovery', seen } as const;
    if (discoveryDecider.decide(report, state).length === 0) return;
    await this.commands.handle(serviceContext('provisioner', revision, this.clock), async (work) => {
      (await work.load(discoveryDecider, ref)).decide(report);
    });
  }
}
