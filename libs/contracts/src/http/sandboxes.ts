import { z } from 'zod';
import { Quota } from '../events/ledger-events.js';
import { SandboxPort } from '../events/sandbox-events.js';
import { SandboxState } from '../kv.js';
import { SandboxIdSchema, SandboxName, Timestamp, UserIdSchema } from '../names.js';
import { pageOf, pageQuery } from './pagination.js';

export const CreateSandboxBody = z
  .strictObject({
    name: SandboxName,
    image: z.string().min(1).max(255).optional().describe('default: SANDLOT_DEFAULT_IMAGE'),
    ports: z
      .array(SandboxPort)
      .min(1)
      .max(16)
      .refine((ports) => new Set(ports.map(({ port }) => port)).size === ports.length, 'names a port twice')
      .default([{ port: 8888 }])
      .describe('the first is the default of /proxy/{sandbox}/'),
    namespace: z.string().max(63).optional().describe("only the caller's own, user-<username>; the older form of the API had it"),
  })
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
    image: z.string(),
    ports: z.array(SandboxPort),
    service: z.string().optional().describe('the host that the proxy dials, while the sandbox runs'),
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
      }),
    ),
  })
  .meta({ id: 'SandboxListing' });
export type SandboxListing = z.infer<typeof SandboxListing>;

export const QuotaBody = z
  .strictObject({ sandboxes: Quota.shape.sandboxes.optional(), cpu: Quota.shape.cpu.optional(), memory: Quota.shape.memory.optional() })
  .meta({ id: 'SetQuota' });
export const QuotaUsage = z
  .object({
    quota: Quota,
    used: z.object({ sandboxes: z.int() }),
    holders: z.array(z.object({ sandboxId: SandboxIdSchema, name: z.string() })),
  })
  .meta({ id: 'QuotaUsage' });
