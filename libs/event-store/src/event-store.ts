import { DomainError, type CommandContext, type Fact } from '@sandlot/kernel';
import { isNewerVersion, type AggregateRef, type Envelope } from '@sandlot/contracts';

/** An event as it stands in the log. */
export interface RecordedEvent extends Envelope {
  /** The fact in its newest version; `data` is left as it was read when this version does not know the type. */
  readonly fact: Fact;
  readonly known: boolean;
  /** The stream sequence: contiguous over all aggregates, from 1. */
  readonly position: number;
  /** hashEvent over the record; the aggregate's next event carries it. */
  readonly hash: string;
}

/** Throws DomainError NEWER_EVENT at one that a newer version has written: who went on without it would decide or show what is not so. */
export function refuseNewerEvents(events: readonly Pick<RecordedEvent, 'known' | 'type' | 'position'>[]): void {
  const newer = events.find(({ known, type }) => !known && isNewerVersion(type));
  if (newer) throw newerEvent(newer);
}

export function newerEvent({ type, position }: Pick<RecordedEvent, 'type' | 'position'>): DomainError {
  return new DomainError('NEWER_EVENT', `position ${position} holds ${type}, which a newer version has written and this one cannot read`, {
    position,
  });
}

/** Where an aggregate stands. What an append expects, and what it leaves behind. */
export interface Revision {
  readonly version: number;
  readonly position: number;
  readonly hash: string;
  /** Of its last event; '' before the first. */
  readonly time: string;
  readonly eventId: string;
  readonly correlationId: string;
}

/** The revision of an aggregate that nothing has happened to yet. */
export const nothing: Revision = { version: 0, position: 0, hash: '', time: '', eventId: '', correlationId: '' };

export const revisionOf = ({ version, position, hash, time, id, correlationId }: RecordedEvent): Revision => ({
  version,
  position,
  hash,
  time,
  eventId: id,
  correlationId,
});

/** The facts that one command adds to one aggregate, at least one. */
export interface Write {
  readonly aggregate: AggregateRef;
  readonly expected: Revision;
  readonly facts: readonly Fact[];
}

export type AppendResult =
  /** Stored. `position` is the last of them, `revisions` stand in the order of the writes. */
  | { readonly outcome: 'appended'; readonly position: number; readonly revisions: readonly Revision[] }
  /** An earlier attempt with the same command id had stored them. */
  | { readonly outcome: 'already-applied'; readonly position: number }
  /** Somebody else was faster on this aggregate, whose newest event is at `current`. Nothing was stored. */
  | { readonly outcome: 'conflict'; readonly aggregate: AggregateRef; readonly current: number }
  /** No answer came. It may or may not be stored; the same append again finds out. */
  | { readonly outcome: 'unknown' };

/**
 * The log. All writes of one append are stored together or not at all; on each aggregate only at the expected revision.
 * A store that is known not to have taken the append throws DomainError UNAVAILABLE.
 */
export interface EventStore {
  /** At most 100 facts. The writes name distinct aggregates. */
  append(context: CommandContext, writes: readonly Write[]): Promise<AppendResult>;

  /**
   * The events of one aggregate behind `after` (default: all), oldest first, complete at least up to the position `atLeast`.
   * Throws DomainError LOG_DAMAGED when a version is missing or a hash does not fit.
   */
  read(aggregate: AggregateRef, options?: { after?: Revision; atLeast?: number }): Promise<RecordedEvent[]>;
}
