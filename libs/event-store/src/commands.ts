import { LRUCache } from 'lru-cache';
import { DomainError, type CommandContext, type CommandId, type Decider, type Fact } from '@sandlot/kernel';
import { subjectOf, type AggregateRef } from '@sandlot/contracts';
import { nothing, revisionOf, type EventStore, type RecordedEvent, type Revision, type Write } from './event-store.js';

/** What a command's handler sees of one aggregate. */
export interface Aggregate<State, Command> {
  readonly ref: AggregateRef;
  /** As it is, with what has been decided so far. */
  readonly state: State;
  readonly revision: Revision;
  /** Decides and keeps the facts for the append. Returns whether anything came of it. */
  decide(command: Command): boolean;
}

/** The aggregates that one command touches. What is decided on them is stored together or not at all. */
export interface Work {
  load<State, Command, Event extends Fact>(decider: Decider<State, Command, Event>, ref: AggregateRef): Promise<Aggregate<State, Command>>;
}

export interface Handled<Result> {
  /** Where in the log the command took effect, or where what it found stands: a reader may wait for it. */
  readonly position: number;
  /** An earlier delivery of the same command id had taken effect. */
  readonly repeated: boolean;
  readonly result: Result;
}

interface Snapshot {
  readonly state: unknown;
  readonly revision: Revision;
  /** Which commands this aggregate has seen, and where the last event of each stands. */
  readonly commands: Map<CommandId, number>;
}

const maxAttempts = 4;

/**
 * The one place that loads, decides, appends and, when somebody else was faster, decides again on fresh state: at most 3 times.
 * Aggregates that were handled lately are kept in memory, so that most commands read nothing. That is safe because an append only
 * succeeds on the newest revision, and whatever is refused or found to be so already is looked at again on fresh state first.
 */
export class Commands {
  private readonly recent: LRUCache<string, Snapshot>;

  /** @param cached how many aggregates are kept in memory, default 5,000 */
  constructor(
    private readonly store: EventStore,
    { cached = 5_000 }: { cached?: number } = {},
  ) {
    this.recent = new LRUCache({ max: cached });
  }

  /**
   * Runs `handle`, which may run more than once, and appends what it decided. `handle` must be repeatable: no effects but `decide`,
   * ids from `deriveId(context.commandId, …)`. A command id that has taken effect before gives its first answer again.
   */
  async handle<Result>(context: CommandContext, handle: (work: Work) => Promise<Result> | Result): Promise<Handled<Result>> {
    for (let attempt = 1; ; attempt += 1) {
      const unit = new UnitOfWork(context.commandId, this.store, this.recent, attempt > 1);
      let result: Result;
      try {
        result = await handle(unit);
      } catch (error) {
        if (error instanceof DomainError && unit.fromMemory) continue; // refused on what may be old: look again
        throw error;
      }
      const position = unit.appliedAt;
      if (position !== undefined) return { position, repeated: true, result };
      const writes = unit.writes();
      if (writes.length === 0) {
        if (unit.fromMemory) continue;
        return { position: unit.position, repeated: false, result };
      }
      const appended = await this.store.append(context, writes);
      switch (appended.outcome) {
        case 'appended':
          unit.remember(appended.revisions);
          return { position: appended.position, repeated: false, result };
        case 'already-applied':
          unit.forget();
          return { position: appended.position, repeated: false, result };
        case 'unknown':
          unit.forget();
          throw new DomainError('OUTCOME_UNKNOWN', 'the log did not say whether it has stored the command', {
            commandId: context.commandId,
          });
        case 'conflict':
          unit.forget();
          if (attempt >= maxAttempts)
            throw new DomainError('CONFLICT', `${subjectOf(appended.aggregate)} keeps changing under the command`);
      }
    }
  }

  /** The state of one aggregate as the log has it now. */
  async load<State, Command, Event extends Fact>(
    decider: Decider<State, Command, Event>,
    ref: AggregateRef,
  ): Promise<{ state: State; revision: Revision }> {
    const snapshot = await refresh(this.store, decider, ref, this.recent.get(subjectOf(ref)));
    this.recent.set(subjectOf(ref), snapshot);
    return { state: snapshot.state as State, revision: snapshot.revision };
  }
}

