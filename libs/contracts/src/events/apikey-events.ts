import { z } from 'zod';
import { defineEvent, type EventOf } from '@sandlot/kernel';
import { Timestamp, UserIdSchema } from '../names.js';

export const ApiKeyCreated = defineEvent(
  'apikey.created.v1',
  z.object({
    userId: UserIdSchema,
    name: z.string(),
    hash: z
      .string()
      .regex(/^[0-9a-f]{64}$/)
      .describe('SHA-256 of the key; the key itself is never stored'),
    lastFour: z.string().length(4),
    expiresAt: Timestamp.nullable(),
  }),
);
export const ApiKeyRenamed = defineEvent('apikey.renamed.v1', z.object({ name: z.string() }));
export const ApiKeyRevoked = defineEvent('apikey.revoked.v1', z.object({}));

export type ApiKeyEvent = EventOf<typeof ApiKeyCreated> | EventOf<typeof ApiKeyRenamed> | EventOf<typeof ApiKeyRevoked>;
