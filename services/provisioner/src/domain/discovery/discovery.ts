import { DiscoveryPublished, DiscoveryWithdrawn, type DiscoveredRoute, type DiscoveryEvent } from '@sandlot/contracts';
import type { Decider } from '@sandlot/kernel';

/** Which object the proxies were last told of, at one address. */
export type Discovery = { status: 'withdrawn' } | { status: 'published'; uid: string; shared: boolean };

/** What is to stand in the bucket: a route, or nothing and why. */
export interface ReportDiscovery {
  type: 'ReportDiscovery';
  seen: { route: DiscoveredRoute } | { reason: string };
}

export const discoveryDecider: Decider<Discovery, ReportDiscovery, DiscoveryEvent> = {
  initialState: { status: 'withdrawn' },
  decide({ seen }, known) {
    if ('reason' in seen) return known.status === 'published' ? [DiscoveryWithdrawn({ reason: seen.reason })] : [];
    const { username, name, namespace, uid, shared } = seen.route;
    if (known.status === 'published' && known.uid === uid && known.shared === shared) return [];
    return [DiscoveryPublished({ username, name, namespace, uid, shared })];
  },
  evolve(known, event) {
    switch (event.type) {
      case 'discovery.published.v1':
        return { status: 'published', uid: event.data.uid, shared: event.data.shared };
      case 'discovery.withdrawn.v1':
        return { status: 'withdrawn' };
      default:
        return known;
    }
  },
};
