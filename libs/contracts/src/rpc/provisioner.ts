import { z } from 'zod';
import { CreateSandboxBody, QuotaBody, QuotaUsage, Sandbox, SandboxListQuery, SandboxPage } from '../http/sandboxes.js';
import { UserIdSchema } from '../names.js';
import { AtLeast, CommandContextSchema, defineCommand, defineQuery, Position } from './message.js';

const context = CommandContextSchema;
const owner = z.object({ userId: UserIdSchema, username: z.string() });
const named = z.object({ context, userId: UserIdSchema, name: z.string(), expectedVersion: z.int().optional() });
const accepted = z.object({ position: Position, sandbox: Sandbox });

const { name, image, ports } = CreateSandboxBody.shape;
export const RequestSandbox = defineCommand('svc.provisioner.sandbox.request', z.object({ context, owner, name, image, ports }), accepted);
export const PauseSandbox = defineCommand('svc.provisioner.sandbox.pause', named, accepted);
export const ResumeSandbox = defineCommand('svc.provisioner.sandbox.resume', named, accepted);
export const DeleteSandbox = defineCommand('svc.provisioner.sandbox.delete', named, accepted);

/** The state of a sandbox by its name, straight from the log: what `Prefer: wait` waits on, and what works without PostgreSQL. */
export const GetSandbox = defineQuery(
  'svc.provisioner.sandbox.get',
  z.object({
    userId: UserIdSchema,
    name: z.string(),
    asOf: z
      .union([z.int().min(1), z.iso.datetime()])
      .optional()
      .describe('a past position or time'),
    settledWithinMs: z.int().min(0).max(60_000).optional().describe('wait until the runtime has done what is wanted'),
  }),
  Sandbox,
);
export const ListSandboxes = defineQuery(
  'svc.provisioner.sandbox.list',
  z.object({ ...SandboxListQuery.shape, userId: UserIdSchema.optional().describe('all users without it'), atLeast: AtLeast }),
  SandboxPage,
);
/** How many sandboxes there are, deleted ones left out. */
export const CountSandboxes = defineQuery('svc.provisioner.sandbox.count', z.object({}), z.object({ count: z.int().min(0) }));

export const SetQuota = defineCommand(
  'svc.provisioner.quota.set',
  z.object({ context, userId: UserIdSchema, quota: QuotaBody }),
  z.object({ position: Position, usage: QuotaUsage }),
);
export const GetQuota = defineQuery('svc.provisioner.quota.get', z.object({ userId: UserIdSchema }), QuotaUsage);
