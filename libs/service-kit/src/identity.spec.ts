import { signIdentity, verifyIdentity, type IdentityClaims } from './index.js';

const key = 'a'.repeat(32);
const now = new Date('2026-01-01T00:00:00Z');
const claims: IdentityClaims = {
  userId: 'usr_1',
  username: 'alice',
  role: 'user',
  keyId: 'key_1',
  ip: '::1',
  requestId: 'r1',
  iat: now.getTime() / 1000,
};
const at = (seconds: number) => ({ now: new Date(now.getTime() + seconds * 1000) });

describe('an identity assertion', () => {
  it('is what was signed', () => {
    expect(verifyIdentity(signIdentity(claims, key), key, at(0))).toEqual(claims);
  });

  it('is worth nothing once any of it has changed', () => {
    const header = signIdentity(claims, key);
    for (let i = 0; i < header.length - 1; i += 1) {
      const changed = header.slice(0, i) + (header[i] === 'A' ? 'B' : 'A') + header.slice(i + 1);
      expect(verifyIdentity(changed, key, at(0))).toBeUndefined();
    }
    const [body, signature] = header.split('.');
    const admin = Buffer.from(JSON.stringify({ ...claims, role: 'admin' })).toString('base64url');
    for (const forged of [`${admin}.${signature}`, `${body}.`, `${body}`, '', '.', `${header}.x`, undefined, ['a'], 'x'.repeat(10_000)])
      expect(verifyIdentity(forged, key, at(0))).toBeUndefined();
    expect(verifyIdentity(header, 'b'.repeat(32), at(0))).toBeUndefined();
  });

  it('holds for 30 s', () => {
    const header = signIdentity(claims, key);
    expect(verifyIdentity(header, key, at(30))).toBeDefined();
    expect(verifyIdentity(header, key, at(31))).toBeUndefined();
    expect(verifyIdentity(header, key, at(-31))).toBeUndefined();
  });
});
