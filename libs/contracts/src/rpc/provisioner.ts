import { z } from 'zod';
import { DiscoveredSandbox } from '../http/discovery.js';
import { NamespaceView } from '../http/namespaces.js';
import { OpenPreviewBody, PreviewFacts } from '../http/previews.js';
import { RebuildPlan, RebuildStatus } from '../http/rebuild.js';
import { sandboxLimits, Ttl } from '../http/sandbox-limits.js';
import { sandboxSettings, settingsTogether } from '../http/sandbox-settings.js';
import { QuotaBody, QuotaUsage, Sandbox, SandboxListQuery, SandboxPage } from '../http/sandboxes.js';
import { PreviewIdSchema, SandboxIdSchema, SandboxName, UserIdSchema } from '../names.js';
import { AtLeast, CommandContextSchema, defineCommand, defineQuery, Position } from './message.js';

const context = CommandContextSchema;
const owner = z.object({ userId: UserIdSchema, username: z.string() });
const namespace = z.string().optional().describe('FORBIDDEN when it is another one than the sandbox’s');
const named = z.object({ context, userId: UserIdSchema, namespace, name: z.string(), expectedVersion: z.int().optional() });
const accepted = z.object({ position: Position, sandbox: Sandbox });

export const RequestSandbox = defineCommand(
  'svc.provisioner.sandbox.request',
  z
    .object({
      context,
      owner,
      namespace,
      name: SandboxName.optional().describe('absent: named by its id'),
      ...sandboxSettings,
      ...sandboxLimits,
    })
    .superRefine(settingsTogether),
  accepted,
);
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
  z.object({
    ...SandboxListQuery.shape,
    userId: UserIdSchema.optional().describe('all users without it'),
    expiring: z.literal(true).optional().describe('only those with a lifetime'),
    atLeast: AtLeast,
  }),
  SandboxPage,
);
/** Sandbox objects that somebody else made, from memory, by namespace and name. Nothing where discovery is not switched on. */
export const ListDiscovered = defineQuery(
  'svc.provisioner.discovery.list',
  z.object({
    username: z.string().optional().describe('what this user may reach; without it everything, what is not routed included'),
    limit: z.int().min(1).max(200),
    cursor: z.string().optional(),
  }),
  z.object({
    items: z.array(DiscoveredSandbox),
    nextCursor: z.string().nullable(),
    incomplete: z.string().optional().describe('why some may be missing'),
  }),
);

// By id, which names the same sandbox for ever. SANDBOX_NOT_FOUND when it is not the user's or has no lifetime, SANDBOX_GONE when it is over.
const session = { userId: UserIdSchema.optional().describe('whoever’s without it'), id: SandboxIdSchema };
export const ExtendSession = defineCommand(
  'svc.provisioner.session.extend',
  z.object({ context, ...session, expectedVersion: z.int().optional(), ttlSeconds: Ttl.optional() }),
  accepted,
);
export const DeleteSession = defineCommand(
  'svc.provisioner.session.delete',
  z.object({ context, ...session, expectedVersion: z.int().optional() }),
  accepted,
);
export const GetSession = defineQuery('svc.provisioner.session.get', z.object(session), Sandbox);
/** How many sandboxes there are, deleted ones left out and discovered ones included. */
export const CountSandboxes = defineQuery('svc.provisioner.sandbox.count', z.object({}), z.object({ count: z.int().min(0) }));

const sandboxNamed = z.object({ userId: UserIdSchema, name: z.string() });
const previewOf = sandboxNamed.extend({ context });
export const OpenPreview = defineCommand(
  'svc.provisioner.preview.open',
  previewOf.extend(OpenPreviewBody.shape),
  z.object({ position: Position, preview: PreviewFacts }),
);
export const RevokePreview = defineCommand(
  'svc.provisioner.preview.revoke',
  previewOf.extend({ previewId: PreviewIdSchema }),
  z.object({ position: Position }),
);
export const ListPreviews = defineQuery('svc.provisioner.preview.list', sandboxNamed, z.object({ items: z.array(PreviewFacts) }));

export const SetQuota = defineCommand(
  'svc.provisioner.quota.set',
  z.object({ context, userId: UserIdSchema, quota: QuotaBody }),
  z.object({ position: Position, usage: QuotaUsage }),
);
export const GetQuota = defineQuery('svc.provisioner.quota.get', z.object({ userId: UserIdSchema }), QuotaUsage);

export const PlanRebuild = defineQuery('svc.provisioner.rebuild.plan', z.object({}), RebuildPlan);
export const StartRebuild = defineCommand(
  'svc.provisioner.rebuild.start',
  z.object({ context, reason: z.string() }),
  z.object({ position: Position, plan: RebuildPlan }),
);
export const GetRebuild = defineQuery('svc.provisioner.rebuild.get', z.object({}), RebuildStatus);

export const GetNamespace = defineQuery('svc.provisioner.namespace.get', z.object({ userId: UserIdSchema }), NamespaceView);
/** Hands over the namespace of that user's name that is there, whoever made it. */
export const AdoptNamespace = defineCommand(
  'svc.provisioner.namespace.adopt',
  z.object({ context, owner }),
  z.object({ position: Position, namespace: NamespaceView }),
);
