import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { headers, RequestError, NoRespondersError, type MsgHdrs, type NatsConnection } from '@nats-io/transport-node';
import { jetstreamManager, JetStreamError, type JetStreamManager, type StoredMsg } from '@nats-io/jetstream';
import { crashPoint, DomainError, type CommandContext } from '@sandlot/kernel';
import { DOMAIN_STREAM, headerValues, refOf, subjectOf, type AggregateRef } from '@sandlot/contracts';
import { nothing, revisionOf, type AppendResult, type EventStore, type RecordedEvent, type Revision, type Write } from './event-store.js';
import { AppendMetrics } from './append-metrics.js';
import { tracedAppend } from './append-trace.js';
import { GroupCommit, type PendingAppend } from './group-commit.js';
import { Link } from './link.js';
import { checkWrites, damaged, follows, fromWire, toWire, type WireEvent } from './record.js';

export interface JetStreamEventStoreOptions {
  /** How long an append without an answer is tried again with the same ids before it is `unknown`, in ms. Default 8,000. */
  appendDeadlineMs?: number;
  /** How long one attempt waits for its answer, in ms. Default 2,000. */
  attemptTimeoutMs?: number;
}

interface PubAck {
  seq: number;
  duplicate?: boolean;
  error?: { code: number; err_code: number; description: string };
}

// JetStream's error codes: https://github.com/nats-io/nats-server/blob/main/server/errors.json
const WRONG_LAST_SEQUENCE = 10071;
const WRONG_LAST_SEQUENCE_CONSTANT = 10164;
const BATCH_CONTAINS_DUPLICATE = 10201;
const defaults = { appendDeadlineMs: 8_000, attemptTimeoutMs: 2_000 };
const retryPauseMs = 20;
const pageSize = 1024;
const conflicts = new Set([WRONG_LAST_SEQUENCE, WRONG_LAST_SEQUENCE_CONSTANT, BATCH_CONTAINS_DUPLICATE]);

/**
 * The log on the stream DOMAIN. Order is per aggregate: a write carries the sequence of the aggregate's last event.
 * A refusal for a wrong sequence is not yet a conflict, since the server answers the repetition of one's own append that way
 * on one replica (and as a duplicate on three): the aggregate's last event tells.
 */
export class JetStreamEventStore implements EventStore {
  private readonly appendDeadlineMs: number;
  private readonly attemptTimeoutMs: number;
  private readonly commits = new GroupCommit((group) => this.storeGroup(group));
  private readonly link: Link;
  private readonly metrics = new AppendMetrics();

  private constructor(
    private readonly connection: NatsConnection,
    private readonly manager: JetStreamManager,
    options: JetStreamEventStoreOptions,
  ) {
    this.appendDeadlineMs = options.appendDeadlineMs ?? defaults.appendDeadlineMs;
    this.attemptTimeoutMs = options.attemptTimeoutMs ?? defaults.attemptTimeoutMs;
    this.link = new Link(connection);
  }

  static async open(connection: NatsConnection, options: JetStreamEventStoreOptions = {}): Promise<JetStreamEventStore> {
    const timeout = options.attemptTimeoutMs ?? defaults.attemptTimeoutMs;
    return new JetStreamEventStore(connection, await jetstreamManager(connection, { checkAPI: false, timeout }), options);
  }

  async append(context: CommandContext, writes: readonly Write[]): Promise<AppendResult> {
    checkWrites(writes);
    const startedAt = performance.now();
    let outcome: AppendResult['outcome'] | 'failed' = 'failed';
    try {
      const result = await tracedAppend(context, writes, () => this.tryToAppend(context, writes));
      outcome = result.outcome;
      return result;
    } finally {
      this.metrics.ended(outcome, writes, startedAt);
    }
  }

  private async tryToAppend(context: CommandContext, writes: readonly Write[]): Promise<AppendResult> {
    const events = writes.flatMap((write) => toWire(context, write));
    const expected = new Map(writes.map((write) => [subjectOf(write.aggregate), write.expected]));
    const deadline = Date.now() + this.appendDeadlineMs;
    for (let mayBeStored = false; ; await pause(retryPauseMs)) {
      try {
        crashPoint('append.before-publish');
        const result = await this.attempt(events, expected);
        if (result.outcome === 'appended') return result;
        mayBeStored = true; // by a lost attempt, now or before
        if (result.outcome === 'conflict') return await this.explain(context, writes);
      } catch (error) {
        if (!mayBeStored) throw error;
      }
      if (Date.now() >= deadline) return { outcome: 'unknown' };
    }
  }

