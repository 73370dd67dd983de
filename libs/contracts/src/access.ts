import { z } from 'zod';

/** One request that reached the door, as the stream ACCESS has it: a message holds a JSON array of these. */
export const AccessRecord = z.object({
  id: z.string().describe('evt_…, unique; the trail is keyed by it'),
  at: z.iso.datetime(),
  kind: z.enum(['api', 'http', 'websocket']),
  method: z.string(),
  path: z.string().max(2048).describe('without the query string'),
  status: z.int(),
  code: z.string().optional().describe('of the problem, where it was refused'),
  reason: z.string().optional().describe('for the holder: why a key was refused'),
  userId: z.string().optional(),
  username: z.string().optional(),
  keyId: z.string().optional(),
  sandboxId: z.string().optional(),
  sandbox: z.string().optional(),
  ip: z.string(),
  requestId: z.string(),
  durationMs: z.number(),
  bytesIn: z.int(),
  bytesOut: z.int(),
});
export type AccessRecord = z.infer<typeof AccessRecord>;
