import type { FieldError } from '@sandlot/service-kit';
import { limitsOf, limitStep } from './limits.js';

const noon = new Date('2026-01-31T12:00:00.000Z');

describe('the limits of a sandbox', () => {
  it('are none when none are asked for', () => expect(limitsOf({}, { idleTimeoutSeconds: 0 }, noon)).toEqual({}));

  it('begin when it is asked for, and stand in the log as they take effect (S4-01)', () =>
    expect(limitsOf({ ttlSeconds: 3600, idleTimeoutSeconds: 90 }, { idleTimeoutSeconds: 0 }, noon)).toEqual({
      expiry: { ttlSeconds: 3600, expiresAt: '2026-01-31T13:00:00.000Z' },
      idle: { timeoutSeconds: 90, then: 'pause' },
    }));

  it('are the operator’s where it names none (S2-35)', () => {
    const defaults = { idleTimeoutSeconds: 900 };
    expect(limitsOf({}, defaults, noon)).toEqual({ idle: { timeoutSeconds: 900, then: 'pause' } });
    expect(limitsOf({ onIdle: 'delete' }, defaults, noon)).toEqual({ idle: { timeoutSeconds: 900, then: 'delete' } });
    expect(limitsOf({ idleTimeoutSeconds: 60 }, defaults, noon)).toEqual({ idle: { timeoutSeconds: 60, then: 'pause' } });
  });

  it('cannot say what to do when idle without saying when that is', () => {
    const refusal = (): FieldError[] => {
      try {
        limitsOf({ onIdle: 'pause' }, { idleTimeoutSeconds: 0 }, noon);
      } catch (error) {
        return (error as { details: { errors: FieldError[] } }).details.errors;
      }
      return [];
    };
    expect(refusal()).toMatchObject([{ pointer: '/onIdle' }]);
  });
});

describe('what the limits ask for next', () => {
  const rules = { warnMs: 300_000, idleGraceMs: 10_000 };
  const hour = { ttlSeconds: 3600, expiresAt: 'then' };
  const minute = { ttlSeconds: 60, expiresAt: 'then' };
  const idle = { timeoutSeconds: 60, then: 'pause' } as const;
  const nothing = { untilExpiry: undefined, idle: undefined };

  it.each([
    ['nothing without any', {}, nothing, { do: 'nothing' }],
    ['to wait for the warning', { expiry: hour }, { ...nothing, untilExpiry: 1_000_000 }, { do: 'wait', ms: 700_000 }],
    ['the warning', { expiry: hour }, { ...nothing, untilExpiry: 300_000 }, { do: 'warn' }],
    ['to wait for the end', { expiry: hour, expiryNear: true }, { ...nothing, untilExpiry: 300_000 }, { do: 'wait', ms: 300_000 }],
    ['the end', { expiry: hour, expiryNear: true }, { ...nothing, untilExpiry: 0 }, { do: 'expire' }],
    ['the end without a warning that comes too late', { expiry: hour }, { ...nothing, untilExpiry: -5 }, { do: 'expire' }],
    ['no warning before half of a short time', { expiry: minute }, { ...nothing, untilExpiry: 59_000 }, { do: 'wait', ms: 29_000 }],
    ['nothing of one that does not run', { idle }, nothing, { do: 'nothing' }],
    ['to wait until it is idle for sure', { idle }, { ...nothing, idle: 20_000 }, { do: 'wait', ms: 50_000 }],
    ['an end to its idleness', { idle }, { ...nothing, idle: 70_000 }, { do: 'end-idle' }],
    ['to wait for whichever is first', { expiry: hour, idle }, { untilExpiry: 1_000_000, idle: 20_000 }, { do: 'wait', ms: 50_000 }],
    ['its end rather than a pause', { expiry: hour, idle }, { untilExpiry: 0, idle: 70_000 }, { do: 'expire' }],
  ])('is %s', (_, limits, elapsed, step) => expect(limitStep(limits, elapsed, rules)).toEqual(step));
});
