import { Timestamp } from '@sandlot/contracts';
import { z } from 'zod';

export const NamespaceQuery = z.strictObject({
  namespace: z.string().max(63).optional().describe("only the owner's, user-<username>; the older form of the API had it"),
});
export type NamespaceQuery = z.output<typeof NamespaceQuery>;

const Position = z
  .string()
  .regex(/^[1-9]\d{0,14}$/, 'must be a position (a whole number from 1) or a time (2026-01-31T12:00:00Z)')
  .transform(Number);

export const AsOfQuery = z.strictObject({
  asOf: z.union([Timestamp, Position]).optional().describe('a position of the log, or a time as 2026-01-31T12:00:00Z'),
});
export type AsOfQuery = z.output<typeof AsOfQuery>;
