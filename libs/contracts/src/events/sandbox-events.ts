import { z } from 'zod';
import { defineEvent, type EventOf } from '@sandlot/kernel';
import { Timestamp, UserIdSchema } from '../names.js';
import { SandboxSpec } from './sandbox-spec.js';

export const PauseCause = z.enum(['user', 'idle', 'admin']);
export type PauseCause = z.infer<typeof PauseCause>;

export const DeletionCause = z.enum(['user', 'admin', 'user-deleted']);
export type DeletionCause = z.infer<typeof DeletionCause>;

/** When it is deleted, whatever it does. */
export const SandboxExpiry = z.object({
  ttlSeconds: z.int().min(1).describe('as it was asked for last'),
  expiresAt: Timestamp,
});
export type SandboxExpiry = z.infer<typeof SandboxExpiry>;

/** What becomes of it when nothing has passed through the proxies to it or from it for so long. */
export const SandboxIdleLimit = z.object({ timeoutSeconds: z.int().min(1), then: z.enum(['pause', 'delete']) });
export type SandboxIdleLimit = z.infer<typeof SandboxIdleLimit>;

/** Where a port of the sandbox answers, host:port. */
export const SandboxAddress = z.object({ name: z.string().optional(), port: z.int(), address: z.string() });
export type SandboxAddress = z.infer<typeof SandboxAddress>;

export const sameAddresses = (some: readonly SandboxAddress[], others: readonly SandboxAddress[]): boolean =>
  some.length === others.length &&
  some.every(({ name, port, address }, index) => {
    const other = others[index];
    return name === other?.name && port === other?.port && address === other.address;
  });

// What people asked for.
export const SandboxRequested = defineEvent(
  'sandbox.requested.v1',
  z.object({
    owner: UserIdSchema,
    username: z.string(),
    namespace: z.string().optional().describe('absent: user-<username>'),
    name: z.string(),
    spec: SandboxSpec,
    expiry: SandboxExpiry.optional().describe('absent: it stays until somebody deletes it'),
    idle: SandboxIdleLimit.optional().describe('absent: it may be idle for as long as it likes'),
  }),
);
export const SandboxPauseRequested = defineEvent('sandbox.pause-requested.v1', z.object({ cause: PauseCause }));
export const SandboxResumeRequested = defineEvent('sandbox.resume-requested.v1', z.object({}));
export const SandboxDeletionRequested = defineEvent('sandbox.deletion-requested.v1', z.object({ cause: DeletionCause }));

// What its limits brought about. Both of the ends are what a requested deletion is, for another reason.
export const SandboxExtended = defineEvent('sandbox.extended.v1', z.object(SandboxExpiry.shape));
export const SandboxExpiryNear = defineEvent('sandbox.expiry-near.v1', z.object({ expiresAt: Timestamp }));
export const SandboxExpired = defineEvent('sandbox.expired.v1', z.object({ expiresAt: Timestamp }));
export const SandboxIdleExpired = defineEvent(
  'sandbox.idle-expired.v1',
  z.object({ idleSince: Timestamp, timeoutSeconds: z.int().min(1) }),
);

// What the runtime was seen to do.
export const SandboxStarted = defineEvent('sandbox.started.v1', z.object({ addresses: z.array(SandboxAddress).min(1) }));
export const SandboxStopped = defineEvent('sandbox.stopped.v1', z.object({}));
export const SandboxFailed = defineEvent('sandbox.failed.v1', z.object({ reason: z.string(), message: z.string() }));
export const SandboxDeleted = defineEvent('sandbox.deleted.v1', z.object({}));

export type SandboxEvent =
  | EventOf<typeof SandboxRequested>
  | EventOf<typeof SandboxPauseRequested>
  | EventOf<typeof SandboxResumeRequested>
  | EventOf<typeof SandboxDeletionRequested>
  | EventOf<typeof SandboxExtended>
  | EventOf<typeof SandboxExpiryNear>
  | EventOf<typeof SandboxExpired>
  | EventOf<typeof SandboxIdleExpired>
  | EventOf<typeof SandboxStarted>
  | EventOf<typeof SandboxStopped>
  | EventOf<typeof SandboxFailed>
  | EventOf<typeof SandboxDeleted>;