  async read(
    aggregate: AggregateRef,
    { after = nothing, atLeast = 0 }: { after?: Revision; atLeast?: number } = {},
  ): Promise<RecordedEvent[]> {
    if (!(await this.link.isUp(this.attemptTimeoutMs))) throw unavailable();
    const subject = subjectOf(aggregate);
    const events: RecordedEvent[] = [];
    let revision = after;
    const take = (event: RecordedEvent): void => {
      if (!follows(event, revision)) throw damaged(aggregate, revision, event);
      events.push(event);
      revision = revisionOf(event);
    };
    const last = await this.lastOf(aggregate);
    const end = Math.max(atLeast, last?.seq ?? 0);
    // Most often nothing is new, or one event, which is then here already.
    if (last && last.seq > after.position) {
      const event = recorded(aggregate, last);
      if (event.version === after.version + 1) take(event);
    }
    // The pages may come from a follower that lags behind; what the leader has as the last event tells when they are complete.
    for (const deadline = Date.now() + this.attemptTimeoutMs; revision.position < end;) {
      const page = await this.page(subject, revision.position + 1);
      for (const message of page) take(recorded(aggregate, message));
      if (page.length > 0) continue;
      if (Date.now() > deadline) throw new DomainError('UNAVAILABLE', `${subject} has not reached position ${atLeast} yet`);
      await pause(retryPauseMs);
    }
    return events;
  }

  private attempt(events: readonly WireEvent[], expected: ReadonlyMap<string, Revision>): Promise<AppendResult> {
    return new Promise<AppendResult>((resolve, reject) => {
      this.commits.add({
        events: events.map((event) => ({ ...event, headers: withExpectation(event, expected) })),
        subjects: new Set(expected.keys()),
        settle: (result) => result.then(resolve, reject),
      });
    });
  }

  /** One attempt for a whole group. A group that the server refuses is tried again in halves, to find whom it means. Never rejects. */
  private async storeGroup(group: readonly PendingAppend[]): Promise<void> {
    const together = await this.publish(group.flatMap((append) => append.events)).catch((error: unknown) => ({ error }));
    crashPoint('append.after-publish');
    if (group.length > 1 && 'error' in together && together.error instanceof Refused) {
      const half = Math.ceil(group.length / 2);
      await this.storeGroup(group.slice(0, half));
      await this.storeGroup(group.slice(half));
      return;
    }
    let end = 'seq' in together ? together.seq : 0;
    for (const append of [...group].reverse()) {
      append.settle('seq' in together ? Promise.resolve(appended(append, end)) : outcomeOf(together.error, append));
      end -= append.events.length;
    }
  }

  /** Publishes one message, or several as an atomic batch (ADR-50 of nats-server), and returns the position of the last. */
  private async publish(events: readonly WireEvent[]): Promise<{ seq: number }> {
    if (!(await this.link.isUp(this.attemptTimeoutMs))) throw new NotSent();
    const batchId = events.length > 1 ? randomUUID() : undefined;
    const messages = events.map((event, index) => ({ ...event, headers: natsHeaders(event, batchId, index + 1, events.length) }));
    const last = messages.pop()!;
    for (const { subject, body, headers: hdrs } of messages) this.connection.publish(subject, body, { headers: hdrs });
    const reply = await this.connection.request(last.subject, last.body, { headers: last.headers, timeout: this.attemptTimeoutMs });
    const ack = reply.json<PubAck>();
    if (ack.error) throw new Refused(ack.error.err_code, ack.error.description);
    if (ack.duplicate) throw new Refused(BATCH_CONTAINS_DUPLICATE, 'stored before');
    return { seq: ack.seq };
  }

  /** Whose the conflict is: ours, when an aggregate's last event is of this very command, for an append is stored whole. */
  private async explain(context: CommandContext, writes: readonly Write[]): Promise<AppendResult> {
    for (let look = 1; ; look += 1) {
      const lasts = await Promise.all(writes.map(({ aggregate }) => this.lastOf(aggregate)));
      const moved = writes.map(({ expected }, index) => (lasts[index]?.seq ?? 0) !== expected.position);
      const ours = lasts.filter((last, index) => moved[index] && last?.header.get('ce-commandid') === context.commandId);
      if (ours.length > 0) return { outcome: 'already-applied', position: Math.max(...ours.map((last) => last!.seq)) };
      const stale = moved.indexOf(true);
      // None has moved: the server also refuses for what is on its way to the other replicas, and shows it a little later.
      if (stale < 0 && look < 5) await pause(retryPauseMs);
      else return { outcome: 'conflict', aggregate: writes[Math.max(stale, 0)]!.aggregate, current: lasts[Math.max(stale, 0)]?.seq ?? 0 };
    }
  }

