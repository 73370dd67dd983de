import { z } from 'zod';
import { Timestamp } from '../names.js';
import { pageOf, pageQuery } from './pagination.js';

/** One line of the trail: who, with which key, from where, did what to what, with what outcome, when, as part of what. */
export const AuditEntry = z
  .object({
    id: z.string().describe('the event, or the refused request'),
    at: Timestamp,
    actorType: z.enum(['user', 'admin', 'service', 'anonymous']),
    actorId: z.string(),
    actor: z.string().describe('the username, or the name of the service'),
    keyId: z.string().nullable(),
    ip: z.string().nullable(),
    action: z.string().describe('`sandbox.pause-requested`; `request.refused` for what was turned away'),
    targetType: z.string(),
    targetId: z.string(),
    target: z.string().nullable().describe('its name, where it has one'),
    outcome: z.enum(['done', 'refused', 'failed']),
    status: z.int().nullable().describe('HTTP status of a refusal'),
    reason: z.string().nullable(),
    correlationId: z.string(),
    position: z.int().nullable().describe('in the log'),
    data: z.record(z.string(), z.unknown()),
  })
  .meta({ id: 'AuditEntry' });
export type AuditEntry = z.infer<typeof AuditEntry>;

export const auditFilters = {
  actor: z.string().max(64).optional().describe('a username, a user id or the name of a service'),
  action: z.string().max(64).optional().describe('exactly, or with a `*` at the end'),
  target: z.string().max(64).optional().describe('an id or a name'),
  targetType: z.string().max(32).optional(),
  outcome: z.enum(['done', 'refused', 'failed']).optional(),
  keyId: z.string().max(64).optional(),
  correlationId: z.string().max(128).optional(),
  since: Timestamp.optional(),
  until: Timestamp.optional(),
};
export const AuditQuery = z.object({ ...pageQuery, ...auditFilters, order: z.enum(['asc', 'desc']).default('desc') });
export const AuditFilters = z.object(auditFilters);
export type AuditFilters = z.infer<typeof AuditFilters>;
export const AuditPage = pageOf(AuditEntry, 'AuditPage');
