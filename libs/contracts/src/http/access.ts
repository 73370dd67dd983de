import { z } from 'zod';
import { Timestamp } from '../names.js';
import { pageOf, pageQuery } from './pagination.js';

/** One request, WebSocket or tunnel that reached the door. Neither queries nor bodies are kept. */
export const AccessEntry = z
  .object({
    id: z.string(),
    at: Timestamp.describe('when it began'),
    endedAt: Timestamp,
    kind: z.enum(['api', 'http', 'websocket', 'tunnel']),
    method: z.string(),
    path: z.string().describe('without the query string'),
    status: z.int(),
    code: z.string().nullable().describe('of the problem, where it was refused'),
    reason: z.string().nullable().describe('why it was refused, or what ended a connection'),
    userId: z.string().nullable(),
    username: z.string().nullable(),
    keyId: z.string().nullable(),
    sandboxId: z.string().nullable(),
    sandbox: z.string().nullable(),
    port: z.int().nullable().describe('of the sandbox, to which it went'),
    ip: z.string(),
    requestId: z.string(),
    durationMs: z.number(),
    firstByteMs: z.number().nullable().describe('until the sandbox or the API began to answer'),
    heldMs: z.number().nullable().describe('how long it was held until its sandbox woke'),
    woke: z.boolean().nullable().describe('whether it woke its sandbox'),
    bytesIn: z.int(),
    bytesOut: z.int(),
  })
  .meta({ id: 'AccessEntry' });
export type AccessEntry = z.infer<typeof AccessEntry>;

export const accessFilters = {
  user: z.string().max(64).optional().describe('a username or user id; who is no administrator sees only what is theirs'),
  key: z.string().max(64).optional().describe('the id of an API key'),
  sandbox: z.string().max(64).optional().describe('the id or name of a sandbox'),
  kind: AccessEntry.shape.kind.optional(),
  method: z.string().max(32).optional(),
  status: z
    .string()
    .regex(/^[1-5](xx|\d\d)$/, 'must be a status, or a class of them: 404, 4xx')
    .optional()
    .describe('`404`, or a class: `4xx`'),
  since: Timestamp.optional(),
  until: Timestamp.optional(),
};
export const AccessFilters = z.object(accessFilters);
export type AccessFilters = z.infer<typeof AccessFilters>;
export const AccessQuery = z.object({ ...pageQuery, ...accessFilters, order: z.enum(['asc', 'desc']).default('desc') });
export const AccessPage = pageOf(AccessEntry, 'AccessPage');

/** What one user sent to one sandbox on one day; without a sandbox: to the API, or to what was not found. */
export const Usage = z
  .object({
    day: z.iso.date().describe('in UTC, of the beginning'),
    userId: z.string(),
    username: z.string().nullable(),
    sandboxId: z.string().nullable(),
    sandbox: z.string().nullable(),
    requests: z.int().describe('WebSockets and tunnels included'),
    refused: z.int().describe('those of them that were answered 401, 403, 407 or 429'),
    bytesIn: z.int(),
    bytesOut: z.int(),
    connections: z.int().describe('WebSockets and tunnels that have ended'),
    connectionSeconds: z.number().describe('for how long they were open, all added up'),
  })
  .meta({ id: 'Usage' });
export type Usage = z.infer<typeof Usage>;

export const UsageQuery = z.object({
  ...pageQuery,
  user: accessFilters.user,
  sandbox: accessFilters.sandbox,
  since: z.iso.date().optional().describe('the first day'),
  until: z.iso.date().optional().describe('the day behind the last'),
});
export const UsagePage = pageOf(Usage, 'UsagePage');
