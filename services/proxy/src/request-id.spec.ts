import { isId, millisecondsOf } from '@sandlot/kernel';
import { newIdBody, newTraceparent } from './request-id.js';

describe('request ids', () => {
  it('are ids in the kernel’s format, and tell their millisecond', () => {
    for (const at of [0, 1, 1_767_225_600_123, Date.now(), 2 ** 48 - 1]) {
      const id = `evt_${newIdBody(at)}`;
      expect(isId('evt', id)).toBe(true);
      expect(millisecondsOf(id)).toBe(at);
    }
  });

  it('are UUIDs of version 7', () => {
    const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';
    for (let i = 0; i < 100; i++) {
      const value = [...newIdBody(Date.now())].reduce((sum, character) => (sum << 5n) | BigInt(alphabet.indexOf(character)), 0n);
      expect([(value >> 76n) & 0xfn, (value >> 62n) & 3n]).toEqual([7n, 2n]);
    }
  });

  it('are unique', () => {
    expect(new Set(Array.from({ length: 20_000 }, () => newIdBody(1))).size).toBe(20_000);
    expect(new Set(Array.from({ length: 2000 }, newTraceparent)).size).toBe(2000);
  });
});
