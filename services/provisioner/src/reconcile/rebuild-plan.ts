import type { NamespaceConcernName, RebuildCount, RebuildNamespace, RebuildSandbox, RebuildVolume } from '@sandlot/contracts';
import type { SandboxId } from '@sandlot/kernel';
import type { Ledger } from '../domain/ledger/ledger.js';
import type { Namespace } from '../domain/namespace/namespace.js';
import type { Sandbox } from '../domain/sandbox/sandbox.js';
import type { Found, FoundNamespace, FoundVolume, SandboxPlace } from '../ports.js';
import { obstacleInNamespace, planNamespace, planSandbox, reportOfNamespace } from './plan.js';

// What the reconcilers are going to do, told beforehand. Pure, and by the very plans that they follow.

/** Undefined where nothing is to be said: it is as it should be, or gone for good. */
export type Said<Item> = { there: boolean; item?: Item };

export interface NamespaceLook {
  namespace: Namespace;
  ledger: Pick<Ledger, 'sandboxes'>;
  found: FoundNamespace;
  /** What was in place when it was last looked at, and is not any more. */
  missing: readonly NamespaceConcernName[];
}

export function sayNamespace({ namespace, ledger, found, missing }: NamespaceLook): Said<RebuildNamespace> {
  if (namespace.status === 'absent') return { there: false };
  const { name, owner } = namespace;
  const action = planNamespace(namespace, ledger, found);
  if (action?.do === 'create') return { there: false, item: { name, owner, outcome: 'comes-back' } };
  if (action?.do === 'delete') return { there: false, item: { name, owner, outcome: 'goes' } };
  const seen = reportOfNamespace(namespace, ledger, found);
  if (seen?.phase === 'failed')
    return { there: false, item: { name, owner, outcome: 'cannot', reason: seen.reason, message: seen.message } };
  const there = found.exists && namespace.status === 'live';
  return there && missing.length > 0 ? { there: false, item: { name, owner, outcome: 'comes-back', concerns: [...missing] } } : { there };
}

export interface SandboxLook {
  id: SandboxId;
  sandbox: Sandbox;
  found: Found;
  /** Of its owner, as the log has it and as it is found. */
  namespace: Namespace;
  foundNamespace: FoundNamespace;
  concerns: readonly NamespaceConcernName[];
  volumes: readonly FoundVolume[] | undefined;
}

export function saySandbox({ id, sandbox, found, namespace, foundNamespace, concerns, volumes }: SandboxLook): Said<RebuildSandbox> {
  const action = planSandbox(sandbox, found, Infinity);
  if (action?.do === 'delete') return { there: false, item: { ...nameOf(id, sandbox), outcome: 'goes' } };
  if (action?.do === 'start' || action?.do === 'stop')
    return { there: false, item: { ...nameOf(id, sandbox), outcome: action.do === 'start' ? 'starts' : 'stops' } };
  if (action?.do !== 'create') return { there: found.exists && sandbox.status === 'live' };
  const { place, running } = action;
  const obstacle = obstacleInNamespace(namespace, foundNamespace, concerns);
  if (obstacle && obstacle !== 'wait') {
    const { reason, message } = obstacle;
    return { there: false, item: { ...nameOf(id, sandbox), outcome: 'cannot', reason, message } };
  }
  const as = running ? 'running' : 'paused';
  return { there: false, item: { ...nameOf(id, sandbox), outcome: 'comes-back', as, volumes: volumesOf(place, volumes) } };
}

/** In the runtime, and not in the log: nobody can say whose it is. */
export const sayStranger = (id: SandboxId): RebuildSandbox => ({
  id,
  outcome: 'left-alone',
  reason: 'NOT_IN_THE_LOG',
  message: 'the runtime holds it, and the log has never heard of it; look at it and remove it by hand',
});

export function placeOf(sandbox: Sandbox): SandboxPlace | undefined {
  const action = planSandbox(sandbox, { exists: false }, 0);
  return action?.do === 'create' ? action.place : undefined;
}

function volumesOf({ spec }: SandboxPlace, found: readonly FoundVolume[] | undefined): RebuildVolume[] {
  const here = new Set(found?.map(({ name }) => name));
  const outcome = (name: string): RebuildVolume['outcome'] =>
    found === undefined ? 'unknown' : here.has(name) ? 're-attaches' : 'is-made-anew';
  return [
    { name: 'work', outcome: outcome('work') },
    // A bucket is outside of the cluster, and does not go with it.
    ...(spec.volumes ?? []).map(({ name, bucket }) => ({ name, outcome: bucket ? 're-attaches' : outcome(name) })),
  ];
}

function nameOf(id: SandboxId, sandbox: Sandbox): { id: SandboxId; name?: string; namespace?: string } {
  if (sandbox.status === 'absent') return { id };
  return { id, name: sandbox.name, namespace: sandbox.namespace };
}

export const noCount = (): RebuildCount => ({ there: 0, 'comes-back': 0, starts: 0, stops: 0, cannot: 0, goes: 0, 'left-alone': 0 });
