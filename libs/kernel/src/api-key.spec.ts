import { randomBytes } from 'node:crypto';
import { formatApiKey, hashApiKey, isApiKey } from './index.js';

describe('an API key', () => {
  it('S0-01 has a recognisable form with a checksum', () => {
    for (const bytes of [new Uint8Array(32), new Uint8Array(32).fill(255), randomBytes(32)]) {
      const key = formatApiKey(bytes);
      expect(key).toMatch(/^slk_[0-9A-Za-z]{49}$/);
      expect(isApiKey(key)).toBe(true);
    }
  });

  it('is refused when any of its characters is mistyped', () => {
    const key = formatApiKey(randomBytes(32));
    for (let at = 4; at < key.length; at += 1) {
      const other = key[at] === 'x' ? 'y' : 'x';
      expect(isApiKey(key.slice(0, at) + other + key.slice(at + 1))).toBe(false);
    }
    for (const wrong of ['', key.slice(1), `${key}0`, key.toUpperCase(), ` ${key}`]) expect(isApiKey(wrong)).toBe(false);
  });

  it('keeps its form: keys that were given out stay valid', () => {
    expect(formatApiKey(new Uint8Array(32).fill(255))).toBe('slk_yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp12NWHI6');
    expect(formatApiKey(new Uint8Array(32))).toBe('slk_00000000000000000000000000000000000000000000m7eiM');
  });

  it('is made from 256 bits, never fewer', () => {
    expect(() => formatApiKey(randomBytes(16))).toThrow(RangeError);
  });

  it('S0-01 is looked up by its SHA-256', () => {
    expect(hashApiKey('slk_x')).toMatch(/^[0-9a-f]{64}$/);
  });
});
