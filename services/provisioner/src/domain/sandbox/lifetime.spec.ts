import {
  SandboxDeleted,
  SandboxDeletionRequested,
  SandboxExpired,
  SandboxExpiryNear,
  SandboxExtended,
  SandboxIdleExpired,
  SandboxPauseRequested,
  SandboxRequested,
  SandboxStarted,
} from '@sandlot/contracts';
import { newId } from '@sandlot/kernel';
import { given } from '@sandlot/testing';
import { sandboxDecider } from './decide.js';
import { endOf } from './sandbox.js';

const base = { owner: newId('usr'), username: 'alice', namespace: 'user-alice', name: 's1', spec: { image: 'r', ports: [{ port: 8888 }] } };
const at = (minute: number) => `2026-01-31T12:${String(minute).padStart(2, '0')}:00.000Z`;
const expiry = { ttlSeconds: 600, expiresAt: at(10) };
const requested = SandboxRequested({ ...base, expiry });
const started = SandboxStarted({ addresses: [{ port: 8888, address: '10.0.0.7:8888' }] });
const longer = { ttlSeconds: 1200, expiresAt: at(20) };
const idle = (then: 'pause' | 'delete') => SandboxRequested({ ...base, idle: { timeoutSeconds: 60, then } });
const sandbox = given(sandboxDecider);

describe('the time of a sandbox', () => {
  it('is said with the request for it (S4-01)', () =>
    sandbox()
      .when({ type: 'RequestSandbox', ...base, expiry })
      .then(requested));

  it('is over once, whoever’s timer says so and however often (S4-18)', () => {
    const expire = { type: 'ExpireSandbox', expiresAt: at(10) } as const;
    const expired = SandboxExpired({ expiresAt: at(10) });
    sandbox(requested, started).when(expire).then(expired);
    sandbox(requested, started, expired).when(expire).thenNothing();
    sandbox(requested, expired, SandboxDeleted({})).when(expire).thenNothing();
    sandbox(requested, SandboxDeletionRequested({ cause: 'user' }))
      .when(expire)
      .thenNothing();
  });

  it('is not over by a timer that was set before it was extended, nor for one that has none', () => {
    const late = { type: 'ExpireSandbox', expiresAt: at(10) } as const;
    sandbox(requested, SandboxExtended(longer)).when(late).thenNothing();
    sandbox(SandboxRequested(base)).when(late).thenNothing();
    sandbox().when(late).thenNothing();
  });

  it('is said to be nearly over once, and once again after it was extended', () => {
    const warn = { type: 'WarnOfExpiry', expiresAt: at(10) } as const;
    const near = SandboxExpiryNear({ expiresAt: at(10) });
    sandbox(requested).when(warn).then(near);
    sandbox(requested, near).when(warn).thenNothing();
    sandbox(requested, near, SandboxExtended(longer))
      .when({ ...warn, expiresAt: at(20) })
      .then(SandboxExpiryNear({ expiresAt: at(20) }));
  });

  it('can be extended, and is never shortened by it', () => {
    sandbox(requested).when({ type: 'ExtendSandbox', expiry: longer }).then(SandboxExtended(longer));
    sandbox(requested, SandboxExtended(longer)).when({ type: 'ExtendSandbox', expiry }).thenNothing();
    sandbox(SandboxRequested(base)).when({ type: 'ExtendSandbox', expiry: longer }).thenRefused('SANDBOX_NOT_FOUND');
  });

  it('cannot be extended, paused or resumed once it is over, and that is said', () => {
    const over = sandbox(requested, SandboxExpired({ expiresAt: at(10) }));
    over.when({ type: 'ExtendSandbox', expiry: longer }).thenRefused('SANDBOX_GONE');
    over.when({ type: 'PauseSandbox', cause: 'user' }).thenRefused('SANDBOX_GONE');
    over.when({ type: 'ResumeSandbox' }).thenRefused('SANDBOX_GONE');
    sandbox(requested, SandboxDeletionRequested({ cause: 'user' }))
      .when({ type: 'ExtendSandbox', expiry: longer })
      .thenRefused('SANDBOX_NOT_FOUND');
  });

  it('is remembered as what ended it', () => {
    const fold = (...events: Parameters<typeof sandboxDecider.evolve>[1][]) =>
      events.reduce(sandboxDecider.evolve, sandboxDecider.initialState);
    const expired = SandboxExpired({ expiresAt: at(10) });
    expect(endOf(fold(requested))).toBeUndefined();
    expect(endOf(fold(requested, expired, SandboxDeleted({})))).toEqual({ reason: 'EXPIRED', at: at(10) });
    expect(endOf(fold(requested, SandboxDeletionRequested({ cause: 'user' }), expired))).toBeUndefined();
    const idled = SandboxIdleExpired({ idleSince: at(1), timeoutSeconds: 60 });
    expect(endOf(fold(idle('delete'), idled))).toEqual({ reason: 'IDLE', at: at(2) });
  });
});

describe('a sandbox that nobody uses', () => {
  const end = { type: 'EndIdleSandbox', idleSince: at(1) } as const;

  it('is paused or deleted, as was asked for it (S2-35)', () => {
    sandbox(idle('pause'), started)
      .when(end)
      .then(SandboxPauseRequested({ cause: 'idle' }));
    sandbox(idle('delete'), started)
      .when(end)
      .then(SandboxIdleExpired({ idleSince: at(1), timeoutSeconds: 60 }));
  });

  it('is left alone when it is paused or gone already, or may be idle', () => {
    sandbox(idle('delete'), started, SandboxPauseRequested({ cause: 'user' }))
      .when(end)
      .thenNothing();
    sandbox(idle('delete'), SandboxDeletionRequested({ cause: 'user' }))
      .when(end)
      .thenNothing();
    sandbox(requested, started).when(end).thenNothing();
    sandbox().when(end).thenNothing();
  });
});
