import { DomainError, unreachable, type Decider, type UserId } from '@sandlot/kernel';
import {
  sameAddresses,
  SandboxDeleted,
  SandboxDeletionRequested,
  SandboxExpired,
  SandboxExpiryNear,
  SandboxExtended,
  SandboxFailed,
  SandboxIdleExpired,
  SandboxPauseRequested,
  SandboxRequested,
  SandboxResumeRequested,
  SandboxStarted,
  SandboxStopped,
  type DeletionCause,
  type PauseCause,
  type SandboxEvent,
  type SandboxExpiry,
  type SandboxIdleLimit,
  type SandboxSpec,
} from '@sandlot/contracts';
import { absent, endOf, evolve, type LiveSandbox, type Sandbox, type SandboxEnd, type Seen } from './sandbox.js';

/** What the runtime says of a sandbox; `gone` is what nobody asked for and what deleting ends in. */
export type Report = Seen | { phase: 'gone' };

export type SandboxCommand =
  | ({ type: 'RequestSandbox' } & Requested)
  | { type: 'PauseSandbox'; cause: PauseCause }
  | { type: 'ResumeSandbox' }
  | { type: 'DeleteSandbox'; cause: DeletionCause }
  | { type: 'ExtendSandbox'; expiry: SandboxExpiry }
  // Of a timer's own; each names what the timer was set for, so that one that is late, doubled or overtaken does nothing.
  | { type: 'WarnOfExpiry'; expiresAt: string }
  | { type: 'ExpireSandbox'; expiresAt: string }
  | { type: 'EndIdleSandbox'; idleSince: string }
  | { type: 'ReportSandbox'; seen: Report };

interface Requested {
  owner: UserId;
  username: string;
  namespace: string;
  name: string;
  spec: SandboxSpec;
  expiry?: SandboxExpiry | undefined;
  idle?: SandboxIdleLimit | undefined;
}

export const sandboxDecider: Decider<Sandbox, SandboxCommand, SandboxEvent> = { initialState: absent, decide, evolve };

export function decide(command: SandboxCommand, sandbox: Sandbox): SandboxEvent[] {
  switch (command.type) {
    case 'RequestSandbox':
      return request(command, sandbox);
    case 'PauseSandbox':
      return live(sandbox).wanted === 'paused' ? [] : [SandboxPauseRequested({ cause: command.cause })];
    case 'ResumeSandbox':
      return live(sandbox).wanted === 'running' ? [] : [SandboxResumeRequested({})];
    case 'DeleteSandbox':
      return sandbox.status === 'live' ? [SandboxDeletionRequested({ cause: command.cause })] : []; // deleting always wins, from every state
    case 'ExtendSandbox':
      return extend(command.expiry, live(sandbox));
    case 'WarnOfExpiry':
      return isDue(command, sandbox) && !sandbox.expiryNear ? [SandboxExpiryNear({ expiresAt: command.expiresAt })] : [];
    case 'ExpireSandbox':
      return isDue(command, sandbox) ? [SandboxExpired({ expiresAt: command.expiresAt })] : [];
    case 'EndIdleSandbox':
      return endIdle(command.idleSince, sandbox);
    case 'ReportSandbox':
      return report(command.seen, sandbox);
    default:
      return unreachable(command);
  }
}

function request({ owner, username, namespace, name, spec, expiry, idle }: Requested, sandbox: Sandbox): SandboxEvent[] {
  if (sandbox.status !== 'absent') throw new DomainError('SANDBOX_EXISTS', `a sandbox named ${name} exists already`);
  return [SandboxRequested({ owner, username, namespace, name, spec, ...(expiry && { expiry }), ...(idle && { idle }) })];
}

/** It is only ever made longer: who extends it must not cut off somebody who has extended it further. */
function extend(expiry: SandboxExpiry, sandbox: LiveSandbox): SandboxEvent[] {
  if (!sandbox.expiry) throw new DomainError('SANDBOX_NOT_FOUND', 'this sandbox has no lifetime that could be extended');
  return Date.parse(expiry.expiresAt) > Date.parse(sandbox.expiry.expiresAt) ? [SandboxExtended(expiry)] : [];
}

function isDue({ expiresAt }: { expiresAt: string }, sandbox: Sandbox): sandbox is LiveSandbox {
  return sandbox.status === 'live' && sandbox.expiry?.expiresAt === expiresAt;
}

function endIdle(idleSince: string, sandbox: Sandbox): SandboxEvent[] {
  if (sandbox.status !== 'live' || !sandbox.idle || sandbox.wanted === 'paused') return [];
  const { then, timeoutSeconds } = sandbox.idle;
  return then === 'pause' ? [SandboxPauseRequested({ cause: 'idle' })] : [SandboxIdleExpired({ idleSince, timeoutSeconds })];
}

/** The runtime's report becomes a fact only when it says something new. */
function report(seen: Report, sandbox: Sandbox): SandboxEvent[] {
  if (sandbox.status === 'deleting') {
    if (seen.phase === 'gone') return [SandboxDeleted({})];
    const news = seen.phase === 'failed' && seen.reason !== sandbox.heldUp?.reason; // somebody has to see to what holds it up
    return news ? [SandboxFailed({ reason: seen.reason, message: seen.message })] : [];
  }
  if (sandbox.status !== 'live') return [];
  const before = sandbox.seen;
  switch (seen.phase) {
    case 'pending': // on its way up that is no news; but who ran and should is interrupted, and its address is not to be used
      return before.phase === 'running' && sandbox.wanted === 'running' ? [interrupted(seen)] : [];
    case 'running':
      return before.phase === 'running' && sameAddresses(before.addresses, seen.addresses)
        ? []
        : [SandboxStarted({ addresses: [...seen.addresses] })];
    case 'stopped':
      return before.phase === 'stopped' ? [] : [SandboxStopped({})];
    case 'failed':
      return before.phase === 'failed' && before.reason === seen.reason
        ? []
        : [SandboxFailed({ reason: seen.reason, message: seen.message })];
    case 'gone': // nobody asked for this: an unexplained end is an event too
      return before.phase === 'pending' || before.phase === 'failed' ? [] : [lost];
    default:
      return unreachable(seen);
  }
}

const interrupted = ({
  reason = 'INTERRUPTED',
  message = 'the sandbox has stopped; it is starting again',
}: Extract<Seen, { phase: 'pending' }>) => SandboxFailed({ reason, message });

const lost = SandboxFailed({ reason: 'RUNTIME_LOST', message: 'the runtime no longer knows this sandbox; it is made again' });

function live(sandbox: Sandbox): LiveSandbox {
  if (sandbox.status === 'live') return sandbox;
  const end = endOf(sandbox);
  if (end) throw gone(end);
  throw new DomainError('SANDBOX_NOT_FOUND', 'there is no such sandbox', { state: sandbox.status });
}

/** What there is to say of a sandbox that one of its limits has ended. */
export function gone({ reason, at }: SandboxEnd): DomainError {
  const what = reason === 'EXPIRED' ? 'The time of this sandbox was over' : 'This sandbox was not used for too long';
  return new DomainError('SANDBOX_GONE', `${what} at ${at}`, { reason, endedAt: at });
}
