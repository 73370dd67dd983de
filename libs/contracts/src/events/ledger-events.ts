import { z } from 'zod';
import { defineEvent, type EventOf } from '@sandlot/kernel';
import { SandboxIdSchema } from '../names.js';

/** What one user may hold at most. */
export const Quota = z.object({
  sandboxes: z.int().min(0).max(10_000).describe('sandboxes, paused ones included'),
  cpu: z.string().describe('Kubernetes quantity, all sandboxes together'),
  memory: z.string().describe('Kubernetes quantity, all sandboxes together'),
});
export type Quota = z.infer<typeof Quota>;

export const sameQuota = (one: Quota, other: Quota | undefined): boolean =>
  one.sandboxes === other?.sandboxes && one.cpu === other.cpu && one.memory === other.memory;

/** What one sandbox takes of its owner's quota. */
export const Holding = z.object({ cpu: z.string().optional(), memory: z.string().optional() });
export type Holding = z.infer<typeof Holding>;

/** The name is taken and a place in the quota is used, in the same breath as the sandbox is requested. */
export const SandboxAdmitted = defineEvent(
  'ledger.sandbox-admitted.v1',
  z.object({
    sandboxId: SandboxIdSchema,
    name: z.string(),
    holds: Holding.optional().describe('its limits; absent where the runtime holds sandboxes to none'),
  }),
);
export const SandboxReleased = defineEvent('ledger.sandbox-released.v1', z.object({ sandboxId: SandboxIdSchema }));
export const QuotaSet = defineEvent('ledger.quota-set.v1', z.object({ quota: Quota }));

export type LedgerEvent = EventOf<typeof SandboxAdmitted> | EventOf<typeof SandboxReleased> | EventOf<typeof QuotaSet>;
