import type { Decider } from '@sandlot/kernel';
import { sameAddresses, RoutePublished, RouteWithdrawn, type RouteEvent, type RoutePreview, type RouteRecord } from '@sandlot/contracts';

/** What the proxies were last told of a sandbox. */
export type Route = { status: 'withdrawn' } | { status: 'published'; route: RouteRecord };

/** What stands in the bucket now: a route, or nothing. */
export interface ReportRoute {
  type: 'ReportRoute';
  route: RouteRecord | undefined;
}

export const routeDecider: Decider<Route, ReportRoute, RouteEvent> = {
  initialState: { status: 'withdrawn' },
  decide({ route }, known) {
    if (!route) return known.status === 'published' ? [RouteWithdrawn({})] : [];
    return known.status === 'published' && sameRoute(known.route, route) ? [] : [RoutePublished({ route })];
  },
  evolve(known, event) {
    switch (event.type) {
      case 'route.published.v1':
        return { status: 'published', route: event.data.route };
      case 'route.withdrawn.v1':
        return { status: 'withdrawn' };
      default:
        return known;
    }
  },
};

export const sameRoute = (one: RouteRecord, other: RouteRecord): boolean =>
  one.sandboxId === other.sandboxId &&
  one.owner === other.owner &&
  one.username === other.username &&
  one.name === other.name &&
  one.state === other.state &&
  one.reason === other.reason &&
  one.idleTimeoutSeconds === other.idleTimeoutSeconds &&
  sameAddresses(one.ports, other.ports) &&
  one.ports.every(({ protocol }, index) => protocol === other.ports[index]!.protocol) &&
  samePreviews(one.previews ?? [], other.previews ?? []);

/** A preview never changes; it comes and goes. */
const samePreviews = (some: readonly RoutePreview[], others: readonly RoutePreview[]): boolean =>
  some.length === others.length && some.every(({ id }, index) => id === others[index]!.id);
