import { z } from 'zod';
import { Egress, NamespaceConcernName } from '../events/namespace-events.js';
import { Quota } from '../events/ledger-events.js';

/** Where a user's sandboxes are, as it was last seen. */
export const NamespaceView = z
  .object({
    name: z.string(),
    state: z.enum(['live', 'deleting', 'deleted']),
    uid: z.string().nullable().describe("the runtime's own id of it; null until it was seen"),
    quota: Quota.nullable().describe('as it is in place'),
    egress: Egress.nullable().describe('what leaves sandboxes; null where nothing sees to it'),
    failures: z
      .array(z.object({ concern: NamespaceConcernName.optional(), reason: z.string(), message: z.string() }))
      .describe('what is not in place, and why'),
  })
  .meta({ id: 'Namespace' });
export type NamespaceView = z.infer<typeof NamespaceView>;