class UnitOfWork implements Work {
  /** Whether anything was decided on state that may be older than the log. */
  fromMemory = false;
  private readonly loaded = new Map<string, LoadedAggregate<unknown, unknown, Fact>>();

  constructor(
    private readonly commandId: CommandId,
    private readonly store: EventStore,
    private readonly recent: LRUCache<string, Snapshot>,
    private readonly fresh: boolean,
  ) {}

  async load<State, Command, Event extends Fact>(
    decider: Decider<State, Command, Event>,
    ref: AggregateRef,
  ): Promise<Aggregate<State, Command>> {
    const subject = subjectOf(ref);
    const present = this.loaded.get(subject);
    if (present) return present as unknown as Aggregate<State, Command>;
    const remembered = this.recent.get(subject);
    const trusted = remembered !== undefined && !this.fresh;
    const snapshot = trusted ? remembered : await refresh(this.store, decider, ref, remembered);
    this.fromMemory ||= trusted;
    const aggregate = new LoadedAggregate<State, Command, Event>(decider, ref, snapshot, snapshot.commands.get(this.commandId));
    this.loaded.set(subject, aggregate as unknown as LoadedAggregate<unknown, unknown, Fact>);
    return aggregate;
  }

  /** Where this command took effect before, if it did. */
  get appliedAt(): number | undefined {
    const positions = [...this.loaded.values()].flatMap(({ appliedAt }) => (appliedAt === undefined ? [] : [appliedAt]));
    return positions.length > 0 ? Math.max(...positions) : undefined;
  }

  get position(): number {
    return Math.max(0, ...[...this.loaded.values()].map(({ revision }) => revision.position));
  }

  writes(): Write[] {
    return this.changed().map(({ ref, revision, facts }) => ({ aggregate: ref, expected: revision, facts }));
  }

  remember(revisions: readonly Revision[]): void {
    this.changed().forEach((aggregate, index) => {
      const revision = revisions[index]!;
      const commands = aggregate.snapshot.commands.set(this.commandId, revision.position);
      this.recent.set(subjectOf(aggregate.ref), { state: aggregate.state, revision, commands });
    });
  }

  forget(): void {
    for (const subject of this.loaded.keys()) this.recent.delete(subject);
  }

  private changed(): LoadedAggregate<unknown, unknown, Fact>[] {
    return [...this.loaded.values()].filter(({ facts }) => facts.length > 0);
  }
}

class LoadedAggregate<State, Command, Event extends Fact> implements Aggregate<State, Command> {
  readonly facts: Event[] = [];
  state: State;

  constructor(
    private readonly decider: Decider<State, Command, Event>,
    readonly ref: AggregateRef,
    readonly snapshot: Snapshot,
    readonly appliedAt: number | undefined,
  ) {
    this.state = snapshot.state as State;
  }

  get revision(): Revision {
    return this.snapshot.revision;
  }

  decide(command: Command): boolean {
    if (this.appliedAt !== undefined) return false; // a repetition: what it decided then is part of the state
    const facts = this.decider.decide(command, this.state);
    this.facts.push(...facts);
    this.state = facts.reduce((state, fact) => this.decider.evolve(state, fact), this.state);
    return facts.length > 0;
  }
}

async function refresh<State, Command, Event extends Fact>(
  store: EventStore,
  decider: Decider<State, Command, Event>,
  ref: AggregateRef,
  known: Snapshot | undefined,
): Promise<Snapshot> {
  const events = await store.read(ref, { after: known?.revision ?? nothing });
  if (events.length === 0) return known ?? { state: decider.initialState, revision: nothing, commands: new Map() };
  const commands = known?.commands ?? new Map<CommandId, number>();
  for (const event of events) commands.set(event.commandId, event.position);
  const state = events.reduce(
    (folded: State, event) => decider.evolve(folded, event.fact as Event),
    (known?.state as State | undefined) ?? decider.initialState,
  );
  return { state, revision: revisionOf(events.at(-1) as RecordedEvent), commands };
}
