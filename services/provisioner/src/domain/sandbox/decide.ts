import { DomainError, unreachable, type Decider, type UserId } from '@sandlot/kernel';
import {
  sameAddresses,
  SandboxDeleted,
  SandboxDeletionRequested,
  SandboxFailed,
  SandboxPauseRequested,
  SandboxRequested,
  SandboxResumeRequested,
  SandboxStarted,
  SandboxStopped,
  type DeletionCause,
  type PauseCause,
  type SandboxEvent,
  type SandboxSpec,
} from '@sandlot/contracts';
import { absent, evolve, type LiveSandbox, type Sandbox, type Seen } from './sandbox.js';

/** What the runtime says of a sandbox; `gone` is what nobody asked for and what deleting ends in. */
export type Report = Seen | { phase: 'gone' };

export type SandboxCommand =
  | { type: 'RequestSandbox'; owner: UserId; username: string; name: string; spec: SandboxSpec }
  | { type: 'PauseSandbox'; cause: PauseCause }
  | { type: 'ResumeSandbox' }
  | { type: 'DeleteSandbox'; cause: DeletionCause }
  | { type: 'ReportSandbox'; seen: Report };

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
    case 'ReportSandbox':
      return report(command.seen, sandbox);
    default:
      return unreachable(command);
  }
}

function request({ owner, username, name, spec }: Extract<SandboxCommand, { type: 'RequestSandbox' }>, sandbox: Sandbox): SandboxEvent[] {
  if (sandbox.status !== 'absent') throw new DomainError('SANDBOX_EXISTS', `a sandbox named ${name} exists already`);
  return [SandboxRequested({ owner, username, name, spec })];
}

/** The runtime's report becomes a fact only when it says something new. */
function report(seen: Report, sandbox: Sandbox): SandboxEvent[] {
  if (sandbox.status === 'deleting') return seen.phase === 'gone' ? [SandboxDeleted({})] : [];
  if (sandbox.status !== 'live') return [];
  const before = sandbox.seen;
  switch (seen.phase) {
    case 'pending':
      return [];
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

const lost = SandboxFailed({ reason: 'RUNTIME_LOST', message: 'the runtime no longer knows this sandbox; it is made again' });

function live(sandbox: Sandbox): LiveSandbox {
  if (sandbox.status !== 'live') throw new DomainError('SANDBOX_NOT_FOUND', 'there is no such sandbox', { state: sandbox.status });
  return sandbox;
}
