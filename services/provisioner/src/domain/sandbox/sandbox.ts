import type { UserId } from '@sandlot/kernel';
import type { SandboxAddress, SandboxEvent, SandboxExpiry, SandboxIdleLimit, SandboxSpec, SandboxState } from '@sandlot/contracts';

/** What the runtime was last seen doing. */
export type Seen =
  | {
      phase: 'pending';
      /** Why it does not run yet, or any more, where the runtime knows. */
      reason?: string | undefined;
      message?: string | undefined;
    }
  | { phase: 'running'; addresses: readonly SandboxAddress[] }
  | { phase: 'stopped' }
  | { phase: 'failed'; reason: string; message: string };

/**
 * A sandbox on two axes: `wanted` moves when people ask, `seen` when the runtime does something.
 * "Pausing", "resuming" and "crashed" are how the two look together, never states of their own.
 */
export type Sandbox =
  | { status: 'absent' }
  | (Identity & {
      status: 'live';
      wanted: 'running' | 'paused';
      seen: Seen;
      /** Whether it was said that its time is nearly over. */
      expiryNear?: boolean;
    })
  | (Identity & {
      status: 'deleting' | 'deleted';
      /** What the deletion waits for, where it waits for somebody. */
      heldUp?: { reason: string; message: string };
      /** Which of its limits ended it, and when; of one that somebody deleted, absent. */
      end?: SandboxEnd;
    });

export interface SandboxEnd {
  reason: 'EXPIRED' | 'IDLE';
  /** RFC 3339. */
  at: string;
}

interface Identity {
  owner: UserId;
  username: string;
  /** Where it is; of one from before names of namespaces were chosen, user-<username>. */
  namespace: string;
  name: string;
  spec: SandboxSpec;
  expiry?: SandboxExpiry | undefined;
  idle?: SandboxIdleLimit | undefined;
}

export type LiveSandbox = Extract<Sandbox, { status: 'live' }>;
export type KnownSandbox = Exclude<Sandbox, { status: 'absent' }>;

export const absent: Sandbox = { status: 'absent' };

export function evolve(sandbox: Sandbox, event: SandboxEvent): Sandbox {
  switch (event.type) {
    case 'sandbox.requested.v1':
      return {
        status: 'live',
        ...event.data,
        namespace: event.data.namespace ?? `user-${event.data.username}`,
        wanted: 'running',
        seen: { phase: 'pending' },
      };
    case 'sandbox.deletion-requested.v1':
      return sandbox.status === 'live' ? ended('deleting', sandbox) : sandbox;
    case 'sandbox.expired.v1':
      return sandbox.status === 'live' ? ended('deleting', sandbox, { reason: 'EXPIRED', at: event.data.expiresAt }) : sandbox;
    case 'sandbox.idle-expired.v1':
      return sandbox.status === 'live' ? ended('deleting', sandbox, { reason: 'IDLE', at: endOfIdleness(event.data) }) : sandbox;
    case 'sandbox.deleted.v1':
      return sandbox.status === 'absent' ? sandbox : ended('deleted', sandbox, endOf(sandbox));
    case 'sandbox.failed.v1':
      if (sandbox.status === 'deleting') return { ...sandbox, heldUp: event.data };
      return sandbox.status === 'live' ? evolveLive(sandbox, event) : sandbox;
    default:
      return sandbox.status === 'live' ? evolveLive(sandbox, event) : sandbox;
  }
}

function evolveLive(sandbox: LiveSandbox, event: SandboxEvent): LiveSandbox {
  switch (event.type) {
    case 'sandbox.pause-requested.v1':
      return { ...sandbox, wanted: 'paused' };
    case 'sandbox.resume-requested.v1':
      // What still ran when it was to pause may be stopped by now: it runs when it is seen to run, and its address is not to be used until then.
      return { ...sandbox, wanted: 'running', seen: sandbox.seen.phase === 'running' ? { phase: 'pending' } : sandbox.seen };
    case 'sandbox.extended.v1':
      return { ...sandbox, expiry: event.data, expiryNear: false };
    case 'sandbox.expiry-near.v1':
      return { ...sandbox, expiryNear: true };
    case 'sandbox.started.v1':
      return { ...sandbox, seen: { phase: 'running', addresses: event.data.addresses } };
    case 'sandbox.stopped.v1':
      return { ...sandbox, seen: { phase: 'stopped' } };
    case 'sandbox.failed.v1':
      return { ...sandbox, seen: { phase: 'failed', ...event.data } };
    default:
      return sandbox;
  }
}

function ended(
  status: 'deleting' | 'deleted',
  { owner, username, namespace, name, spec, expiry, idle }: KnownSandbox,
  end?: SandboxEnd,
): Sandbox {
  return { status, owner, username, namespace, name, spec, ...(expiry && { expiry }), ...(idle && { idle }), ...(end && { end }) };
}

const endOfIdleness = ({ idleSince, timeoutSeconds }: { idleSince: string; timeoutSeconds: number }): string =>
  new Date(Date.parse(idleSince) + timeoutSeconds * 1_000).toISOString();

/** Which of its limits has ended it; undefined while none has, and of one that somebody deleted. */
export const endOf = (sandbox: Sandbox): SandboxEnd | undefined =>
  sandbox.status === 'deleting' || sandbox.status === 'deleted' ? sandbox.end : undefined;

/** How a sandbox looks to people. */
export function stateOf(sandbox: KnownSandbox): SandboxState {
  if (sandbox.status !== 'live') return sandbox.status;
  const { wanted, seen } = sandbox;
  if (seen.phase === 'failed') return 'failed';
  if (wanted === 'paused') return seen.phase === 'stopped' ? 'paused' : 'pausing';
  if (seen.phase === 'running') return 'running';
  return seen.phase === 'stopped' ? 'resuming' : 'starting';
}
