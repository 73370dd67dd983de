import { z } from 'zod';
import { AccessPage, AccessQuery, UsagePage, UsageQuery } from '../http/access.js';
import { AuditEntry, AuditFilters, AuditPage, AuditQuery } from '../http/audit.js';
import { AtLeast, defineQuery } from './message.js';

export const ListAuditEntries = defineQuery('svc.audit.entry.list', z.object({ ...AuditQuery.shape, atLeast: AtLeast }), AuditPage);

/**
 * What was added to the trail behind a cursor, in the order in which it was added; waits up to `waitMs` for something to come.
 * Without a cursor: from now on. `cursor` in the answer is where to go on.
 */
export const TailAuditEntries = defineQuery(
  'svc.audit.entry.tail',
  z.object({
    cursor: z.string().max(64).optional(),
    waitMs: z.int().min(0).max(20_000),
    limit: z.int().min(1).max(500),
    filters: AuditFilters,
  }),
  z.object({
    items: z.array(z.object({ cursor: z.string().describe('where to go on behind it'), entry: AuditEntry })),
    cursor: z.string(),
  }),
);

/** What passed the door, as far as it is loaded. */
export const ListAccess = defineQuery('svc.audit.access.list', AccessQuery, AccessPage);
export const ListUsage = defineQuery('svc.audit.usage.list', UsageQuery, UsagePage);
