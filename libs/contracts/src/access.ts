import { z } from 'zod';

/** One request that reached the door, as the stream ACCESS has it: a message holds a JSON array of these. */
export const AccessRecord = z.object({
  id: z.string().describe('evt_…, unique; the trail is keyed by it'),
  at: z.iso.datetime().describe('when it began; it ended `durationMs` later, and a connection is recorded when it has ended'),
  kind: z.enum(['api', 'http', 'websocket', 'tunnel']),
  method: z.string(),
  path: z.string().max(2048).describe('without the query string'),
  status: z.int(),
  code: z.string().optional().describe('of the problem, where it was refused'),
  reason: z.string().optional().describe('for the holder: why a key was refused, who ended a connection'),
  userId: z.string().optional(),
  username: z.string().optional(),
  keyId: z.string().optional(),
  sandboxId: z.string().optional(),
  sandbox: z.string().optional(),
  port: z.int().optional().describe('of the sandbox, to which it went'),
  ip: z.string(),
  requestId: z.string(),
  durationMs: z.number(),
  firstByteMs: z.number().optional().describe('until the sandbox or the API began to answer'),
  bytesIn: z.int(),
  bytesOut: z.int(),
  heldMs: z.number().optional().describe('how long it was held until its sandbox woke'),
  woke: z.boolean().optional().describe('it woke its sandbox: the resumption in the log names this request'),
});
export type AccessRecord = z.infer<typeof AccessRecord>;
