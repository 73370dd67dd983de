import { hash } from 'node:crypto';
import type { Actor, CommandId, EventId } from '@sandlot/kernel';
import { refOf, type AggregateRef } from './subjects.js';

/**
 * What surrounds a fact in the log. On the wire: CloudEvents 1.0 in NATS binary mode, `ce-*` headers around a JSON body.
 * `ce-id` is also `Nats-Msg-Id`.
 */
export interface Envelope {
  readonly id: EventId;
  /** `sandbox.requested.v1`; `dev.sandlot.` stands before it on the wire. */
  readonly type: string;
  readonly aggregate: AggregateRef;
  /** Contiguous from 1 within the aggregate. */
  readonly version: number;
  readonly commandId: CommandId;
  /** The hash of the aggregate's previous event, '' for the first. */
  readonly previousHash: string;
  /** RFC 3339, UTC, milliseconds. */
  readonly time: string;
  readonly actor: Actor;
  readonly correlationId: string;
  readonly causationId?: string;
  readonly traceparent?: string;
}

export type Headers = readonly (readonly [name: string, value: string])[];

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const typePrefix = 'dev.sandlot.';

/** The headers in the one order in which they are written and hashed. */
export function toHeaders(envelope: Envelope): Headers {
  const { aggregate, actor } = envelope;
  const headers: [string, string | undefined][] = [
    ['ce-specversion', '1.0'],
    ['ce-id', envelope.id],
    ['ce-source', `/sandlot/${aggregate.context}`],
    ['ce-type', typePrefix + envelope.type],
    ['ce-subject', aggregate.id],
    ['ce-time', envelope.time],
    ['ce-version', String(envelope.version)],
    ['ce-commandid', envelope.commandId],
    ['ce-previoushash', envelope.previousHash || undefined],
    ['ce-authtype', actor.type],
    ['ce-authid', actor.id],
    ['ce-authkeyid', actor.keyId],
    ['ce-authip', actor.ip],
    ['ce-correlationid', envelope.correlationId],
    ['ce-causationid', envelope.causationId],
    ['ce-traceparent', envelope.traceparent],
    ['content-type', 'application/json'],
  ];
  return headers.flatMap(([name, value]) => (value === undefined ? [] : [[name, encode(value)] as const]));
}

// prettier-ignore
const names = [
  'ce-specversion', 'ce-id', 'ce-source', 'ce-type', 'ce-subject', 'ce-time', 'ce-version', 'ce-commandid', 'ce-previoushash', 'ce-authtype',
  'ce-authid', 'ce-authkeyid', 'ce-authip', 'ce-correlationid', 'ce-causationid', 'ce-traceparent', 'content-type',
] as const;

/** What stands on the wire in an event's headers, in the order in which they are written and hashed; undefined where one is missing. */
export type HeaderValues = readonly (string | undefined)[];

export const headerValues = (get: (name: string) => string | undefined): HeaderValues => names.map((name) => get(name) || undefined);

/** What the chain of an aggregate is checked by, also in a record that is not whole. */
export function linkOf(values: HeaderValues): { id?: string | undefined; version?: string | undefined; previousHash?: string | undefined } {
  return { id: values[1], version: values[6], previousHash: values[8] };
}

const fields = names.map((name) => `${name}:`);
const lowerC = 0x63; // all of ours begin with it
const space = 0x20;

/** Of a header block as NATS has it: `NATS/1.0\r\nname: value\r\n...\r\n\r\n`. Fastest in the order in which we write. */
export function parseHeaders(block: string): HeaderValues {
  const values = new Array<string | undefined>(names.length).fill(undefined);
  let next = 0;
  for (let start = block.indexOf('\r\n') + 2; ;) {
    const end = block.indexOf('\r\n', start);
    if (end <= start) return values;
    if (block.charCodeAt(start) === lowerC) {
      const index = fieldAt(block, start, next);
      if (index >= 0 && values[index] === undefined) {
        let from = start + fields[index]!.length;
        if (block.charCodeAt(from) === space) from += 1; // as nats.js writes it; to slice twice costs more than all else here
        const value = block.slice(from, end);
        const isPadded = block.charCodeAt(from) <= space || block.charCodeAt(end - 1) <= space;
        values[index] = (isPadded ? value.trim() : value) || undefined;
        next = index + 1;
      }
    }
    start = end + 2;
  }
}

function fieldAt(block: string, start: number, next: number): number {
  for (let tried = 0; tried < fields.length; tried += 1) {
    const index = (next + tried) % fields.length;
    if (block.startsWith(fields[index]!, start)) return index;
  }
  return -1;
}

/** Reads the headers back. Throws a TypeError that names the header when one is missing or not what it must be. */
export function fromHeaders(subject: string, values: HeaderValues): Envelope {
  // prettier-ignore
  const [
    , id, , type, , time, version, commandId, previousHash, authType, authId, authKeyId, authIp, correlationId, causationId, traceparent,
  ] = values;
  const required = (name: string, value: string | undefined): string => {
    if (!value) throw new TypeError(`the event on ${subject} has no header ${name}`);
    return decode(value);
  };
  const fullType = required('ce-type', type);
  const number = Number(required('ce-version', version));
  if (!fullType.startsWith(typePrefix)) throw new TypeError(`the event on ${subject} has the foreign type ${fullType}`);
  if (!Number.isSafeInteger(number) || number < 1) throw new TypeError(`the event on ${subject} has no valid ce-version`);
  // Made by assignment: what is there or not would otherwise be copied from an object of its own each time.
  const actor: Mutable<Actor> = { type: required('ce-authtype', authType) as Actor['type'], id: required('ce-authid', authId) };
  if (authKeyId) actor.keyId = decode(authKeyId);
  if (authIp) actor.ip = decode(authIp);
  const envelope: Mutable<Envelope> = {
    id: required('ce-id', id) as EventId,
    type: fullType.slice(typePrefix.length),
    aggregate: refOf(subject),
    version: number,
    commandId: required('ce-commandid', commandId) as CommandId,
    previousHash: previousHash ? decode(previousHash) : '',
    time: required('ce-time', time),
    actor,
    correlationId: required('ce-correlationid', correlationId),
  };
  if (causationId) envelope.causationId = decode(causationId);
  if (traceparent) envelope.traceparent = decode(traceparent);
  return envelope;
}

/** Room for what is hashed, so that no buffer is made for each event; a record of the log has at most 64 KiB. */
const scratch = Buffer.allocUnsafeSlow(256 * 1024);

/** SHA-256, base64url, over the subject, the headers as they stand on the wire, and the body's bytes. */
export function hashEvent(subject: string, values: HeaderValues, body: Uint8Array): string {
  const head = `${values.join('\n')}\n\n`;
  if ((subject.length + head.length) * 3 + body.length >= scratch.length)
    return hash('sha256', Buffer.concat([Buffer.from(`${subject}\n${head}`), body]), 'base64url');
  let length = scratch.write(subject);
  length += scratch.write('\n', length);
  length += scratch.write(head, length);
  scratch.set(body, length);
  return hash('sha256', scratch.subarray(0, length + body.length), 'base64url');
}

/** CloudEvents' NATS binding: printable ASCII as it is, the rest, `"`, `%` and space percent-encoded as UTF-8. */
function encode(value: string): string {
  return /^[!#-$&-~]*$/.test(value) ? value : value.toWellFormed().replace(/[^!#-$&-~]/gu, encodeURIComponent);
}

function decode(value: string): string {
  return value.includes('%') ? decodeURIComponent(value) : value;
}
