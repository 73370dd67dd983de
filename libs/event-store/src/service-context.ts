import { newId, systemClock, type Clock, type CommandContext } from '@sandlot/kernel';
import { activeTraceparent } from './append-trace.js';
import type { Revision } from './event-store.js';

/** The context of a command that a service gives itself: because of what last happened to an aggregate, and as part of the same request. */
export function serviceContext(service: string, because: Revision, clock: Clock = systemClock): CommandContext {
  const at = clock.now();
  const commandId = newId('cmd', at);
  const traceparent = activeTraceparent();
  return {
    commandId,
    at: at.toISOString(),
    actor: { type: 'service', id: service },
    correlationId: because.correlationId || commandId,
    ...(because.eventId && { causationId: because.eventId }),
    ...(traceparent && { traceparent }),
  };
}
