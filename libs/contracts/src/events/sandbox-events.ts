import { z } from 'zod';
import { defineEvent, type EventOf } from '@sandlot/kernel';
import { UserIdSchema } from '../names.js';

export const SandboxPort = z.object({
  name: z
    .string()
    .regex(/^[a-z]([a-z0-9-]{0,13}[a-z0-9])?$/)
    .optional()
    .describe('IANA service name, as Kubernetes has it'),
  port: z.int().min(1).max(65_535),
});

export const SandboxSpec = z.object({
  image: z.string().min(1).max(255).describe('OCI reference; the `process` runtime has only its own and records this one'),
  ports: z.array(SandboxPort).min(1).max(16).describe('the first is the default of /proxy/{sandbox}/'),
});
export type SandboxSpec = z.infer<typeof SandboxSpec>;

export const PauseCause = z.enum(['user', 'idle', 'admin']);
export type PauseCause = z.infer<typeof PauseCause>;

export const DeletionCause = z.enum(['user', 'admin', 'user-deleted']);
export type DeletionCause = z.infer<typeof DeletionCause>;

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
  z.object({ owner: UserIdSchema, username: z.string(), name: z.string(), spec: SandboxSpec }),
);
export const SandboxPauseRequested = defineEvent('sandbox.pause-requested.v1', z.object({ cause: PauseCause }));
export const SandboxResumeRequested = defineEvent('sandbox.resume-requested.v1', z.object({}));
export const SandboxDeletionRequested = defineEvent('sandbox.deletion-requested.v1', z.object({ cause: DeletionCause }));

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
  | EventOf<typeof SandboxStarted>
  | EventOf<typeof SandboxStopped>
  | EventOf<typeof SandboxFailed>
  | EventOf<typeof SandboxDeleted>;
