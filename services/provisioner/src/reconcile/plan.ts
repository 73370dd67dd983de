import { sameQuota, type Quota, type RouteRecord } from '@sandlot/contracts';
import type { SandboxId } from '@sandlot/kernel';
import type { Ledger } from '../domain/ledger/ledger.js';
import type { Namespace, NamespaceReport } from '../domain/namespace/namespace.js';
import type { Report } from '../domain/sandbox/decide.js';
import { stateOf, type Sandbox } from '../domain/sandbox/sandbox.js';
import type { Found, FoundNamespace, NamespaceAction, SandboxAction } from '../ports.js';

// From what is wanted and what is found to the next single step. Pure; the reconcilers do what these say.

export const namespaceOf = (username: string): string => `user-${username}`;

export function planSandbox(sandbox: Sandbox, found: Found, now: number): SandboxAction | undefined {
  switch (sandbox.status) {
    case 'live': {
      const { owner, username, name, spec, wanted } = sandbox;
      if (!found.exists)
        return { do: 'create', place: { owner, username, namespace: namespaceOf(username), name, spec }, running: wanted === 'running' };
      if (wanted === 'running' && !found.running && now >= (found.startableAt ?? 0)) return { do: 'start', uid: found.uid };
      if (wanted === 'paused' && found.seen.phase !== 'stopped') return { do: 'stop', uid: found.uid };
      return undefined;
    }
    case 'deleting':
    case 'deleted':
      return found.exists ? { do: 'delete', uid: found.uid } : undefined;
    case 'absent':
      return undefined; // not ours to judge: refuse on doubt
  }
}

export const reportOf = (found: Found): Report => (found.exists ? found.seen : { phase: 'gone' });

/** A namespace outlives the sandboxes in it, so that deleting a user takes them down one by one, each with its event. */
export function planNamespace(namespace: Namespace, ledger: Pick<Ledger, 'sandboxes'>, found: FoundNamespace): NamespaceAction | undefined {
  switch (namespace.status) {
    case 'live':
      return found.exists ? undefined : { do: 'create', owner: namespace.owner, username: namespace.username };
    case 'deleting':
    case 'deleted':
      return found.exists && found.ours && ledger.sandboxes.size === 0 ? { do: 'delete', uid: found.uid } : undefined;
    case 'absent':
      return undefined;
  }
}

export function reportOfNamespace(found: FoundNamespace): NamespaceReport {
  if (!found.exists) return { phase: 'gone' };
  if (!found.ours)
    return {
      phase: 'failed',
      reason: 'NAMESPACE_NOT_OURS',
      message: 'a namespace of that name exists that Sandlot did not make for this user; it is left alone',
    };
  return { phase: 'present', uid: found.uid };
}

export function planQuota(namespace: Namespace, wanted: Quota, found: FoundNamespace): NamespaceAction | undefined {
  if (namespace.status !== 'live' || !found.exists || !found.ours) return undefined;
  return sameQuota(wanted, found.quota) ? undefined : { do: 'set-quota', uid: found.uid, quota: wanted };
}

/** What the proxies are to know of a sandbox: nothing once it is gone, and where to dial only while it runs. */
export function wantedRoute(sandboxId: SandboxId, sandbox: Sandbox): RouteRecord | undefined {
  if (sandbox.status === 'absent' || sandbox.status === 'deleted') return undefined;
  const { owner, username, name } = sandbox;
  const state = stateOf(sandbox);
  const seen = sandbox.status === 'live' ? sandbox.seen : undefined;
  return {
    sandboxId,
    owner,
    username,
    name,
    state,
    ports: state === 'running' && seen?.phase === 'running' ? [...seen.addresses] : [],
    ...(seen?.phase === 'failed' && { reason: seen.reason }),
  };
}
