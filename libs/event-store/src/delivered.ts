import type { JsMsg } from '@nats-io/jetstream';
import type { Msg } from '@nats-io/transport-node';
import { headerValues, parseHeaders, type HeaderValues } from '@sandlot/contracts';
import type { RecordedEvent } from './event-store.js';
import { fromWire } from './record.js';

/** The event in a message that a consumer was sent. Throws a TypeError, SyntaxError or ZodError when it is not an event of ours. */
export const fromDelivery = (message: JsMsg | Msg, position: number): RecordedEvent =>
  fromWire(message.subject, headersOf(message), message.data, position);

interface Frame {
  readonly _rdata?: Uint8Array;
  readonly _msg?: { readonly hdr?: number };
}

/**
 * What stands in the headers of a message. nats.js takes 6 us to read an event's headers and a walk over all names for each that is asked
 * for, which is half of what an event costs in a rebuild; so the bytes that it keeps are read here, in 1 us. They are no part of its API:
 * where they are not found, its own reading serves.
 */
export function headersOf(message: JsMsg | Msg): HeaderValues {
  const { _rdata: bytes, _msg: frame } = (message as { msg?: Frame }).msg ?? (message as Frame);
  if (!(bytes instanceof Uint8Array) || typeof frame?.hdr !== 'number') return headerValues((name) => message.headers?.get(name));
  if (frame.hdr <= 0) return headerValues(() => undefined);
  return parseHeaders(utf8(bytes, frame.hdr));
}

/** The first bytes as text, without a Buffer of their own where the bytes are one's already. */
function utf8(bytes: Uint8Array, end: number): string {
  return bytes instanceof Buffer ? bytes.toString('utf8', 0, end) : Buffer.from(bytes.buffer, bytes.byteOffset, end).toString('utf8');
}
