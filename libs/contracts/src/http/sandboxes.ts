import { z } from 'zod';
import { Quota } from '../events/ledger-events.js';
import { SandboxSpec } from '../events/sandbox-spec.js';
import { SandboxState } from '../kv.js';
import { SandboxIdSchema, SandboxName, Timestamp, UserIdSchema } from '../names.js';
import { MemoryQuantity, Quantity } from '../quantity.js';
import { pageOf, pageQuery } from './pagination.js';
import { OnIdle, sandboxLimits } from './sandbox-limits.js';
import { sandboxSettings, settingsTogether } from './sandbox-settings.js';

export const CreateSandboxBody = z
  .strictObject({
    name: SandboxName,
    ...sandboxSettings,
    ...sandboxLimits,
    namespace: z.string().max(63).optional().describe("only the caller's own, user-<username>; the older form of the API had it"),
  })
  .superRefine(settingsTogether)
  .meta({ id: 'CreateSandbox' });

export const Sandbox = z
  .object({
    id: SandboxIdSchema,
    name: z.string(),
    owner: UserIdSchema,
    username: z.string(),
    namespace: z.string(),
    state: SandboxState,
    reason: z.string().nullable().describe('a code, where the state needs one'),
    message: z.string().nullable(),
    ...SandboxSpec.shape,
    service: z.string().optional().describe('the host that the proxy dials, while the sandbox runs'),
    ttlSeconds: z.int().optional().describe('as it was asked for last; absent: it stays until somebody deletes it'),
    expiresAt: Timestamp.optional().describe('when it is deleted, whatever it does'),
    idleTimeoutSeconds: z.int().optional(),
    onIdle: OnIdle.optional(),
    createdAt: Timestamp,
    updatedAt: Timestamp,
    version: z.int().describe('of the ETag'),
  })
  .meta({ id: 'Sandbox' });
export type Sandbox = z.infer<typeof Sandbox>;

/** A moment of the past: a position in the log, or a time. */
export const AsOf = z
  .union([z.coerce.number().int().min(1), Timestamp])
  .optional()
  .describe('as it was at a position of the log, or at a time (RFC 3339)');

export const SandboxListQuery = z.object({ ...pageQuery, state: SandboxState.optional(), asOf: AsOf });
export const SandboxPage = pageOf(Sandbox, 'SandboxPage');

/** The form of `GET /sandboxes` outside /api: every sandbox that the caller may see, in one answer. */
export const SandboxListing = z
  .object({
    count: z.int(),
    sandboxes: z.array(
      z.object({
        path: z.string().describe('where the proxy has it: `alice/my-sandbox`'),
        service: z.string().describe('what the proxy dials; the name of the sandbox while it does not run'),
        namespace: z.string(),
        ready: z.boolean(),
        reason: z.string().optional().describe('why a discovered sandbox is not routed: a code'),
        message: z.string().optional(),
      }),
    ),
    incomplete: z.string().optional().describe('why discovered sandboxes may be missing'),
  })
  .meta({ id: 'SandboxListing' });
export type SandboxListing = z.infer<typeof SandboxListing>;

const amounts = { cpu: Quota.shape.cpu, memory: Quota.shape.memory };
export const QuotaBody = z
  .strictObject({
    sandboxes: Quota.shape.sandboxes.optional(),
    cpu: Quantity.optional().describe(Quota.shape.cpu.description!),
    memory: MemoryQuantity.optional().describe(Quota.shape.memory.description!),
  })
  .meta({ id: 'SetQuota' });
export const QuotaUsage = z
  .object({
    quota: Quota,
    used: z.object({ sandboxes: z.int(), ...amounts }).describe('the limits of all sandboxes together, paused ones included'),
    holders: z.array(z.object({ sandboxId: SandboxIdSchema, name: z.string(), cpu: z.string().optional(), memory: z.string().optional() })),
  })
  .meta({ id: 'QuotaUsage' });
