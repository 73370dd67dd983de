import { z } from 'zod';
import { Timestamp } from '../names.js';
import { pageQuery } from './pagination.js';

export const ProjectionView = z
  .object({
    name: z.string(),
    service: z.string(),
    status: z.enum(['starting', 'running', 'standby', 'parked', 'halted', 'waiting']),
    reason: z.string().nullable(),
    message: z.string().nullable(),
    position: z.int(),
    head: z.int().nullable().describe('the last position of the log'),
    lagEvents: z.int().nullable(),
    rebuild: z
      .object({
        position: z.int(),
        target: z.int(),
        ratio: z.number(),
        status: z.string().describe('as of the projection; when it has stopped, `reason` and `message` say why'),
        reason: z.string().nullable(),
        message: z.string().nullable(),
      })
      .nullable(),
  })
  .meta({ id: 'Projection' });
export type ProjectionView = z.infer<typeof ProjectionView>;

export const ConsumerView = z
  .object({
    name: z.string(),
    service: z.string(),
    position: z.int().describe('everything up to here is handled'),
    pending: z.int(),
    unacknowledged: z.int(),
    redelivered: z.int(),
    pausedUntil: Timestamp.nullable(),
    deadLetters: z.int(),
  })
  .meta({ id: 'Consumer' });
export type ConsumerView = z.infer<typeof ConsumerView>;

export const DeadLetterView = z
  .object({
    id: z.int().describe('its position in the stream DEAD'),
    service: z.string(),
    consumer: z.string(),
    reason: z.string(),
    attempts: z.int(),
    subject: z.string(),
    position: z.int().describe('of the event in the log'),
    type: z.string().nullable(),
    at: Timestamp,
  })
  .meta({ id: 'DeadLetter' });
export type DeadLetterView = z.infer<typeof DeadLetterView>;

export const ReasonBody = z.strictObject({ reason: z.string().trim().min(1).max(500) }).meta({ id: 'Reason' });
export const SkipBody = z
  .strictObject({ position: z.int().min(1), reason: z.string().trim().min(1).max(500) })
  .meta({ id: 'SkipPosition' });
export const PauseConsumerBody = z.strictObject({ until: Timestamp }).meta({ id: 'PauseConsumer' });
export const ReplayBody = z
  .strictObject({ fromPosition: z.int().min(1).optional(), fromTime: Timestamp.optional() })
  .refine((body) => (body.fromPosition === undefined) !== (body.fromTime === undefined), 'needs either fromPosition or fromTime')
  .meta({ id: 'Replay' });
export const DeadLetterQuery = z.object({ ...pageQuery, consumer: z.string().max(64).optional() });

/** A service that did not answer in time: what it has is missing from the list. */
export const UnansweredService = z.object({ service: z.string(), code: z.string(), detail: z.string() }).meta({ id: 'UnansweredService' });
export type UnansweredService = z.infer<typeof UnansweredService>;
const unanswered = z.array(UnansweredService).describe('services that did not answer, whose entries are missing here');
export const ProjectionList = z.object({ items: z.array(ProjectionView), unanswered }).meta({ id: 'ProjectionList' });
export const ConsumerList = z.object({ items: z.array(ConsumerView), unanswered }).meta({ id: 'ConsumerList' });
export const DeadLetterPage = z
  .object({ items: z.array(DeadLetterView), nextCursor: z.string().nullable(), unanswered })
  .meta({ id: 'DeadLetterPage' });

export const ReconcileReport = z
  .object({
    reconciled: z.int(),
    changed: z.array(z.object({ id: z.string(), what: z.string() })),
    failed: z.array(z.object({ id: z.string(), error: z.string() })),
  })
  .meta({ id: 'ReconcileReport' });
