import { isAscii } from 'node:buffer';
import { deriveId, DomainError, type CommandContext } from '@sandlot/kernel';
import {
  fromHeaders,
  hashEvent,
  headerValues,
  readFact,
  subjectOf,
  toHeaders,
  type AggregateRef,
  type Envelope,
  type HeaderValues,
} from '@sandlot/contracts';
import type { RecordedEvent, Revision, Write } from './event-store.js';

/** A message of the log, as the wire has it. */
export interface WireEvent {
  readonly subject: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Uint8Array;
  readonly id: string;
  readonly version: number;
  readonly hash: string;
  readonly time: string;
  readonly correlationId: string;
}

/** So that with its headers a record stays under the stream's limit, which would be refused too late to tell whose fault it is. */
const maxBodyBytes = 56 * 1024;

const decoder = new TextDecoder('utf-8', { fatal: true });

/** Throws a TypeError where it is not UTF-8. Most bodies are ASCII, for which a decoder is slow. */
const textOf = (body: Uint8Array): string => (body instanceof Buffer && isAscii(body) ? body.toString('latin1') : decoder.decode(body));

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** What a write becomes on the wire. The same command on the same revision gives the same bytes, event ids included. */
export function toWire(context: CommandContext, write: Write): WireEvent[] {
  const subject = subjectOf(write.aggregate);
  let previousHash = write.expected.hash;
  return write.facts.map((fact, index) => {
    const version = write.expected.version + 1 + index;
    const envelope: Envelope = {
      id: deriveId('evt', context.commandId, `${subject}/${version}`),
      type: fact.type,
      aggregate: write.aggregate,
      version,
      commandId: context.commandId,
      previousHash,
      time: context.at,
      actor: context.actor,
      correlationId: context.correlationId,
      ...(context.causationId && { causationId: context.causationId }),
      ...(context.traceparent && { traceparent: context.traceparent }),
    };
    const headers = new Map(toHeaders(envelope));
    const body = Buffer.from(JSON.stringify(fact.data));
    if (body.length > maxBodyBytes) throw new RangeError(`${fact.type} takes ${body.length} bytes, more than ${maxBodyBytes}`);
    const hash = hashEvent(
      subject,
      headerValues((name) => headers.get(name)),
      body,
    );
    previousHash = hash;
    return { subject, headers, body, id: envelope.id, version, hash, time: envelope.time, correlationId: envelope.correlationId };
  });
}

/** Reads a message of the log. Throws a TypeError or ZodError when it is not an event of ours. */
export function fromWire(subject: string, headers: HeaderValues, body: Uint8Array, position: number): RecordedEvent {
  const event = fromHeaders(subject, headers) as Mutable<RecordedEvent>;
  const data: unknown = JSON.parse(textOf(body));
  const fact = readFact(event.type, data);
  event.fact = fact ?? { type: event.type, data };
  event.known = fact !== undefined;
  event.position = position;
  event.hash = hashEvent(subject, headers, body);
  return event;
}

/** Whether an event follows a revision of its aggregate: the next version, carrying the previous one's hash. */
export function follows(event: Pick<Envelope, 'version' | 'previousHash'>, revision: Pick<Revision, 'version' | 'hash'>): boolean {
  return event.version === revision.version + 1 && event.previousHash === revision.hash;
}

export function damaged(aggregate: AggregateRef, after: Revision, found: Pick<RecordedEvent, 'version' | 'position'>): DomainError {
  return new DomainError(
    'LOG_DAMAGED',
    `${subjectOf(aggregate)}: version ${after.version} is not followed by what stands at position ${found.position}`,
    {
      subject: subjectOf(aggregate),
      expectedVersion: after.version + 1,
      foundVersion: found.version,
      position: found.position,
    },
  );
}

/** Refuses with a RangeError or ZodError what could be stored but never read again. */
export function checkWrites(writes: readonly Write[]): void {
  const facts = writes.flatMap((write) => write.facts);
  if (writes.length === 0 || writes.some((write) => write.facts.length === 0)) throw new RangeError('an append needs facts');
  if (facts.length > 100) throw new RangeError(`an append takes at most 100 facts, not ${facts.length}`);
  if (new Set(writes.map((write) => subjectOf(write.aggregate))).size !== writes.length)
    throw new RangeError('an append names each aggregate once');
  for (const { type, data } of facts)
    if (readFact(type, data)?.type !== type) throw new RangeError(`${type} is not an event of the catalogue in its newest version`);
}
