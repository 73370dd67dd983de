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

/** Reads the headers back. Throws a TypeError that names the header when one is missing or not what it must be. */
export function fromHeaders(subject: string, get: (name: string) => string | undefined): Envelope {
  const required = (name: string): string => {
    const value = get(name);
    if (!value) throw new TypeError(`the event on ${subject} has no header ${name}`);
    return decode(value);
  };
  const optional = (name: string): string | undefined => {
    const value = get(name);
    return value ? decode(value) : undefined;
  };
  const type = required('ce-type');
  const version = Number(required('ce-version'));
  if (!type.startsWith(typePrefix)) throw new TypeError(`the event on ${subject} has the foreign type ${type}`);
  if (!Number.isSafeInteger(version) || version < 1) throw new TypeError(`the event on ${subject} has no valid ce-version`);
  const keyId = optional('ce-authkeyid');
  const ip = optional('ce-authip');
  const causationId = optional('ce-causationid');
  const traceparent = optional('ce-traceparent');
  return {
    id: required('ce-id') as EventId,
    type: type.slice(typePrefix.length),
    aggregate: refOf(subject),
    version,
    commandId: required('ce-commandid') as CommandId,
    previousHash: optional('ce-previoushash') ?? '',
    time: required('ce-time'),
    actor: { type: required('ce-authtype') as Actor['type'], id: required('ce-authid'), ...(keyId && { keyId }), ...(ip && { ip }) },
    correlationId: required('ce-correlationid'),
    ...(causationId && { causationId }),
    ...(traceparent && { traceparent }),
  };
}

// prettier-ignore
const hashed = [
  'ce-specversion', 'ce-id', 'ce-source', 'ce-type', 'ce-subject', 'ce-time', 'ce-version', 'ce-commandid', 'ce-previoushash', 'ce-authtype',
  'ce-authid', 'ce-authkeyid', 'ce-authip', 'ce-correlationid', 'ce-causationid', 'ce-traceparent', 'content-type',
];

/** SHA-256, base64url, over the subject, the headers as they stand on the wire, and the body's bytes. */
export function hashEvent(subject: string, get: (name: string) => string | undefined, body: Uint8Array): string {
  let head = subject;
  for (const name of hashed) head += `\n${get(name) ?? ''}`;
  return hash('sha256', Buffer.concat([Buffer.from(`${head}\n\n`), body]), 'base64url');
}

/** CloudEvents' NATS binding: printable ASCII as it is, the rest, `"`, `%` and space percent-encoded as UTF-8. */
function encode(value: string): string {
  return /^[!#-$&-~]*$/.test(value) ? value : value.toWellFormed().replace(/[^!#-$&-~]/gu, encodeURIComponent);
}

function decode(value: string): string {
  return value.includes('%') ? decodeURIComponent(value) : value;
}
