import { DomainError, type CommandContext, type CommandId, type Decider, type Fact } from '@sandlot/kernel';
import { subjectOf, type AggregateRef } from '@sandlot/contracts';
import { AggregateQueue } from './aggregate-queue.js';
import type { EventStore, Revision, Write } from './event-store.js';
import { appliedIn, RecentAggregates, refresh, unseen, type Snapshot } from './recent-aggregates.js';

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
  /** Whether one of the aggregates loaded so far shows that the command has taken effect before: then it decides nothing, and what it would be refused for by now is no reason to. */
  readonly applied: boolean;
  load<State, Command, Event extends Fact>(decider: Decider<State, Command, Event>, ref: AggregateRef): Promise<Aggregate<State, Command>>;
  /**
   * Of an aggregate whose id is derived from this command's: taken for new without a look at the log. When it is not, because the command
   * has taken effect before, that is found out by the others' state or by the append, and `handle` runs again on what there is.
   */
  create<State, Command, Event extends Fact>(
    decider: Decider<State, Command, Event>,
    ref: AggregateRef,
  ): Promise<Aggregate<State, Command>>;
}

export interface Handled<Result> {
  /** Where in the log the command took effect, or where what it found stands: a reader may wait for it. */
  readonly position: number;
  /** The command had taken effect before: by an earlier delivery, or by an attempt of this one whose answer was lost. */
  readonly repeated: boolean;
  readonly result: Result;
}

const maxAttempts = 4;

/**
 * The one place that loads, decides, appends and, when somebody else was faster, decides again on fresh state: at most 3 times.
 * Aggregates that were handled lately are kept in memory, so that most commands read nothing. That is safe because an append only
 * succeeds on the newest revision, and whatever is refused or found to be so already is looked at again on fresh state first.
 * Commands of this process that lost a race for an aggregate go one after the other, so that only other processes can beat them again.
 */
export class Commands {
  private readonly recent: RecentAggregates;
  private readonly queue = new AggregateQueue();

  /** @param cached how many aggregates are kept in memory, default 5,000 */
  constructor(
    private readonly store: EventStore,
    { cached = 5_000 }: { cached?: number } = {},
  ) {
    this.recent = new RecentAggregates(cached);
  }

  /**
   * Runs `handle`, which may run more than once, and appends what it decided. `handle` must be repeatable: no effects but `decide`,
   * refusals only by `decide`, ids from `deriveId(context.commandId, …)`. A command id that has taken effect before decides nothing
   * again; its result is made from the present state.
   *
   * Where it changes several aggregates, one of them must be changed whenever any is (a ledger, what it creates): an append looks at the
   * revisions of what it writes, so only there do two deliveries of one command at the same time meet each other for certain.
   */
  async handle<Result>(context: CommandContext, handle: (work: Work) => Promise<Result> | Result): Promise<Handled<Result>> {
    let leaveQueue = (): void => undefined;
    try {
      for (let attempt = 1; ; attempt += 1) {
        const unit = new UnitOfWork(context.commandId, this.store, this.recent, attempt === 1 ? this.queue : undefined);
        const outcome = await this.attempt(context, unit, handle);
        if (typeof outcome === 'object') return outcome;
        if (outcome === 'look-again') continue;
        if (attempt >= maxAttempts) {
          unit.forget(); // should the log have been put back to an earlier state, the next command starts from there
          throw new DomainError('CONFLICT', `${unit.subjects().join(' or ')} keeps changing under the command`);
        }
        leaveQueue();
        leaveQueue = await this.queue.take(unit.subjects());
      }
    } finally {
      leaveQueue();
    }
  }

  /** The state of one aggregate as the log has it now. */
  async load<State, Command, Event extends Fact>(
    decider: Decider<State, Command, Event>,
    ref: AggregateRef,
  ): Promise<{ state: State; revision: Revision }> {
    const subject = subjectOf(ref);
    const snapshot = this.recent.keep(subject, await refresh(this.store, decider, ref, this.recent.get(subject)));
    return { state: snapshot.state as State, revision: snapshot.revision };
  }

