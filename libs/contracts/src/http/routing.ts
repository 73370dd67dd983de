import { z } from 'zod';
import { SandboxState } from '../kv.js';

export const RoutingQuery = z.strictObject({
  path: z.string().min(1).max(8192).describe('as in the request line; for CONNECT the authority, `s1:ssh`'),
  user: z.string().max(64).describe('a username: who would ask'),
  method: z
    .string()
    .regex(/^[A-Z-]{1,32}$/)
    .default('GET'),
  host: z.string().max(255).optional().describe('the Host field, where it matters'),
});

/** What a proxy would do with a request, decided by the very code that decides on requests. */
export const RoutingExplanation = z
  .object({
    decision: z.enum(['forwarded', 'refused']),
    to: z.enum(['sandbox', 'gateway']).nullable(),
    address: z.string().nullable().describe('that would be dialled'),
    status: z.int().nullable().describe('of a refusal'),
    code: z.string().nullable(),
    detail: z.string().nullable().describe('what the client would be told'),
    reason: z.string().nullable().describe('what the client would not be told'),
    kind: z.enum(['api', 'http', 'websocket', 'tunnel']),
    canonicalPath: z.string().describe('without the query'),
    sandboxId: z.string().nullable(),
    sandbox: z.string().nullable(),
    port: z.int().nullable(),
    state: SandboxState.nullable().describe('of the sandbox, as this proxy knows it'),
    wakes: z.boolean().describe('whether the request would wake the sandbox and be held'),
    proxy: z.string().describe('which proxy answered'),
  })
  .meta({ id: 'RoutingExplanation' });
export type RoutingExplanation = z.infer<typeof RoutingExplanation>;
