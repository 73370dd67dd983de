import type { NamespaceConcernName, RoutePreview, RouteRecord, SandboxAddress, SandboxSpec } from '@sandlot/contracts';
import type { SandboxId } from '@sandlot/kernel';
import type { Ledger } from '../domain/ledger/ledger.js';
import { sameConcern, type NamespaceConcern } from '../domain/namespace/concern.js';
import type { Namespace, NamespaceReport } from '../domain/namespace/namespace.js';
import type { Report } from '../domain/sandbox/decide.js';
import { endOf, stateOf, type Sandbox } from '../domain/sandbox/sandbox.js';
import type { Found, FoundConcern, FoundDrift, FoundNamespace, NamespaceAction, Obstacle, SandboxAction } from '../ports.js';

// From what is wanted and what is found to the next single step. Pure; the reconcilers do what these say.

export const namespaceOf = (username: string): string => `user-${username}`;

/** @param namespace of the owner's, once it has a name */
export function planSandbox(sandbox: Sandbox, found: Found, now: number, namespace?: string): SandboxAction | undefined {
  switch (sandbox.status) {
    case 'live': {
      const { owner, username, name, spec, wanted } = sandbox;
      const place = { owner, username, namespace: namespace ?? sandbox.namespace, name, spec };
      if (!found.exists) return { do: 'create', place, running: wanted === 'running' };
      if (found.underway === 'delete') return undefined; // by somebody else; it is made again when it is gone
      if (wanted === 'running' && !found.running && now >= (found.startableAt ?? 0)) return { do: 'start', uid: found.uid, place };
      if (wanted === 'paused' && found.seen.phase !== 'stopped' && found.underway !== 'stop') return { do: 'stop', uid: found.uid };
      return undefined;
    }
    case 'deleting':
    case 'deleted': {
      const left = found.exists ? found : found.remains;
      return left && left.underway !== 'delete' ? { do: 'delete', uid: left.uid } : undefined;
    }
    case 'absent':
      return undefined; // not ours to judge: refuse on doubt
  }
}

/** A sandbox is gone for its user when it cannot be found, and deleted when nothing of it is left. */
export function reportOf(sandbox: Sandbox, found: Found): Report {
  if (sandbox.status !== 'deleting') return found.exists ? found.seen : { phase: 'gone' };
  const left = found.exists ? found : found.remains;
  if (!left) return { phase: 'gone' };
  return left.underway === 'delete' && left.obstacle ? { phase: 'failed', ...left.obstacle } : { phase: 'pending' };
}

type Held = Pick<Ledger, 'sandboxes'>;

/** A namespace outlives the sandboxes in it, so that deleting a user takes them down one by one, each with its event. */
export function planNamespace(namespace: Namespace, ledger: Held, found: FoundNamespace): NamespaceAction | undefined {
  switch (namespace.status) {
    case 'live':
      return found.exists || found.obstacle ? undefined : { do: 'create', owner: namespace.owner, username: namespace.username };
    case 'deleting':
    case 'deleted':
      if (!found.exists || !found.ours || found.kept || found.obstacle) return undefined;
      return ledger.sandboxes.size === 0 ? { do: 'delete', uid: found.uid } : undefined;
    case 'absent':
      return undefined;
  }
}

export function reportOfNamespace(namespace: Namespace, ledger: Held, found: FoundNamespace): NamespaceReport | undefined {
  const failed = ({ reason, message }: Obstacle): NamespaceReport => ({ phase: 'failed', reason, message });
  const live = namespace.status === 'live';
  if (!found.exists) return live && found.obstacle ? failed(found.obstacle) : { phase: 'gone' };
  if (!found.ours) return live ? failed(notOurs(namespace.name, namespace.username)) : { phase: 'gone' };
  // Going away takes a while; it is news when it was not asked for, or does not come to an end.
  if (found.obstacle) return live || found.obstacle.reason === 'NAMESPACE_STUCK' ? failed(found.obstacle) : undefined;
  if (found.kept && !live && ledger.sandboxes.size === 0) return { phase: 'gone' };
  return { phase: 'present', uid: found.uid };
}

export type ConcernPlan = { do: 'nothing' } | { do: 'apply'; drift: readonly FoundDrift[] };

/** What was never seen in place has not drifted when it is missing or different; it was only not made yet. */
export function planConcern(wanted: NamespaceConcern, namespace: Namespace, found: FoundConcern, known: boolean): ConcernPlan {
  if (found.asWanted) return { do: 'nothing' };
  const wasInPlace = known && namespace.status === 'live' && sameConcern(wanted, namespace.applied[wanted.concern]);
  return { do: 'apply', drift: wasInPlace ? found.drift : [] };
}

const notOurs = (name: string, username: string): Obstacle => ({
  reason: 'NAMESPACE_NOT_OURS',
  message: `the namespace ${name} exists, and Sandlot did not make it for this user; it is left alone. Remove it, or hand it over: POST /api/v1/admin/namespaces/${username}/adopt`,
});

/** Why no sandbox can be made in the namespace yet: something is wrong with it, or it has to wait (no reason). */
export function obstacleInNamespace(
  namespace: Namespace,
  found: FoundNamespace,
  concerns: readonly NamespaceConcernName[],
): Obstacle | 'wait' | undefined {
  if (namespace.status === 'absent') return 'wait';
  const obstacle = found.obstacle ?? (found.exists && !found.ours ? notOurs(namespace.name, namespace.username) : undefined);
  if (obstacle) return obstacle;
  if (!found.exists || namespace.status !== 'live') return 'wait';
  // Nothing may run before the policy that isolates it is there; and without its service account, no pod comes about.
  for (const concern of ['network-policy', 'service-account'] as const) {
    if (!concerns.includes(concern) || (namespace.applied[concern] && namespace.uid === found.uid)) continue;
    return namespace.failures[concern] ?? 'wait';
  }
  return undefined;
}

/** For how long the proxies can say what ended a sandbox that one of its limits has ended. The API can for ever. */
const tombstoneMs = 24 * 60 * 60_000;

/** What the proxies are to know of a sandbox: nothing once it was deleted, and where to dial only while it runs. */
export function wantedRoute(
  sandboxId: SandboxId,
  sandbox: Sandbox,
  now: number,
  previews: readonly RoutePreview[] = [],
): RouteRecord | undefined {
  if (sandbox.status === 'absent') return undefined;
  const end = endOf(sandbox);
  if (sandbox.status === 'deleted' && !(end && Date.parse(end.at) + tombstoneMs > now)) return undefined;
  const { owner, username, name } = sandbox;
  const state = stateOf(sandbox);
  const seen = sandbox.status === 'live' ? sandbox.seen : undefined;
  return {
    sandboxId,
    owner,
    username,
    name,
    state,
    ports: state === 'running' && seen?.phase === 'running' ? seen.addresses.map((address) => speaking(address, sandbox.spec)) : [],
    ...(seen?.phase === 'failed' && { reason: seen.reason }),
    ...(end && { reason: end.reason }),
    ...(sandbox.idle && sandbox.status === 'live' && { idleTimeoutSeconds: sandbox.idle.timeoutSeconds }),
    ...(previews.length > 0 && {
      previews: previews.map(({ id, port, public: all, expiresAt }) => ({ id, port, public: all, expiresAt })),
    }),
  };
}

/** What a port speaks is as declared, whatever runs it; the runtime only knows where it answers. */
function speaking(address: SandboxAddress, { ports }: SandboxSpec): RouteRecord['ports'][number] {
  const protocol = ports.find(({ port }) => port === address.port)?.protocol;
  return protocol === 'h2c' ? { ...address, protocol } : address;
}
