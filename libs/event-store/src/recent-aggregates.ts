import { LRUCache } from 'lru-cache';
import type { CommandId, Decider, Fact } from '@sandlot/kernel';
import type { AggregateRef } from '@sandlot/contracts';
import { nothing, refuseNewerEvents, revisionOf, type EventStore, type Revision } from './event-store.js';

/** An aggregate as it was at a revision. */
export interface Snapshot {
  readonly state: unknown;
  readonly revision: Revision;
  /** Which commands have changed this aggregate, and where the last event of each stands. Shared with later snapshots, so it may be ahead. */
  readonly commands: Map<CommandId, number>;
}

const commandsPerAggregate = 100;

/** The aggregates that were handled lately, bounded by their number and by the number of commands that they remember. */
export class RecentAggregates {
  private readonly snapshots: LRUCache<string, Snapshot>;

  constructor(max: number) {
    const sizeCalculation = ({ commands }: Snapshot): number => commands.size + 1;
    this.snapshots = new LRUCache({ max, maxSize: max * commandsPerAggregate, sizeCalculation });
  }

  get(subject: string): Snapshot | undefined {
    return this.snapshots.get(subject);
  }

  /** Takes a snapshot, unless there is a newer one by now. */
  keep(subject: string, snapshot: Snapshot): Snapshot {
    const present = this.snapshots.peek(subject);
    if (!present || present.revision.position <= snapshot.revision.position) this.snapshots.set(subject, snapshot);
    return snapshot;
  }

  forget(subject: string): void {
    this.snapshots.delete(subject);
  }
}

/** Where a command took effect on the aggregate, as far as this snapshot goes. */
export function appliedIn({ commands, revision }: Snapshot, commandId: CommandId): number | undefined {
  const position = commands.get(commandId);
  return position !== undefined && position <= revision.position ? position : undefined;
}

/** Of an aggregate without events. */
export function unseen<State, Command, Event extends Fact>({ initialState }: Decider<State, Command, Event>): Snapshot {
  return { state: initialState, revision: nothing, commands: new Map() };
}

/** Brings a snapshot, or nothing, up to what the log has. */
export async function refresh<State, Command, Event extends Fact>(
  store: EventStore,
  decider: Decider<State, Command, Event>,
  ref: AggregateRef,
  known: Snapshot = unseen(decider),
): Promise<Snapshot> {
  const events = await store.read(ref, { after: known.revision });
  const last = events.at(-1);
  if (!last) return known;
  refuseNewerEvents(events);
  for (const event of events) known.commands.set(event.commandId, event.position);
  const state = events.reduce((folded, event) => decider.evolve(folded, event.fact as Event), known.state as State);
  return { state, revision: revisionOf(last), commands: known.commands };
}
