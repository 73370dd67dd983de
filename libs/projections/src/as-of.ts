import type { Pool } from 'pg';
import { DomainError } from '@sandlot/kernel';
import { aggregates as owners, type Context } from '@sandlot/contracts';
import { happenedBy, type Moment, type RecordedEvent } from '@sandlot/event-store';
import type { LogSource } from './log-source.js';
import { slotSchema, type ReadModel, type SlotWriter } from './read-model.js';
import { transaction } from './transaction.js';

/** Reads the tables as they were: `select … from ${past.slot}.users`. */
export type ModelQuery<Result> = (past: SlotWriter) => Promise<Result>;

export interface PastOptions<Result> {
  readonly model: ReadModel;
  readonly at: Moment;
  readonly query: ModelQuery<Result>;
  readonly limit: number;
  readonly skipped: ReadonlySet<number>;
  readonly source: LogSource;
  readonly pool: Pool;
  readonly service: Context;
}

const batch = 1_000;

/** An event is stored after the time that it carries, by this much at most: what is stored later need not be read. */
const storedWithinMs = 10 * 60_000;

/** Folds the log up to a moment into temporary tables, and asks them. */
export async function modelAt<Result>(options: PastOptions<Result>): Promise<Result> {
  const { model, query, pool, service, source, at } = options;
  const { lastPosition } = await source.info();
  if (typeof at === 'number' && at > lastPosition)
    throw new DomainError('POSITION_NOT_REACHED', `the log ends at ${lastPosition}, before ${at}`, { position: at, reached: lastPosition });
  return transaction(pool, async (ask) => {
    const past: SlotWriter = { slot: 'pg_temp', query: ask };
    for (const table of model.tables)
      await ask(`create temp table ${table} (like ${slotSchema(service, 'blue')}.${table} including all) on commit drop`);
    let events: RecordedEvent[] = [];
    for await (const event of pastEvents(options, lastPosition)) {
      events.push(event);
      if (events.length < batch) continue;
      await model.apply(events, past);
      events = [];
    }
    if (events.length > 0) await model.apply(events, past);
    return query(past);
  });
}

async function* pastEvents<Result>(options: PastOptions<Result>, lastPosition: number): AsyncGenerator<RecordedEvent> {
  const { model, at, limit, skipped, source } = options;
  const until = typeof at === 'number' ? at : lastPosition;
  const follower = await source.follow(0, { ahead: 2 * batch, subjects: subjectsOf(model) });
  let count = 0;
  try {
    if (follower.pending === 0) return;
    for await (const record of follower) {
      if (record.position > until || (typeof at === 'string' && record.storedAt.getTime() > Date.parse(at) + storedWithinMs)) return;
      if (!skipped.has(record.position)) {
        if ((count += 1) > limit) throw tooMuch(limit);
        const event = record.event();
        if (happenedBy(event, at)) yield event;
      }
      if (record.behind === 0) return;
    }
  } finally {
    follower.close();
  }
}

function subjectsOf({ aggregates }: ReadModel): string[] | undefined {
  const contexts: Readonly<Record<string, string>> = owners;
  return aggregates?.map((aggregate) => `sandlot.${contexts[aggregate] ?? '*'}.${aggregate}.*`);
}

function tooMuch(limit: number): DomainError {
  return new DomainError('VALIDATION_FAILED', `going back that far takes more than ${limit} events`, {
    errors: [{ field: 'asOf', message: `lies behind more than ${limit} events; ask for one object instead of a list, or for an earlier moment` }],
  });
}
