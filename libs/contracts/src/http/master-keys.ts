import { z } from 'zod';
import { UserIdSchema } from '../names.js';

export const RewrapBody = z
  .strictObject({
    after: UserIdSchema.optional().describe('`next` of the answer before; the first users without it'),
    limit: z.int().min(1).max(2_000).default(500).describe('users to look at'),
  })
  .default({ limit: 500 })
  .meta({ id: 'RewrapDataKeys' });

export const Rewrapped = z
  .object({
    masterKey: z.string().describe('id of the newest master key, under which they are now'),
    looked: z.int().describe('users whose data key was looked at'),
    rewrapped: z.int().describe('those that an older master key held'),
    next: UserIdSchema.nullable().describe('`after` of the next request; null when this was the last'),
  })
  .meta({ id: 'RewrappedDataKeys' });
export type Rewrapped = z.infer<typeof Rewrapped>;
