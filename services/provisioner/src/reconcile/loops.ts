import { backoff, idsOf, ReconcileLoop, type Reconciled } from '@sandlot/consumers';
import type { OwnedAggregate } from '@sandlot/contracts';
import type { NatsConnection } from '@nats-io/transport-node';

const fullPassMs = 10 * 60_000;

function loop(
  nats: NatsConnection,
  name: string,
  aggregate: OwnedAggregate,
  concurrency: number,
  reconcile: (id: never) => Promise<Reconciled>,
) {
  return {
    name,
    concurrency,
    everyMs: fullPassMs,
    reconcile: (id: string) => reconcile(id as never),
    all: () => idsOf(nats, aggregate),
    onError: (_: unknown, __: string, attempt: number) => backoff(attempt, { firstMs: 100, maxMs: 30_000 }),
  };
}

interface Reconciler {
  reconcile(id: never): Promise<Reconciled>;
}

// One loop for each concern. They share nothing, so that each can be stopped, replayed and read alone.

export class NamespaceLoop extends ReconcileLoop {
  constructor(nats: NatsConnection, reconciler: Reconciler) {
    super(loop(nats, 'namespace', 'namespace', 4, (id) => reconciler.reconcile(id)));
  }
}

export class QuotaLoop extends ReconcileLoop {
  constructor(nats: NatsConnection, reconciler: Reconciler) {
    super(loop(nats, 'quota', 'namespace', 4, (id) => reconciler.reconcile(id)));
  }
}

export class SandboxLoop extends ReconcileLoop {
  constructor(nats: NatsConnection, reconciler: Reconciler) {
    super(loop(nats, 'sandbox', 'sandbox', 8, (id) => reconciler.reconcile(id)));
  }
}

export class RouteLoop extends ReconcileLoop {
  constructor(nats: NatsConnection, reconciler: Reconciler) {
    super(loop(nats, 'route', 'sandbox', 16, (id) => reconciler.reconcile(id)));
  }
}
