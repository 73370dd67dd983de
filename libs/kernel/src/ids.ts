import { createHash, randomBytes } from 'node:crypto';

/**
 * Branded ids: a prefix that says what it names, and a UUIDv7 (RFC 9562) in Crockford base32, lower case, 26 characters.
 * They sort by the millisecond in which they were made.
 */
export type IdPrefix = 'usr' | 'key' | 'sbx' | 'evt' | 'cmd' | 'prv';
export type Id<Prefix extends IdPrefix> = string & { readonly __id: Prefix };
export type UserId = Id<'usr'>;
export type KeyId = Id<'key'>;
export type SandboxId = Id<'sbx'>;
export type EventId = Id<'evt'>;
export type CommandId = Id<'cmd'>;

const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';
const body = '[0-7][0-9a-hjkmnp-tv-z]{25}';

/** Matches a whole id of that prefix, for schemas. */
export const idPattern = (prefix: IdPrefix): RegExp => new RegExp(`^${prefix}_${body}$`);

export function isId<Prefix extends IdPrefix>(prefix: Prefix, value: string): value is Id<Prefix> {
  return idPattern(prefix).test(value);
}

/** A new id. Time and randomness come in where they must be repeatable; the default is now and the system's generator. */
export function newId<Prefix extends IdPrefix>(prefix: Prefix, at: Date = new Date(), random: Uint8Array = randomBytes(10)): Id<Prefix> {
  return format(prefix, uuidV7(at.getTime(), random));
}

/**
 * The id of something that a command creates: the command's time, and a hash of the command and what the thing is to it.
 * A repeated command thereby creates the same things, and every one of its events has the same id again.
 */
export function deriveId<Prefix extends IdPrefix>(prefix: Prefix, commandId: CommandId, what: string): Id<Prefix> {
  const hash = createHash('sha256').update(`${commandId}\n${prefix}\n${what}`).digest();
  return format(prefix, uuidV7(millisecondsOf(commandId), hash.subarray(0, 10)));
}

/** The millisecond that an id was made in, as since 1970-01-01T00:00:00Z. */
export function millisecondsOf(id: string): number {
  let value = 0n;
  for (const character of id.slice(id.indexOf('_') + 1)) value = (value << 5n) | BigInt(alphabet.indexOf(character));
  return Number(value >> 80n);
}

function uuidV7(milliseconds: number, random: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(16);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(milliseconds) << 16n);
  bytes.set(random.subarray(0, 10), 6);
  bytes[6] = (bytes[6]! & 0x0f) | 0x70;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return bytes;
}

function format<Prefix extends IdPrefix>(prefix: Prefix, bytes: Uint8Array): Id<Prefix> {
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  let text = '';
  for (let shift = 125n; shift >= 0n; shift -= 5n) text += alphabet[Number((value >> shift) & 31n)];
  return `${prefix}_${text}` as Id<Prefix>;
}
