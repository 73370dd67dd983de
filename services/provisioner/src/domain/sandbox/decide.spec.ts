import {
  SandboxDeleted,
  SandboxDeletionRequested,
  SandboxFailed,
  SandboxPauseRequested,
  SandboxRequested,
  SandboxResumeRequested,
  SandboxStarted,
  SandboxStopped,
} from '@sandlot/contracts';
import { newId } from '@sandlot/kernel';
import { given } from '@sandlot/testing';
import { sandboxDecider } from './decide.js';
import { stateOf, type KnownSandbox } from './sandbox.js';

const owner = newId('usr');
const spec = { image: 'runtime:1', ports: [{ port: 8888 }] };
const requested = SandboxRequested({ owner, username: 'alice', namespace: 'user-alice', name: 's1', spec });
const at = (address: string) => ({ addresses: [{ port: 8888, address }] });
const started = SandboxStarted(at('10.0.0.7:8888'));
const pauseRequested = SandboxPauseRequested({ cause: 'user' });
const deletionRequested = SandboxDeletionRequested({ cause: 'user' });
const sandbox = given(sandboxDecider);

describe('a sandbox', () => {
  it('S0-27 is requested once', () => {
    sandbox().when({ type: 'RequestSandbox', owner, username: 'alice', namespace: 'user-alice', name: 's1', spec }).then(requested);
    sandbox(requested)
      .when({ type: 'RequestSandbox', owner, username: 'alice', namespace: 'user-alice', name: 's1', spec })
      .thenRefused('SANDBOX_EXISTS');
  });

  it('is in user-<username> when it was requested before namespaces had names of their own', () => {
    const { namespace: _, ...before } = requested.data;
    const folded = sandboxDecider.evolve(sandboxDecider.initialState, SandboxRequested(before));
    expect(folded).toMatchObject({ namespace: 'user-alice' });
  });

  it('S0-30 can be paused while it runs', () =>
    sandbox(requested, started).when({ type: 'PauseSandbox', cause: 'user' }).then(pauseRequested));

  it('S0-30 can be paused before it has started', () =>
    sandbox(requested)
      .when({ type: 'PauseSandbox', cause: 'idle' })
      .then(SandboxPauseRequested({ cause: 'idle' })));

  it('stays as it is when paused twice', () =>
    sandbox(requested, pauseRequested).when({ type: 'PauseSandbox', cause: 'user' }).thenNothing());

  it('S0-31 is resumed from a pause, and stays as it is when it was not paused', () => {
    sandbox(requested, pauseRequested, SandboxStopped({})).when({ type: 'ResumeSandbox' }).then(SandboxResumeRequested({}));
    sandbox(requested, started).when({ type: 'ResumeSandbox' }).thenNothing();
  });

  it('resumed before it has stopped, runs when it is seen to run again', () => {
    const seen = { phase: 'running' as const, addresses: started.data.addresses };
    sandbox(requested, started, pauseRequested, SandboxResumeRequested({})).when({ type: 'ReportSandbox', seen }).then(started);
  });

  it('cannot be paused or resumed once it is being deleted', () => {
    sandbox(requested, deletionRequested).when({ type: 'PauseSandbox', cause: 'user' }).thenRefused('SANDBOX_NOT_FOUND');
    sandbox(requested, deletionRequested).when({ type: 'ResumeSandbox' }).thenRefused('SANDBOX_NOT_FOUND');
    sandbox().when({ type: 'ResumeSandbox' }).thenRefused('SANDBOX_NOT_FOUND');
  });

  it('S0-29 is deleted from every state, once', () => {
    for (const past of [[], [started], [pauseRequested, SandboxStopped({})], [SandboxFailed({ reason: 'X', message: 'x' })]])
      sandbox(requested, ...past)
        .when({ type: 'DeleteSandbox', cause: 'user' })
        .then(deletionRequested);
    sandbox(requested, deletionRequested).when({ type: 'DeleteSandbox', cause: 'user' }).thenNothing();
    sandbox(requested, deletionRequested, SandboxDeleted({})).when({ type: 'DeleteSandbox', cause: 'user' }).thenNothing();
  });

  it('is deleted when the runtime holds nothing of it any more', () => {
    sandbox(requested, deletionRequested)
      .when({ type: 'ReportSandbox', seen: { phase: 'gone' } })
      .then(SandboxDeleted({}));
    sandbox(requested, deletionRequested)
      .when({ type: 'ReportSandbox', seen: { phase: 'stopped' } })
      .thenNothing();
  });

  it('takes the same report from the runtime once', () => {
    const running = { phase: 'running' as const, ...at('10.0.0.7:8888') };
    sandbox(requested).when({ type: 'ReportSandbox', seen: running }).then(started);
    sandbox(requested, started).when({ type: 'ReportSandbox', seen: running }).thenNothing();
    sandbox(requested, SandboxStopped({}))
      .when({ type: 'ReportSandbox', seen: { phase: 'stopped' } })
      .thenNothing();
  });

  it('records a new address when it has moved', () =>
    sandbox(requested, started)
      .when({ type: 'ReportSandbox', seen: { phase: 'running', ...at('10.0.0.9:8888') } })
      .then(SandboxStarted(at('10.0.0.9:8888'))));

  it('is failed, with the reason, when it ran and should and does not any more, and not on its way up or down', () => {
    const pending = { type: 'ReportSandbox', seen: { phase: 'pending', reason: 'NOT_READY', message: 'it does not answer' } } as const;
    const failed = SandboxFailed({ reason: 'NOT_READY', message: 'it does not answer' });
    sandbox(requested, started).when(pending).then(failed);
    sandbox(requested, started, failed).when(pending).thenNothing();
    sandbox(requested).when(pending).thenNothing();
    sandbox(requested, started, pauseRequested).when(pending).thenNothing();
  });

  it('says once what holds up its deletion, and is deleted all the same when that is over', () => {
    const seen = { phase: 'failed', reason: 'DELETION_HELD', message: 'by a finalizer' } as const;
    const held = SandboxFailed({ reason: 'DELETION_HELD', message: 'by a finalizer' });
    sandbox(requested, started, deletionRequested).when({ type: 'ReportSandbox', seen }).then(held);
    sandbox(requested, started, deletionRequested, held).when({ type: 'ReportSandbox', seen }).thenNothing();
    sandbox(requested, started, deletionRequested, held)
      .when({ type: 'ReportSandbox', seen: { phase: 'gone' } })
      .then(SandboxDeleted({}));
  });

  it('says so once when the runtime has lost it', () => {
    const failed = SandboxFailed({ reason: 'RUNTIME_LOST', message: 'the runtime no longer knows this sandbox; it is made again' });
    sandbox(requested, started)
      .when({ type: 'ReportSandbox', seen: { phase: 'gone' } })
      .then(failed);
    sandbox(requested, started, failed)
      .when({ type: 'ReportSandbox', seen: { phase: 'gone' } })
      .thenNothing();
    sandbox(requested)
      .when({ type: 'ReportSandbox', seen: { phase: 'gone' } })
      .thenNothing();
  });

  it.each([
    ['starting', []],
    ['running', [started]],
    ['pausing', [started, pauseRequested]],
    ['paused', [started, pauseRequested, SandboxStopped({})]],
    ['resuming', [started, pauseRequested, SandboxStopped({}), SandboxResumeRequested({})]],
    ['starting', [started, pauseRequested, SandboxResumeRequested({})]],
    ['failed', [started, SandboxFailed({ reason: 'X', message: 'x' })]],
    ['deleting', [started, deletionRequested]],
    ['deleted', [deletionRequested, SandboxDeleted({})]],
  ])('S0-28 looks %s', (state, past) => {
    const folded = [requested, ...past].reduce(sandboxDecider.evolve, sandboxDecider.initialState);
    expect(stateOf(folded as KnownSandbox)).toBe(state);
  });
});
