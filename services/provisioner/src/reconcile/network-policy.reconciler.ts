import type { Egress } from '@sandlot/contracts';
import type { Commands } from '@sandlot/event-store';
import type { Clock } from '@sandlot/kernel';
import type { NamespaceConcern } from '../domain/namespace/concern.js';
import type { Runtime } from '../ports.js';
import { ConcernReconciler } from './concern.reconciler.js';

/** Keeps the user's sandboxes apart from everybody else's: in comes only the proxy, out goes only what the platform lets out. */
export class NetworkPolicyReconciler extends ConcernReconciler {
  protected readonly concern = 'network-policy';

  constructor(
    commands: Commands,
    runtime: Runtime,
    private readonly egress: Egress,
    clock?: Clock,
  ) {
    super(commands, runtime, clock);
  }

  protected wanted(): NamespaceConcern {
    return { concern: 'network-policy', egress: this.egress };
  }
}