  private async attempt<Result>(
    context: CommandContext,
    unit: UnitOfWork,
    handle: (work: Work) => Promise<Result> | Result,
  ): Promise<Handled<Result> | 'look-again' | 'conflict'> {
    let result: Result;
    try {
      result = await handle(unit);
    } catch (error) {
      if (error instanceof DomainError && unit.fromMemory) return 'look-again'; // refused on what may be old
      throw error;
    }
    if (unit.appliedAt !== undefined && unit.assumedNew) return 'look-again'; // by now it is there
    if (unit.appliedAt !== undefined) return { position: unit.appliedAt, repeated: true, result };
    const writes = unit.writes();
    if (writes.length === 0) return unit.fromMemory ? 'look-again' : { position: unit.position, repeated: false, result };
    const appended = await this.store.append(context, writes);
    if (appended.outcome === 'appended') {
      unit.remember(appended.revisions);
      return { position: appended.position, repeated: false, result };
    }
    if (appended.outcome === 'conflict') return 'conflict';
    if (appended.outcome === 'already-applied') return 'look-again'; // it may have been decided on another state than ours
    throw new DomainError('OUTCOME_UNKNOWN', 'the log did not say whether it has stored the command', { commandId: context.commandId });
  }
}

class UnitOfWork implements Work {
  /** Whether anything was decided on state that may be older than the log. */
  fromMemory = false;
  /** Whether an aggregate was taken for new that may be there. */
  assumedNew = false;
  /** Where this command took effect before, if it did: an append is stored whole, so one aggregate that carries it tells for all. */
  appliedAt: number | undefined;
  private readonly loaded = new Map<string, LoadedAggregate<unknown, unknown, Fact>>();

  /** @param queue given when aggregates may be taken from memory, once nobody stands in their queue */
  constructor(
    private readonly commandId: CommandId,
    private readonly store: EventStore,
    private readonly recent: RecentAggregates,
    private readonly queue: AggregateQueue | undefined,
  ) {}

  async load<State, Command, Event extends Fact>(
    decider: Decider<State, Command, Event>,
    ref: AggregateRef,
  ): Promise<Aggregate<State, Command>> {
    const subject = subjectOf(ref);
    const present = this.loaded.get(subject);
    if (present) return present as unknown as Aggregate<State, Command>;
    await this.queue?.quiet(subject);
    return this.take(decider, ref, await this.snapshot(subject, decider, ref));
  }

  async create<State, Command, Event extends Fact>(
    decider: Decider<State, Command, Event>,
    ref: AggregateRef,
  ): Promise<Aggregate<State, Command>> {
    const subject = subjectOf(ref);
    if (!this.queue || this.loaded.has(subject) || this.recent.get(subject)) return this.load(decider, ref);
    this.fromMemory = true;
    this.assumedNew = true;
    return this.take(decider, ref, unseen(decider));
  }

  private take<State, Command, Event extends Fact>(
    decider: Decider<State, Command, Event>,
    ref: AggregateRef,
    snapshot: Snapshot,
  ): Aggregate<State, Command> {
    const appliedAt = appliedIn(snapshot, this.commandId);
    if (appliedAt !== undefined) this.appliedAt = Math.max(appliedAt, this.appliedAt ?? 0);
    const aggregate = new LoadedAggregate<State, Command, Event>(decider, ref, snapshot, this);
    this.loaded.set(subjectOf(ref), aggregate as unknown as LoadedAggregate<unknown, unknown, Fact>);
    return aggregate;
  }

  get applied(): boolean {
    return this.appliedAt !== undefined;
  }

  get position(): number {
    return Math.max(0, ...[...this.loaded.values()].map(({ revision }) => revision.position));
  }

  subjects(): string[] {
    return [...this.loaded.keys()];
  }

  writes(): Write[] {
    return this.changed().map(({ ref, revision, facts }) => ({ aggregate: ref, expected: revision, facts }));
  }

  remember(revisions: readonly Revision[]): void {
    this.changed().forEach((aggregate, index) => {
      const revision = revisions[index]!;
      const commands = aggregate.snapshot.commands.set(this.commandId, revision.position);
      this.recent.keep(subjectOf(aggregate.ref), { state: aggregate.state, revision, commands });
    });
  }

  forget(): void {
    for (const subject of this.loaded.keys()) this.recent.forget(subject);
  }

  private async snapshot<State, Command, Event extends Fact>(
    subject: string,
    decider: Decider<State, Command, Event>,
    ref: AggregateRef,
  ): Promise<Snapshot> {
    const remembered = this.recent.get(subject);
    if (remembered && this.queue) {
      this.fromMemory = true;
      return remembered;
    }
    return this.recent.keep(subject, await refresh(this.store, decider, ref, remembered));
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
    private readonly unit: { readonly appliedAt: number | undefined },
  ) {
    this.state = snapshot.state as State;
  }

  get revision(): Revision {
    return this.snapshot.revision;
  }

  decide(command: Command): boolean {
    if (this.unit.appliedAt !== undefined) return false; // a repetition: what it decided then is part of the state
    const facts = this.decider.decide(command, this.state);
    this.facts.push(...facts);
    this.state = facts.reduce((state, fact) => this.decider.evolve(state, fact), this.state);
    return facts.length > 0;
  }
}
