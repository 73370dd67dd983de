import type { QueryResult, QueryResultRow } from 'pg';
import type { RecordedEvent } from '@sandlot/event-store';

/** Each read model is kept in one of two places, so that it can be built anew in the other while queries go on. */
export type Slot = 'blue' | 'green';

export const otherSlot = (slot: Slot): Slot => (slot === 'blue' ? 'green' : 'blue');

/** The schema of a service's slot. */
export const slotSchema = (service: string, slot: Slot): string => `${service}_${slot}`;

/** Where a read model's events are applied: the connection of the transaction that also holds the checkpoint. */
export interface SlotWriter {
  /** The schema that the tables are in: `${slot}.users`. */
  readonly slot: string;
  query<Row extends QueryResultRow = QueryResultRow>(sql: string, params?: readonly unknown[]): Promise<QueryResult<Row>>;
}

/** What people see, folded from the log into tables. */
export interface ReadModel {
  /** Permanent, e.g. `users`. */
  readonly name: string;
  /** In each slot schema, made by `slotTables`. */
  readonly tables: readonly string[];
  /** Only events of these aggregates are handed over, and have their versions and hashes checked. Default: all. */
  readonly aggregates?: readonly string[];
  /**
   * Applies events in the order of the log: up to some thousands, of many aggregates. Runs in one transaction with the checkpoint, so each
   * event takes effect exactly once; it may be called again with the same events after a rollback. Nothing but `write` may be touched.
   * An event that it throws on parks this read model there. Types that it does not know are to be passed over.
   */
  apply(events: readonly RecordedEvent[], write: SlotWriter): Promise<void>;
}

/**
 * `waiting`: PostgreSQL or NATS is away, it goes on by itself. `parked`: one event cannot be applied. `halted`: the log is not what it was.
 * Both of the latter wait for an operator.
 */
export type ProjectionState = 'starting' | 'running' | 'waiting' | 'parked' | 'halted';

export interface ProjectionStatus {
  readonly service: string;
  readonly name: string;
  readonly state: ProjectionState;
  /** Whether this process applies the events; otherwise it stands by, and this is what the database says. */
  readonly active: boolean;
  readonly live: Slot;
  /** The stream sequence up to which the log is applied. */
  readonly position: number;
  /** The log's last stream sequence, as of the last look (every 2 s). */
  readonly logPosition?: number;
  readonly lagEvents?: number;
  /** The age of the oldest event that is not applied, in s. */
  readonly lagSeconds?: number;
  readonly stopped?: Stop;
  /** Positions that an operator had left out. */
  readonly skipped: readonly number[];
  readonly rebuild?: {
    readonly reason: string;
    readonly state: ProjectionState;
    readonly position: number;
    readonly target: number;
    /** 0 to 1. */
    readonly progress: number;
    readonly stopped?: Stop;
  };
}

export type StopCode =
  | 'POISON'
  | 'GAP'
  | 'CHAIN_BROKEN'
  | 'CHECKPOINT_MISMATCH'
  | 'LOG_REWOUND'
  | 'STREAM_RECREATED'
  | 'LOG_DAMAGED'
  | 'NEWER_EVENT'
  | 'UNAVAILABLE';

/** Why a read model does not go on, and what to do. */
export interface Stop {
  readonly code: StopCode;
  readonly reason: string;
  readonly remedy: string;
  /** The position that cannot be passed. */
  readonly at?: number;
}

export const remedies: Record<StopCode, string> = {
  POISON: 'Correct the code or the data and retry, or skip the position.',
  GAP: 'Restore the log from a backup or replica and retry; when the record is lost for good, skip the position.',
  CHAIN_BROKEN: 'Restore the log from a backup or replica and retry; the aggregate is not to be trusted until then.',
  CHECKPOINT_MISMATCH: 'Restore the right log and retry, or rebuild to accept this one.',
  LOG_REWOUND: 'The log is older than what was read from it. Restore the newest backup and retry, or rebuild to accept this one.',
  STREAM_RECREATED: 'The stream was made anew. Restore the old one and retry, or rebuild to accept this one.',
  LOG_DAMAGED: 'Restore the log from a backup or replica and retry.',
  NEWER_EVENT: 'Update this service: a newer version has written there. It goes on by itself when it is new enough.',
  UNAVAILABLE: 'Nothing to do here: it goes on by itself when the server is back.',
};
