import { z } from 'zod';
import { UserIdSchema } from '../names.js';

const limit = (what: string) => z.int().min(0).max(1_000_000).optional().describe(what);

/** What one user may ask of the proxies. What is absent is as for everybody; 0 is no limit. */
export const UserLimits = z.object({
  requestsPerSecond: limit('of all keys of the user together'),
  requestsPerSecondPerKey: limit('of each key'),
  requestsPerSecondPerSandbox: limit("to each of the user's sandboxes"),
  requestsUnderWay: limit('at a time, in one proxy'),
  connections: limit('WebSockets and tunnels at a time, in one proxy'),
});
export type UserLimits = z.infer<typeof UserLimits>;
export const userLimitNames = UserLimits.keyof().options;

export const UserLimitsBody = UserLimits.strict().meta({ id: 'UserLimits' });

export const LimitsOfUser = z
  .object({
    userId: UserIdSchema,
    limits: UserLimits.describe('what is absent is as for everybody'),
    version: z.int().describe('of the user, for If-Match'),
  })
  .meta({ id: 'LimitsOfUser' });
export type LimitsOfUser = z.infer<typeof LimitsOfUser>;

const inForce = z.object({
  value: z.int().describe('0 is no limit'),
  source: z.enum(['default', 'override']).describe('as for everybody, or set for this user by an administrator'),
});
const rateInForce = inForce.extend({ burst: z.int().describe('requests that may come at once after a pause; 0 is no limit') });
const mostBytes = (what: string) => z.int().nullable().describe(`${what}; null is no limit`);

/** What holds for one user at this moment, as the proxies know it. */
export const LimitsInForce = z
  .object({
    requestsPerSecond: rateInForce.describe('of all keys of the user together'),
    requestsPerSecondPerKey: rateInForce.describe('of each key'),
    requestsPerSecondPerSandbox: rateInForce.describe("to each of the user's sandboxes"),
    requestsUnderWay: inForce.describe('at a time, in one proxy'),
    connections: inForce.describe('WebSockets and tunnels at a time, in one proxy'),
    bodyBytes: z.object({
      api: mostBytes('of the body of a request to the API'),
      sandbox: mostBytes('of the body of a request to a sandbox'),
    }),
  })
  .meta({ id: 'LimitsInForce' });
export type LimitsInForce = z.infer<typeof LimitsInForce>;
