import type { Pool } from 'pg';
import { DomainError } from '@sandlot/kernel';
import { aggregates as owners, type Context } from '@sandlot/contracts';
import { happenedBy, refuseNewerEvents, type Moment, type RecordedEvent } from '@sandlot/event-store';
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
    const apply = async (): Promise<void> => {
      const taken = events;
      events = [];
      if (taken.length > 0) await model.apply(taken, past);
    };
    await readPast(options, lastPosition, (event) => {
      events.push(event);
      return events.length < batch ? undefined : apply();
    });
    await apply();
    return query(past);
  });
}

/** Hands over each event up to a moment, oldest first. Throws DomainError when there are more than `limit`. */
export async function readPast(
  { model, at, limit, skipped, source }: Pick<PastOptions<unknown>, 'model' | 'at' | 'limit' | 'skipped' | 'source'>,
  lastPosition: number,
  take: (event: RecordedEvent) => Promise<void> | undefined,
): Promise<void> {
  const until = typeof at === 'number' ? at : lastPosition;
  const latest = typeof at === 'number' ? Infinity : Date.parse(at) + storedWithinMs;
  const follower = await source.follow(0, { ahead: batch, subjects: subjectsOf(model) });
  let count = 0;
  try {
    if (follower.pending === 0) return;
    await follower.read((record) => {
      if (record.behind === 0) follower.close();
      if (record.position > until || (latest !== Infinity && record.storedAt.getTime() > latest)) return follower.close();
      if (skipped.has(record.position)) return;
      if ((count += 1) > limit) throw tooMuch(limit);
      const event = record.event();
      refuseNewerEvents([event]);
      return happenedBy(event, at) ? take(event) : undefined;
    });
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
    errors: [
      { field: 'asOf', message: `lies behind more than ${limit} events; ask for one object instead of a list, or for an earlier moment` },
    ],
  });
}
