import { z } from 'zod';
import { defineEvent, type EventOf } from '@sandlot/kernel';

// What operators did to the machinery itself: on `sandlot.<service>.projection.<name>` and `sandlot.<service>.consumer.<durable>`.

export const ProjectionRebuildRequested = defineEvent('projection.rebuild-requested.v1', z.object({ reason: z.string() }));
/** The projection leaves out what stands at this position: a poison event, or a record that the log has lost. */
export const ProjectionPositionSkipped = defineEvent(
  'projection.position-skipped.v1',
  z.object({ position: z.int().min(1), reason: z.string() }),
);
export const ProjectionRetried = defineEvent('projection.retried.v1', z.object({ position: z.int().min(0) }));

export const ConsumerPaused = defineEvent('consumer.paused.v1', z.object({ until: z.iso.datetime() }));
export const ConsumerResumed = defineEvent('consumer.resumed.v1', z.object({}));
export const ConsumerReplayed = defineEvent('consumer.replayed.v1', z.object({ fromPosition: z.int().min(1) }));
export const DeadLetterReplayed = defineEvent(
  'consumer.dead-letter-replayed.v1',
  z.object({ deadLetter: z.int().min(1), position: z.int().min(1) }),
);
export const DeadLetterDiscarded = defineEvent(
  'consumer.dead-letter-discarded.v1',
  z.object({ deadLetter: z.int().min(1), position: z.int().min(1) }),
);

export type ProjectionEvent =
  EventOf<typeof ProjectionRebuildRequested> | EventOf<typeof ProjectionPositionSkipped> | EventOf<typeof ProjectionRetried>;
export type ConsumerEvent =
  | EventOf<typeof ConsumerPaused>
  | EventOf<typeof ConsumerResumed>
  | EventOf<typeof ConsumerReplayed>
  | EventOf<typeof DeadLetterReplayed>
  | EventOf<typeof DeadLetterDiscarded>;
