import type { Commands } from '@sandlot/event-store';
import type { Clock } from '@sandlot/kernel';
import type { NamespaceConcern } from '../domain/namespace/concern.js';
import type { Runtime } from '../ports.js';
import { ConcernReconciler } from './concern.reconciler.js';

/** Who the user's sandboxes are in the cluster: somebody without any right there, and outside of it what the annotations say. */
export class ServiceAccountReconciler extends ConcernReconciler {
  protected readonly concern = 'service-account';

  constructor(
    commands: Commands,
    runtime: Runtime,
    private readonly annotations: Readonly<Record<string, string>>,
    clock?: Clock,
  ) {
    super(commands, runtime, clock);
  }

  protected wanted(): NamespaceConcern {
    return { concern: 'service-account', annotations: this.annotations };
  }
}
