import { type Decider, type Fact } from '@sandlot/kernel';
import type { AggregateRef } from '@sandlot/contracts';
import { nothing, refuseNewerEvents, revisionOf, type EventStore, type RecordedEvent, type Revision } from './event-store.js';

/** A moment of the past: a position in the log, or a time (RFC 3339). What happened at it is included. */
export type Moment = number | string;

export function happenedBy(event: Pick<RecordedEvent, 'position' | 'time'>, moment: Moment): boolean {
  return typeof moment === 'number' ? event.position <= moment : Date.parse(event.time) <= Date.parse(moment);
}

/** One aggregate as it was. */
export async function loadAsOf<State, Command, Event extends Fact>(
  store: EventStore,
  decider: Decider<State, Command, Event>,
  ref: AggregateRef,
  moment: Moment,
): Promise<{ state: State; revision: Revision }> {
  const events = (await store.read(ref)).filter((event) => happenedBy(event, moment));
  refuseNewerEvents(events);
  const last = events.at(-1);
  return {
    state: events.reduce((state, event) => decider.evolve(state, event.fact as Event), decider.initialState),
    revision: last ? revisionOf(last) : nothing,
  };
}
