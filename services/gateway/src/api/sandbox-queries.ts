import { AsOf } from '@sandlot/contracts';
import { z } from 'zod';

export const NamespaceQuery = z.strictObject({
  namespace: z.string().max(63).optional().describe("only the owner's, user-<username>; the older form of the API had it"),
});
export type NamespaceQuery = z.output<typeof NamespaceQuery>;

export const AsOfQuery = z.strictObject({ asOf: AsOf });
export type AsOfQuery = z.output<typeof AsOfQuery>;
