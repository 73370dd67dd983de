import { millisecondsOf, type Fact } from '@sandlot/kernel';
import type { RecordedEvent } from '@sandlot/event-store';
import type { ReadModel, SlotWriter } from './read-model.js';
import { upsert, type TableShape } from './rows.js';

export interface RowPerAggregate<State, Event> {
  /** Permanent: the name of the projection, and of its one table. */
  name: string;
  aggregate: string;
  initialState: State;
  /** The same that the domain uses, so the read model cannot drift from the rules. The state is kept as JSON. */
  evolve(state: State, event: Event): State;
  /** The columns besides id, state, version, created_at and updated_at, with PostgreSQL's types. */
  columns: Readonly<Record<string, string>>;
  row(state: State): Record<string, unknown>;
}

const always = { id: 'text', state: 'jsonb', version: 'integer', created_at: 'timestamptz', updated_at: 'timestamptz' };

/** A read model that has one row for each aggregate of a kind. */
export function rowPerAggregate<State, Event extends Fact>(
  options: RowPerAggregate<State, Event>,
): ReadModel & { ddl(slot: string): string } {
  const { name, aggregate, columns } = options;
  const shape: TableShape = { table: name, columns: { ...always, ...columns }, key: ['id'] };
  return {
    name,
    tables: [name],
    aggregates: [aggregate],

    /** Without indexes; the migration adds those that its queries need. HOT updates: a row is rewritten with each of its events. */
    ddl: (slot) =>
      `create table ${slot}.${name} (${Object.entries(shape.columns)
        .map(([column, type]) => `${column} ${type}${column in always ? ' not null' : ''}`)
        .join(', ')}, primary key (id)) with (fillfactor = 80)`,

    async apply(events, write) {
      const mine = events.filter((event) => event.aggregate.aggregate === aggregate);
      const states = await statesBefore(mine, name, write);
      const rows = new Map<string, Record<string, unknown>>();
      for (const event of mine) {
        const { id } = event.aggregate;
        const state = options.evolve((states.get(id) as State | undefined) ?? options.initialState, event.fact as Event);
        states.set(id, state);
        rows.set(id, {
          ...options.row(state),
          id,
          state,
          version: event.version,
          created_at: new Date(millisecondsOf(id)).toISOString(),
          updated_at: event.time,
        });
      }
      await upsert(write, shape, [...rows.values()]);
    },
  };
}

/** What is known of the aggregates that existed before these events. */
async function statesBefore(events: readonly RecordedEvent[], table: string, write: SlotWriter): Promise<Map<string, unknown>> {
  const born = new Set(events.filter(({ version }) => version === 1).map(({ aggregate }) => aggregate.id));
  const ids = [...new Set(events.map(({ aggregate }) => aggregate.id))].filter((id) => !born.has(id));
  if (ids.length === 0) return new Map();
  const { rows } = await write.query<{ id: string; state: unknown }>(`select id, state from ${write.slot}.${table} where id = any($1)`, [
    ids,
  ]);
  return new Map(rows.map(({ id, state }) => [id, state]));
}
