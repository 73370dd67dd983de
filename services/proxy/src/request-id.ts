import { randomFillSync } from 'node:crypto';

// The kernel's newId does the same with BigInt; an id is needed for every request that passes, so this one is arithmetic only.
const ALPHABET = Buffer.from('0123456789abcdefghjkmnpqrstvwxyz');
const RANDOM_CHARACTERS = 16;
const random = Buffer.allocUnsafe(8192);
let used = random.length;
const text = Buffer.alloc(26);
let stampedAt = -1;

/**
 * What an id of the kernel's format has after its prefix: a UUIDv7 in 26 characters of base32, unique, sortable by millisecond.
 * The 48 bits of time fill the first 10 characters; the version's bits fall into the 11th, the variant's into the 14th.
 */
export function newIdBody(milliseconds: number): string {
  if (milliseconds !== stampedAt) {
    stampedAt = milliseconds;
    let rest = milliseconds;
    for (let i = 9; i >= 0; i--) {
      text[i] = ALPHABET[rest % 32]!;
      rest = Math.floor(rest / 32);
    }
  }
  if (used + RANDOM_CHARACTERS > random.length) {
    randomFillSync(random);
    used = 0;
  }
  for (let i = 10; i < 26; i++) text[i] = ALPHABET[random[used++]! & 31]!;
  text[10] = ALPHABET[0b01110 | (random[used - 16]! & 1)]!;
  text[13] = ALPHABET[0b01000 | (random[used - 13]! & 0b10011)]!;
  return text.toString('latin1');
}

/** A W3C trace context for a request that came without one; not sampled. */
export function newTraceparent(): string {
  if (used + 24 > random.length) {
    randomFillSync(random);
    used = 0;
  }
  const hex = random.toString('hex', used, used + 24);
  used += 24;
  return `00-${hex.slice(0, 32)}-${hex.slice(32)}-00`;
}