  /** As the leader has it. */
  private lastOf(aggregate: AggregateRef): Promise<StoredMsg | null> {
    return this.manager.streams.getMessage(DOMAIN_STREAM, { last_by_subj: subjectOf(aggregate) }).catch((cause: unknown) => {
      throw unavailable(cause);
    });
  }

  private async page(subject: string, from: number): Promise<StoredMsg[]> {
    const messages: StoredMsg[] = [];
    const { promise: done, resolve, reject } = Promise.withResolvers<void>();
    const query = { seq: from, next_by_subj: subject, batch: pageSize };
    const callback = (end: { err?: Error } | null, message: StoredMsg) => {
      if (!end) messages.push(message);
      else if (end.err && !isNotFound(end.err)) reject(end.err);
      else resolve();
    };
    try {
      const iterator = await this.manager.direct.getBatch(DOMAIN_STREAM, { ...query, callback });
      // The client itself gives up on the first message only: a connection that breaks later would be waited for without end.
      const timer = setTimeout(() => iterator.stop(new Error('no answer in time')), this.attemptTimeoutMs);
      await done.finally(() => clearTimeout(timer));
      return messages;
    } catch (cause) {
      throw unavailable(cause);
    }
  }
}

/** The server has said no, so nothing is stored. */
class Refused extends Error {
  constructor(
    readonly errCode: number,
    description: string,
  ) {
    super(description);
  }
}

class NotSent extends Error {
  constructor() {
    super('not connected to NATS');
  }
}

function appended(append: PendingAppend, end: number): AppendResult {
  const first = end - append.events.length + 1;
  const revisions = new Map<string, Revision>();
  append.events.forEach(({ subject, id: eventId, version, hash, time, correlationId }, index) => {
    revisions.set(subject, { version, position: first + index, hash, time, eventId, correlationId });
  });
  return { outcome: 'appended', position: end, revisions: [...revisions.values()] };
}

function outcomeOf(error: unknown, append: PendingAppend): Promise<AppendResult> {
  if (error instanceof Refused && conflicts.has(error.errCode))
    return Promise.resolve({ outcome: 'conflict', aggregate: refOf(append.events[0]!.subject), current: 0 });
  if (error instanceof Refused || error instanceof NotSent || isNoResponders(error)) return Promise.reject(unavailable(error));
  return Promise.resolve({ outcome: 'unknown' });
}

function withExpectation(event: WireEvent, expected: ReadonlyMap<string, Revision>): ReadonlyMap<string, string> {
  const revision = expected.get(event.subject)!;
  if (event.version !== revision.version + 1) return event.headers; // only a subject's first message of a batch may carry it
  return new Map([...event.headers, ['Nats-Expected-Last-Subject-Sequence', String(revision.position)]]);
}

function natsHeaders(event: WireEvent, batchId: string | undefined, index: number, size: number): MsgHdrs {
  const hdrs = headers();
  for (const [name, value] of event.headers) hdrs.append(name, value);
  hdrs.set('Nats-Msg-Id', event.id);
  if (batchId) {
    hdrs.set('Nats-Batch-Id', batchId);
    hdrs.set('Nats-Batch-Sequence', String(index));
    if (index === size) hdrs.set('Nats-Batch-Commit', '1');
  }
  return hdrs;
}

function recorded(aggregate: AggregateRef, message: StoredMsg): RecordedEvent {
  try {
    return fromWire(
      message.subject,
      headerValues((name) => message.header.get(name)),
      message.data,
      message.seq,
    );
  } catch (cause) {
    throw new DomainError(
      'LOG_DAMAGED',
      `${subjectOf(aggregate)}: position ${message.seq} is not an event`,
      { position: message.seq },
      { cause },
    );
  }
}

function isNoResponders(error: unknown): boolean {
  return error instanceof NoRespondersError || (error instanceof RequestError && error.isNoResponders());
}

/** How the server says that nothing is there. */
function isNotFound(error: Error): boolean {
  return error instanceof JetStreamError && (error as { code?: number }).code === 404;
}

function unavailable(cause?: unknown): DomainError {
  return new DomainError('UNAVAILABLE', 'the log is not available', {}, { cause });
}
