import type { NatsConnection } from '@nats-io/transport-node';
import { backoff, idsOf, ReconcileLoop } from '@sandlot/consumers';
import { addressOf } from '../domain/discovery/foreign-sandbox.js';
import type { ForeignSandboxes } from '../ports.js';
import type { DiscoveryReconciler } from './discovery.reconciler.js';

/**
 * Woken by the cluster alone, for no event asks for anything here. A full pass looks at what is there; the first one also at every address that
 * the log knows, for its object may have gone, or discovery been switched off, while nobody was looking.
 */
export class DiscoveryLoop extends ReconcileLoop {
  constructor(nats: NatsConnection, reconciler: Pick<DiscoveryReconciler, 'reconcile'>, foreign: ForeignSandboxes, everyMs: number) {
    let lookedBack = false;
    super({
      name: 'discovery',
      concurrency: 8,
      everyMs,
      reconcile: (address) => reconciler.reconcile(address),
      async *all() {
        yield* new Set(foreign.all().flatMap((sandbox) => addressOf(sandbox) ?? []));
        if (lookedBack) return;
        yield* idsOf(nats, 'discovery');
        lookedBack = true;
      },
      onError: (_, __, attempt) => backoff(attempt, { firstMs: 100, maxMs: 30_000 }),
    });
  }
}
