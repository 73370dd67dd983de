import { backoff, idsOf, ReconcileLoop, type Reconciled } from '@sandlot/consumers';
import type { OwnedAggregate } from '@sandlot/contracts';
import { DomainError } from '@sandlot/kernel';
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
    onError: (error: unknown, _: string, attempt: number) =>
      Math.max(backoff(attempt, { firstMs: 100, maxMs: 30_000 }), askedToWait(error)),
  };
}

/** What the runtime was told by whom it depends on. */
function askedToWait(error: unknown): number {
  const wait = error instanceof DomainError ? error.details.retryAfterMs : undefined;
  return typeof wait === 'number' ? Math.min(wait, 5 * 60_000) : 0;
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

export class NetworkPolicyLoop extends ReconcileLoop {
  constructor(nats: NatsConnection, reconciler: Reconciler) {
    super(loop(nats, 'network-policy', 'namespace', 4, (id) => reconciler.reconcile(id)));
  }
}

export class ServiceAccountLoop extends ReconcileLoop {
  constructor(nats: NatsConnection, reconciler: Reconciler) {
    super(loop(nats, 'service-account', 'namespace', 4, (id) => reconciler.reconcile(id)));
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

export class LifetimeLoop extends ReconcileLoop {
  constructor(nats: NatsConnection, reconciler: Reconciler) {
    super({
      ...loop(nats, 'lifetime', 'sandbox', 16, (id) => reconciler.reconcile(id)),
      // What is due is due: nothing but the log is needed, and it is back in a moment or everything else stands still as well.
      onError: (_error: unknown, _id: string, attempt: number) => backoff(attempt, { firstMs: 100, maxMs: 1_000 }),
    });
  }
}
