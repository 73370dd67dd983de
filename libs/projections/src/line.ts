import { crashPoint } from '@sandlot/kernel';
import { isNewerVersion, type Context } from '@sandlot/contracts';
import { newerEvent, type EventStore, type RecordedEvent } from '@sandlot/event-store';
import { ApplyQueue } from './apply-queue.js';
import type { Checkpoints } from './checkpoints.js';
import { Heads, type BatchHeads } from './heads.js';
import type { LogFollower } from './log-follower.js';
import type { LogRecord } from './log-record.js';
import type { LogSource } from './log-source.js';
import { remedies, slotSchema, type ProjectionState, type ReadModel, type Slot, type SlotWriter, type Stop } from './read-model.js';
import { skippedInLog } from './skipped-positions.js';
import { Fenced, Halt, messageOf, Poison, Unavailable } from './stops.js';
import { queryOnce, transaction } from './transaction.js';

export interface LineOptions {
  readonly model: ReadModel;
  readonly slot: Slot;
  readonly service: Context;
  readonly checkpoints: Checkpoints;
  readonly source: LogSource;
  readonly store: Pick<EventStore, 'read'>;
  /** Events in a transaction, at most. */
  readonly batch: number;
  /** What the verification of the whole log found, if it found something. */
  readonly damage: () => { at: number; problem: string } | undefined;
  readonly onError: (error: unknown, line: Line) => void;
}

/** What is kept of a record until it is applied: its event when this read model takes it, else the bytes, which cost less. */
interface Item {
  readonly position: number;
  readonly subject: string;
  readonly record?: LogRecord;
  readonly event?: RecordedEvent;
  /** An operator had it left out. */
  readonly skip?: boolean;
}

const hasEvent = (item: Item): item is Item & { readonly event: RecordedEvent } => item.event !== undefined;

/** After so many records the reader lets others have the thread; reading goes on without a pause as long as there is something. */
const recordsPerTurn = 100;

/**
 * Fills one slot of one read model: reads the log behind the slot's checkpoint, checks it, and applies it in batches, in order. Alone: what
 * stops it stops no other. It works from what stands in the database, so it can be killed at any point and started anywhere.
 */
export class Line {
  readonly model: ReadModel;
  readonly slot: Slot;
  position = 0;
  state: ProjectionState = 'starting';
  stopped?: Stop;
  private streamCreated = '';
  private skipped: ReadonlySet<number> = new Set();
  private expected = 1;
  private failures = 0;
  private ended = false;
  private follower?: LogFollower;
  private interruption?: Error;
  private wake = () => {};
  private readonly waiters = new Set<() => void>();
  private readonly heads: Heads;
  private readonly aggregates?: ReadonlySet<string>;
  private readonly running: Promise<void>;

  constructor(private readonly options: LineOptions) {
    this.model = options.model;
    this.slot = options.slot;
    this.heads = new Heads(options.model.name);
    this.aggregates = options.model.aggregates && new Set(options.model.aggregates);
    this.running = this.run();
  }

  /** Begins no further batch, and returns when the one that is being applied is through. */
  async stop(): Promise<void> {
    this.ended = true;
    this.restart();
    await this.running;
  }

  /** Starts again from the checkpoint, also when it is parked or halted. With a reason to halt, it does that instead. */
  restart(halt?: Halt): void {
    this.interruption = halt;
    this.follower?.close('restarted');
    this.wake();
  }

  /** The next position that it must find in the log. */
  get next(): number {
    let next = this.position + 1;
    while (this.skipped.has(next)) next += 1;
    return next;
  }

  get skippedPositions(): readonly number[] {
    return [...this.skipped].sort((a, b) => a - b);
  }

