import { ReplyVault, type RequestScope } from './sealed-reply.js';

const scope: RequestScope = { userId: 'usr_1', method: 'POST', path: '/api/v1/me/apikeys', key: 'k-1' };
const secret = 'a secret of at least thirty-two characters';

describe('ReplyVault', () => {
  it('opens what it has sealed, and shows nothing of it', () => {
    const vault = new ReplyVault(secret, scope);
    const sealed = vault.seal({ key: 'slk_raw' });
    expect(Buffer.from(sealed, 'base64').toString('latin1')).not.toContain('slk_raw');
    expect(new ReplyVault(secret, scope).open(sealed)).toEqual({ key: 'slk_raw' });
  });

  it.each([
    ['another secret', 'another secret of thirty-two characters', scope],
    ['another user', secret, { ...scope, userId: 'usr_2' }],
    ['another route', secret, { ...scope, path: '/api/v1/sandboxes' }],
    ['another key', secret, { ...scope, key: 'k-2' }],
  ])('opens nothing under %s, and keeps it elsewhere', (what, otherSecret, otherScope) => {
    const vault = new ReplyVault(secret, scope);
    const other = new ReplyVault(otherSecret, otherScope);
    expect(() => other.open(vault.seal({ ok: true }))).toThrow();
    if (what !== 'another secret') expect(other.recordKey).not.toBe(vault.recordKey);
  });

  it('opens nothing that was changed', () => {
    const vault = new ReplyVault(secret, scope);
    const bytes = Buffer.from(vault.seal({ ok: true }), 'base64');
    bytes[bytes.length - 1]! ^= 1;
    expect(() => vault.open(bytes.toString('base64'))).toThrow();
  });

  it('takes bodies that differ in spelling alone for the same', () => {
    const vault = new ReplyVault(secret, scope);
    expect(vault.fingerprint({ a: 1, b: { c: [1, 2], d: null } })).toBe(vault.fingerprint({ b: { d: null, c: [1, 2] }, a: 1 }));
    expect(vault.fingerprint({ a: [1, 2] })).not.toBe(vault.fingerprint({ a: [2, 1] }));
    expect(vault.fingerprint(undefined)).not.toBe(vault.fingerprint({}));
  });
});
