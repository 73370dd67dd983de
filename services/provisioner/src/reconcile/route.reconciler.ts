import { aggregateRef, routeKey, type RouteRecord } from '@sandlot/contracts';
import { serviceContext, type Commands, type Revision } from '@sandlot/event-store';
import { systemClock, type Clock, type SandboxId } from '@sandlot/kernel';
import type { Table } from '@sandlot/service-kit';
import { previewDecider, previewsAt } from '../domain/preview/preview.js';
import { routeDecider, sameRoute } from '../domain/route/route.js';
import { sandboxDecider } from '../domain/sandbox/decide.js';
import { wantedRoute } from './plan.js';
import type { Reconciled } from '@sandlot/consumers';

/** Tells the proxies where each sandbox is. A name may have passed on to a newer sandbox: only a route of our own is withdrawn. */
export class RouteReconciler {
  constructor(
    private readonly commands: Commands,
    private readonly routes: Table<RouteRecord>,
    private readonly clock: Clock = systemClock,
  ) {}

  async reconcile(id: SandboxId): Promise<Reconciled> {
    const { state: sandbox, revision } = await this.commands.load(sandboxDecider, aggregateRef('sandbox', id));
    if (sandbox.status === 'absent') return {};
    const key = routeKey(sandbox.username, sandbox.name);
    const found = await this.routes.find(key);
    const ours = found?.value.sandboxId === id;
    const over = sandbox.status === 'deleted' && !ours; // what is left of it is only ever kept, never put up again
    const { state: previews } = await this.commands.load(previewDecider, aggregateRef('preview', id));
    const now = this.clock.now();
    const wanted = over ? undefined : wantedRoute(id, sandbox, now.getTime(), previewsAt(previews, now.toISOString()));
    if (wanted) {
      const changed = !found || !sameRoute(found.value, wanted);
      if (changed) await this.routes.put(key, wanted, found?.revision);
      await this.report(id, revision, wanted);
      return changed ? { changed: 'published' } : {};
    }
    if (ours) await this.routes.remove(key, found.revision);
    await this.report(id, revision, undefined);
    return ours ? { changed: 'withdrawn' } : {};
  }

  private async report(id: SandboxId, because: Revision, route: RouteRecord | undefined): Promise<void> {
    const ref = aggregateRef('route', id);
    const { state } = await this.commands.load(routeDecider, ref);
    if (routeDecider.decide({ type: 'ReportRoute', route }, state).length === 0) return;
    await this.commands.handle(serviceContext('provisioner', because, this.clock), async (work) => {
      (await work.load(routeDecider, ref)).decide({ type: 'ReportRoute', route });
    });
  }
}
