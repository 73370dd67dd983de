import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';

/**
 * An API key is `slk_`, 256 random bits in 43 base62 characters, and a CRC-32 of what precedes it in 6 more. The checksum
 * lets a door refuse a mistyped or made-up key without asking anybody; it protects nothing.
 */
export const apiKeyPattern = /^slk_[0-9A-Za-z]{49}$/;

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** @param random exactly 32 bytes from a cryptographic generator */
export function formatApiKey(random: Uint8Array): string {
  if (random.length !== 32) throw new RangeError(`an API key is made from 32 random bytes, not ${random.length}`);
  const secret = `slk_${base62(random, 43)}`;
  return secret + checksum(secret);
}

export function isApiKey(text: string): boolean {
  return apiKeyPattern.test(text) && checksum(text.slice(0, -6)) === text.slice(-6);
}

/** What is stored and looked up instead of the key: SHA-256 in hex. A plain hash is sound for 256 random bits. */
export function hashApiKey(key: string): string {
  return createHash('sha256').update(key).digest('hex');
}

/** A door does this for every request: 32 bits need no BigInt. */
function checksum(text: string): string {
  let out = '';
  for (let value = crc32(text); out.length < 6; value = Math.floor(value / 62)) out = alphabet[value % 62] + out;
  return out;
}

function base62(bytes: Uint8Array, width: number): string {
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  let text = '';
  for (; value > 0n; value /= 62n) text = alphabet[Number(value % 62n)] + text;
  return text.padStart(width, '0');
}
