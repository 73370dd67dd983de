import { z } from 'zod';
import { NamespaceConcernName } from '../events/namespace-events.js';
import { SandboxIdSchema, Timestamp, UserIdSchema } from '../names.js';

export const RebuildBody = z
  .strictObject({
    dryRun: z.boolean().default(false).describe('only the plan'),
    reason: z.string().trim().min(1).max(500).optional().describe('goes into the log; needed unless it is a dry run'),
  })
  .superRefine(({ dryRun, reason }, context) => {
    if (!dryRun && reason === undefined)
      context.addIssue({ code: 'custom', path: ['reason'], message: 'is required, unless dryRun is true' });
  })
  .meta({ id: 'RequestRebuild' });

/** What becomes of something that the log and the runtime do not agree on. */
export const RebuildOutcome = z.enum(['comes-back', 'starts', 'stops', 'cannot', 'goes', 'left-alone']);
export type RebuildOutcome = z.infer<typeof RebuildOutcome>;

const why = { reason: z.string().optional().describe('a code, where it cannot or is left alone'), message: z.string().optional() };

export const RebuildVolume = z.object({
  name: z.string().describe('`work` is its own work folder'),
  outcome: z.enum(['re-attaches', 'is-made-anew', 'unknown']).describe('made anew: empty, what was in it is not here any more'),
});
export type RebuildVolume = z.infer<typeof RebuildVolume>;

export const RebuildNamespace = z.object({
  name: z.string(),
  owner: UserIdSchema,
  outcome: RebuildOutcome,
  concerns: z.array(NamespaceConcernName).optional().describe('what has to come back in a namespace that is there'),
  ...why,
});
export type RebuildNamespace = z.infer<typeof RebuildNamespace>;

export const RebuildSandbox = z.object({
  id: SandboxIdSchema,
  name: z.string().optional().describe('absent where the log does not know it'),
  namespace: z.string().optional(),
  outcome: RebuildOutcome,
  as: z.enum(['running', 'paused']).optional().describe('how it comes back'),
  volumes: z.array(RebuildVolume).optional(),
  ...why,
});
export type RebuildSandbox = z.infer<typeof RebuildSandbox>;

const count = z.object({
  there: z.int(),
  'comes-back': z.int(),
  starts: z.int().default(0),
  stops: z.int().default(0),
  cannot: z.int(),
  goes: z.int(),
  'left-alone': z.int(),
});
export type RebuildCount = z.infer<typeof count>;

export const RebuildPlan = z
  .object({
    runtime: z.string(),
    counts: z.object({ namespaces: count, sandboxes: count }),
    namespaces: z.array(RebuildNamespace).describe('those that are not as they should be'),
    sandboxes: z.array(RebuildSandbox).describe('those that are not as they should be'),
    omitted: z.int().describe('how many more there are than the 500 of each that are listed'),
  })
  .meta({ id: 'RebuildPlan' });
export type RebuildPlan = z.infer<typeof RebuildPlan>;

export const RebuildStatus = z
  .object({
    latest: z
      .object({
        state: z.enum(['underway', 'completed']).describe('underway: asked for, and not everything looked at yet'),
        since: Timestamp,
        reason: z.string(),
        comesBack: z.object({ namespaces: z.int(), sandboxes: z.int() }),
        changed: z.int().optional(),
        failed: z.int().optional().describe('tried again by the reconcilers'),
      })
      .nullable()
      .describe('the last one that was asked for'),
    plan: RebuildPlan.describe('what is left to do now'),
  })
  .meta({ id: 'RebuildStatus' });
export type RebuildStatus = z.infer<typeof RebuildStatus>;
