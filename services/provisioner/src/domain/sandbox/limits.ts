import type { SandboxExpiry, SandboxIdleLimit, SandboxLimits } from '@sandlot/contracts';
import { DomainError } from '@sandlot/kernel';

/** For a sandbox that does not say: seconds, 0 for no limit. */
export interface DefaultLimits {
  idleTimeoutSeconds: number;
}

/** The limits that a sandbox is requested with, with nothing left to a default that may change. */
export function limitsOf(asked: SandboxLimits, defaults: DefaultLimits, now: Date): { expiry?: SandboxExpiry; idle?: SandboxIdleLimit } {
  const { ttlSeconds, idleTimeoutSeconds: timeoutSeconds = defaults.idleTimeoutSeconds, onIdle } = asked;
  if (onIdle !== undefined && timeoutSeconds === 0) throw withoutTimeout();
  return {
    ...(ttlSeconds !== undefined && { expiry: expiryIn(ttlSeconds, now) }),
    ...(timeoutSeconds > 0 && { idle: { timeoutSeconds, then: onIdle ?? 'pause' } }),
  };
}

export const expiryIn = (ttlSeconds: number, now: Date): SandboxExpiry => ({
  ttlSeconds,
  expiresAt: new Date(now.getTime() + ttlSeconds * 1_000).toISOString(),
});

function withoutTimeout(): DomainError {
  const detail = 'needs a time without traffic after which it is done: name that too';
  const errors = [{ pointer: '/onIdle', in: 'body', detail, code: 'REQUIRED_WITH' }];
  return new DomainError('VALIDATION_FAILED', `onIdle: ${detail}`, { errors });
}

export type LimitStep = { do: 'expire' } | { do: 'warn' } | { do: 'end-idle' } | { do: 'wait'; ms: number } | { do: 'nothing' };

/** What is known of a sandbox's time, in ms on a clock that nobody sets; undefined without the limit. */
export interface Elapsed {
  untilExpiry: number | undefined;
  /** For how long it has run without any traffic; undefined also while it does not run. */
  idle: number | undefined;
}

export interface LimitRules {
  /** How long before the expiry it is said to be near, in ms; at most half of the time that a sandbox has. */
  warnMs: number;
  /** How much later than its limit an idle sandbox is taken for idle, in ms: word of its use may be on its way. */
  idleGraceMs: number;
}

/** The next thing that a sandbox's limits ask for, and when. */
export function limitStep(
  { expiry, idle, expiryNear = false }: { expiry?: SandboxExpiry | undefined; idle?: SandboxIdleLimit | undefined; expiryNear?: boolean },
  elapsed: Elapsed,
  { warnMs, idleGraceMs }: LimitRules,
): LimitStep {
  const waits: number[] = [];
  if (expiry && elapsed.untilExpiry !== undefined) {
    const untilWarning = elapsed.untilExpiry - Math.min(warnMs, expiry.ttlSeconds * 500);
    if (elapsed.untilExpiry <= 0) return { do: 'expire' };
    if (untilWarning <= 0 && !expiryNear) return { do: 'warn' };
    waits.push(expiryNear ? elapsed.untilExpiry : untilWarning);
  }
  if (idle && elapsed.idle !== undefined) {
    const untilIdle = idle.timeoutSeconds * 1_000 + idleGraceMs - elapsed.idle;
    if (untilIdle <= 0) return { do: 'end-idle' };
    waits.push(untilIdle);
  }
  return waits.length > 0 ? { do: 'wait', ms: Math.min(...waits) } : { do: 'nothing' };
}
