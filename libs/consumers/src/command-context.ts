import { deriveId, systemClock, type Clock, type CommandContext } from '@sandlot/kernel';
import { activeTraceparent, type RecordedEvent } from '@sandlot/event-store';

/**
 * The context of a command that a service issues because of an event. When the event is handled again, the command has the same id and
 * so takes effect once; `what` keeps apart the commands that one event brings about.
 */
export function contextFrom(
  event: Pick<RecordedEvent, 'id' | 'commandId' | 'correlationId' | 'traceparent'>,
  { service, what, clock = systemClock }: { service: string; what: string; clock?: Clock },
): CommandContext {
  const traceparent = activeTraceparent() ?? event.traceparent;
  return {
    commandId: deriveId('cmd', event.commandId, `${service}/${what}/${event.id}`),
    at: clock.now().toISOString(),
    actor: { type: 'service', id: service },
    correlationId: event.correlationId,
    causationId: event.id,
    ...(traceparent && { traceparent }),
  };
}
