import type { UserId } from '@sandlot/kernel';
import type { SandboxAddress, SandboxEvent, SandboxSpec, SandboxState } from '@sandlot/contracts';

/** What the runtime was last seen doing. */
export type Seen =
  | { phase: 'pending' }
  | { phase: 'running'; addresses: readonly SandboxAddress[] }
  | { phase: 'stopped' }
  | { phase: 'failed'; reason: string; message: string };

/**
 * A sandbox on two axes: `wanted` moves when people ask, `seen` when the runtime does something.
 * "Pausing", "resuming" and "crashed" are how the two look together, never states of their own.
 */
export type Sandbox =
  | { status: 'absent' }
  | { status: 'live'; owner: UserId; username: string; name: string; spec: SandboxSpec; wanted: 'running' | 'paused'; seen: Seen }
  | { status: 'deleting' | 'deleted'; owner: UserId; username: string; name: string; spec: SandboxSpec };

export type LiveSandbox = Extract<Sandbox, { status: 'live' }>;
export type KnownSandbox = Exclude<Sandbox, { status: 'absent' }>;

export const absent: Sandbox = { status: 'absent' };

export function evolve(sandbox: Sandbox, event: SandboxEvent): Sandbox {
  switch (event.type) {
    case 'sandbox.requested.v1':
      return { status: 'live', ...event.data, wanted: 'running', seen: { phase: 'pending' } };
    case 'sandbox.deletion-requested.v1':
      return sandbox.status === 'live' ? ended('deleting', sandbox) : sandbox;
    case 'sandbox.deleted.v1':
      return sandbox.status === 'absent' ? sandbox : ended('deleted', sandbox);
    default:
      return sandbox.status === 'live' ? evolveLive(sandbox, event) : sandbox;
  }
}

function evolveLive(sandbox: LiveSandbox, event: SandboxEvent): LiveSandbox {
  switch (event.type) {
    case 'sandbox.pause-requested.v1':
      return { ...sandbox, wanted: 'paused' };
    case 'sandbox.resume-requested.v1':
      return { ...sandbox, wanted: 'running' };
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

function ended(status: 'deleting' | 'deleted', { owner, username, name, spec }: KnownSandbox): Sandbox {
  return { status, owner, username, name, spec };
}

/** How a sandbox looks to people. */
export function stateOf(sandbox: KnownSandbox): SandboxState {
  if (sandbox.status !== 'live') return sandbox.status;
  const { wanted, seen } = sandbox;
  if (seen.phase === 'failed') return 'failed';
  if (wanted === 'paused') return seen.phase === 'stopped' ? 'paused' : 'pausing';
  if (seen.phase === 'running') return 'running';
  return seen.phase === 'stopped' ? 'resuming' : 'starting';
}
