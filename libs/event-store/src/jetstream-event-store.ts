import { headers, RequestError, NoRespondersError, type MsgHdrs, type NatsConnection } from '@nats-io/transport-node';
import { jetstreamManager, type JetStreamManager, type StoredMsg } from '@nats-io/jetstream';
import { crashPoint, DomainError, type CommandContext } from '@sandlot/kernel';
import { DOMAIN_STREAM, refOf, subjectOf, type AggregateRef } from '@sandlot/contracts';
import { nothing, revisionOf, type AppendResult, type EventStore, type RecordedEvent, type Revision, type Write } from './event-store.js';
import { GroupCommit, type PendingAppend } from './group-commit.js';
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
const conflicts = new Set([WRONG_LAST_SEQUENCE, WRONG_LAST_SEQUENCE_CONSTANT, BATCH_CONTAINS_DUPLICATE]);

/**
 * The log on the stream DOMAIN. Order is per aggregate: a write carries the sequence of the aggregate's last event.
 * A refusal for a wrong sequence is not yet a conflict, since the server answers the repetition of one's own append that way
 * on one replica (and as a duplicate on three): the aggregate's last event tells.
 */
export class JetStreamEventStore implements EventStore {
  private readonly appendDeadlineMs: number;
  private readonly attemptTimeoutMs: number;
  private batches = 0;
  private readonly commits = new GroupCommit((group) => this.storeGroup(group));

  private constructor(
    private readonly connection: NatsConnection,
    private readonly manager: JetStreamManager,
    options: JetStreamEventStoreOptions,
  ) {
    this.appendDeadlineMs = options.appendDeadlineMs ?? 8_000;
    this.attemptTimeoutMs = options.attemptTimeoutMs ?? 2_000;
  }

  static async open(connection: NatsConnection, options: JetStreamEventStoreOptions = {}): Promise<JetStreamEventStore> {
    return new JetStreamEventStore(connection, await jetstreamManager(connection, { checkAPI: false }), options);
  }

  async append(context: CommandContext, writes: readonly Write[]): Promise<AppendResult> {
    checkWrites(writes);
    const events = writes.flatMap((write) => toWire(context, write));
    const expected = new Map(writes.map((write) => [subjectOf(write.aggregate), write.expected]));
    const deadline = Date.now() + this.appendDeadlineMs;
    for (;;) {
      crashPoint('append.before-publish');
      const result = await this.attempt(events, expected);
      if (result.outcome === 'conflict') return this.explain(context, writes, result);
      if (result.outcome !== 'unknown' || Date.now() >= deadline) return result;
    }
  }

  async read(
    aggregate: AggregateRef,
    { after = nothing, atLeast = 0 }: { after?: Revision; atLeast?: number } = {},
  ): Promise<RecordedEvent[]> {
    const events: RecordedEvent[] = [];
    let revision = after;
    // A direct get may be answered by a follower that lags behind; asking again until it has what is known to exist.
    for (const deadline = Date.now() + this.attemptTimeoutMs; ; await new Promise((resolve) => setTimeout(resolve, 20))) {
      for (const message of await this.readBehind(aggregate, revision.position)) {
        const event = recorded(aggregate, message);
        if (!follows(event, revision)) throw damaged(aggregate, revision, event);
        events.push(event);
        revision = revisionOf(event);
      }
      if (revision.position >= atLeast) return events;
      if (Date.now() > deadline) throw new DomainError('UNAVAILABLE', `the log has not reached position ${atLeast} yet`);
    }
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

  /** One attempt for a whole group; a group that the server refuses is tried again append by append. Never rejects. */
  private async storeGroup(group: readonly PendingAppend[]): Promise<void> {
    const together = await this.publish(group.flatMap((append) => append.events)).catch((error: unknown) => ({ error }));
    crashPoint('append.after-publish');
    if (group.length > 1 && 'error' in together && together.error instanceof Refused) {
      for (const append of group) await this.storeGroup([append]);
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
    const batchId = events.length > 1 ? `${events[0]!.id}-${events.length}-${(this.batches += 1)}` : undefined;
    const last = events.length - 1;
    for (const [index, event] of events.entries()) {
      const hdrs = natsHeaders(event);
      if (batchId) {
        hdrs.set('Nats-Batch-Id', batchId.slice(-64));
        hdrs.set('Nats-Batch-Sequence', String(index + 1));
      }
      if (index < last) {
        this.connection.publish(event.subject, event.body, { headers: hdrs });
        continue;
      }
      if (batchId) hdrs.set('Nats-Batch-Commit', '1');
      const reply = await this.connection.request(event.subject, event.body, { headers: hdrs, timeout: this.attemptTimeoutMs });
      const ack = reply.json<PubAck>();
      if (ack.error) throw new Refused(ack.error.err_code, ack.error.description);
      if (ack.duplicate) throw new Refused(BATCH_CONTAINS_DUPLICATE, 'stored before');
      return { seq: ack.seq };
    }
    throw new RangeError('nothing to publish');
  }

  /** Whose the conflict is: ours, when an aggregate's last event is of this very command, for an append is stored whole. */
  private async explain(context: CommandContext, writes: readonly Write[], conflict: AppendResult): Promise<AppendResult> {
    let explained = conflict;
    for (const { aggregate, expected } of writes) {
      const last = await this.manager.streams.getMessage(DOMAIN_STREAM, { last_by_subj: subjectOf(aggregate) }).catch(unavailable);
      if (last?.header.get('ce-commandid') === context.commandId) return { outcome: 'already-applied', position: last.seq };
      if ((last?.seq ?? 0) !== expected.position) explained = { outcome: 'conflict', aggregate, current: last?.seq ?? 0 };
    }
    return explained;
  }

  private readBehind(aggregate: AggregateRef, position: number): Promise<StoredMsg[]> {
    const messages: StoredMsg[] = [];
    return new Promise((resolve, reject) => {
      const page = (from: number): void => {
        let pending = 0;
        this.manager.direct
          .getBatch(DOMAIN_STREAM, {
            seq: from,
            next_by_subj: subjectOf(aggregate),
            batch: 1024,
            callback: (done, message) => {
              if (done) {
                if (done.err) return reject(asUnavailable(done.err));
                return pending > 0 ? page(messages.at(-1)!.seq + 1) : resolve(messages);
              }
              messages.push(message);
              pending = message.pending;
            },
          })
          .catch(reject);
      };
      page(position + 1);
    });
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
  if (error instanceof Refused || isNoResponders(error)) return Promise.reject(asUnavailable(error));
  return Promise.resolve({ outcome: 'unknown' });
}

function withExpectation(event: WireEvent, expected: ReadonlyMap<string, Revision>): ReadonlyMap<string, string> {
  const revision = expected.get(event.subject)!;
  if (event.version !== revision.version + 1) return event.headers; // only a subject's first message of a batch may carry it
  return new Map([...event.headers, ['Nats-Expected-Last-Subject-Sequence', String(revision.position)]]);
}

function natsHeaders(event: WireEvent): MsgHdrs {
  const hdrs = headers();
  for (const [name, value] of event.headers) hdrs.append(name, value);
  hdrs.set('Nats-Msg-Id', event.id);
  return hdrs;
}

function recorded(aggregate: AggregateRef, message: StoredMsg): RecordedEvent {
  try {
    return fromWire(message.subject, (name) => message.header.get(name) || undefined, message.data, message.seq);
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

function asUnavailable(cause: unknown): DomainError {
  return new DomainError('UNAVAILABLE', 'the log is not available', {}, { cause });
}

function unavailable(cause: unknown): never {
  throw asUnavailable(cause);
}
