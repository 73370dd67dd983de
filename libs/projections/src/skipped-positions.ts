import { DomainError } from '@sandlot/kernel';
import { operationRef, ProjectionPositionSkipped, type Context } from '@sandlot/contracts';
import type { EventStore } from '@sandlot/event-store';
import { Halt, Unavailable } from './stops.js';

/** The positions that operators had a projection leave out, as the log has them: they outlive the database. */
export async function skippedInLog(store: Pick<EventStore, 'read'>, service: Context, projection: string): Promise<number[]> {
  try {
    const events = await store.read(operationRef(service, 'projection', projection));
    const skipped = events.filter(({ fact }) => fact.type === ProjectionPositionSkipped.type);
    return skipped.map(({ fact }) => (fact.data as { position: number }).position);
  } catch (error) {
    if (error instanceof DomainError && error.code === 'LOG_DAMAGED') throw new Halt('CHAIN_BROKEN', error.message);
    throw new Unavailable('NATS', error);
  }
}