  /** Returns at the next progress or stop, or after so many ms. */
  changed(withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.waiters.delete(done);
        resolve();
      };
      const timer = setTimeout(done, withinMs);
      this.waiters.add(done);
    });
  }

  private async run(): Promise<void> {
    while (!this.ended) {
      try {
        await this.session();
      } catch (error) {
        if (this.ended) return;
        await this.rest(error);
      }
    }
  }

  /** From the checkpoint on, until something is in the way. */
  private async session(): Promise<void> {
    const { model, slot, checkpoints, source } = this.options;
    const row = (await checkpoints.load([model.name])).get(model.name);
    if (!row) throw new Unavailable('PostgreSQL', `no row for the projection ${model.name}`);
    const mark = row.checkpoints[slot];
    this.skipped = new Set([...row.skipped, ...(await skippedInLog(this.options.store, this.options.service, model.name))]);
    this.position = mark.position;
    this.expected = mark.position + 1;
    this.heads.forget();
    if (mark.status === 'parked' && mark.stopped) throw new Parked(mark.stopped);
    // The consumer before the verification: it belongs to the stream that is verified, and ends with it.
    const follower = await source.follow(mark.position, { ahead: this.options.batch });
    this.follower = follower;
    try {
      if (this.interruption) throw this.interruption;
      this.streamCreated = (await source.verify(mark)).created;
      this.verifyWhole();
      if (mark.position === 0) await checkpoints.empty(model, slot);
      if (mark.status === 'halted') await checkpoints.clear(model.name, slot);
      if (this.ended) return;
      this.setState('running');
      await this.pump(follower);
    } finally {
      this.follower = undefined;
      follower.close();
    }
  }

  private async pump(follower: LogFollower): Promise<void> {
    const queue = new ApplyQueue<Item>(
      this.options.batch,
      (items) => this.apply(items),
      () => follower.close(),
    );
    let failure: unknown = new Unavailable('NATS', 'the connection was closed');
    let read = 0;
    try {
      await follower.read((record) => {
        queue.add(this.take(record));
        read += 1;
        if (queue.isFull) return queue.room();
        return read % recordsPerTurn === 0 ? new Promise((resolve) => setImmediate(resolve)) : undefined;
      });
    } catch (error) {
      failure = error;
    }
    await queue.drained(); // what stands before the failure counts first
    throw this.interruption ?? failure;
  }

  private take(record: LogRecord): Item {
    const { position, subject } = record;
    while (this.expected !== position && this.skipped.has(this.expected)) this.expected += 1;
    if (position !== this.expected)
      throw new Halt('GAP', `position ${this.expected} is missing: the log goes on at ${position}`, this.expected);
    this.expected = position + 1;
    if (this.aggregates && !this.aggregates.has(record.aggregate ?? '')) return { position, subject, record };
    const skip = this.skipped.has(position);
    try {
      const event = record.event();
      if (!skip && !event.known && isNewerVersion(event.type)) throw new Halt('NEWER_EVENT', newerEvent(event).message, position);
      return { position, subject, event, skip };
    } catch (error) {
      if (error instanceof Halt) throw error;
      if (skip) return { position, subject, record };
      throw new Poison(position, error);
    }
  }

  /** In halves when something in the batch cannot be applied, so that all before it is. */
  private async apply(items: readonly Item[]): Promise<void> {
    if (this.ended || this.interruption) throw this.interruption ?? new Fenced('stopped');
    const events = items.filter(hasEvent);
    const { heads, broken } = await this.heads.check(events, this.reader(), this.skipped);
    if (broken) {
      const before = items.slice(0, items.indexOf(events[broken.index]!));
      if (before.length > 0) await this.apply(before);
      await this.confirm();
      throw broken.halt;
    }
    try {
      await this.commit(items, heads);
    } catch (error) {
      if (error instanceof Unavailable || error instanceof Fenced) throw error;
      if (items.length === 1) throw new Poison(items[0]!.position, error);
      const middle = items.length >> 1;
      await this.apply(items.slice(0, middle));
      await this.apply(items.slice(middle));
    }
  }

  private async commit(items: readonly Item[], heads: BatchHeads): Promise<void> {
    const { model, slot, checkpoints, service } = this.options;
    const last = items.at(-1)!;
    const identity = last.event ? { eventId: last.event.id, eventHash: last.event.hash } : last.record!.identity();
    const mark = { position: last.position, streamCreated: this.streamCreated, ...identity };
    const events: RecordedEvent[] = [];
    for (const { event, skip } of items) if (event && !skip) events.push(event);
    await transaction(
      checkpoints.pool,
      async (query) => {
        const write: SlotWriter = { slot: slotSchema(service, slot), query };
        await checkpoints.advance(query, model.name, slot, this.position, mark);
        if (events.length > 0) await model.apply(events, write);
        await this.heads.write(heads, write);
      },
      { beforeCommit: () => crashPoint('projection.before-commit'), afterCommit: () => crashPoint('projection.after-commit') },
    );
    this.heads.remember(heads);
    this.position = mark.position;
    this.failures = 0;
    this.notify();
  }

  private async rest(error: unknown): Promise<void> {
    if (error instanceof Fenced) return void (this.failures += 1);
    const awake = new Promise<void>((resolve) => (this.wake = resolve));
    if (error instanceof Parked) {
      this.setState('parked', { ...error.stop, remedy: remedies[error.stop.code] });
      return awake;
    }
    const wasRestarted = error instanceof Unavailable && error.cause === 'restarted';
    if (wasRestarted) return;
    this.options.onError(error, this);
    if (error instanceof Halt || error instanceof Poison) {
      this.interruption = undefined;
      const code = error instanceof Halt ? error.code : 'POISON';
      const stop: Stop = { code, reason: messageOf(error), remedy: remedies[code], ...(error.at !== undefined && { at: error.at }) };
      const state = error instanceof Halt ? 'halted' : 'parked';
      // Not written down, it is found again from the log.
      await this.options.checkpoints.stop(this.model.name, this.slot, state, this.position, stop).catch(() => undefined);
      this.setState(state, stop);
      return awake;
    }
    this.setState('waiting', { code: 'UNAVAILABLE', reason: messageOf(error), remedy: remedies.UNAVAILABLE });
    const backoff = Math.min(50 * 2 ** this.failures, 2_000);
    this.failures += 1;
    const timer = setTimeout(this.wake, backoff * (0.5 + Math.random() / 2));
    await awake;
    clearTimeout(timer);
  }

  /** Throws Fenced when what was read beside the checkpoint need not fit to it, because the checkpoint is elsewhere. */
  private async confirm(): Promise<void> {
    const row = (await this.options.checkpoints.load([this.model.name])).get(this.model.name);
    if (row?.checkpoints[this.slot].position !== this.position) throw new Fenced('the checkpoint is elsewhere');
  }

  private verifyWhole(): void {
    const damage = this.options.damage();
    if (damage && !this.skipped.has(damage.at)) throw new Halt('LOG_DAMAGED', damage.problem, damage.at);
  }

  /** Reads outside the transaction: nobody else writes to the slot, and if somebody did, the checkpoint would tell. */
  private reader(): SlotWriter {
    const { checkpoints, service, slot } = this.options;
    return {
      slot: slotSchema(service, slot),
      query: async (sql, params = []) => ({ rows: await queryOnce(checkpoints.pool, sql, params) }) as never,
    };
  }

  private setState(state: ProjectionState, stopped?: Stop): void {
    this.state = state;
    this.stopped = stopped;
    this.notify();
  }

  private notify(): void {
    for (const done of this.waiters) done();
  }
}

/** The database says that it is parked. */
class Parked extends Error {
  constructor(readonly stop: Omit<Stop, 'remedy'>) {
    super('parked');
  }
}
