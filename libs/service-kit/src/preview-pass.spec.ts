import { passKey, signPass, verifyPass } from './preview-pass.js';

const key = 'a key for tests, thirty-two characters and more';
const host = '8888-s1-alice.previews.example';
const pass = { previewId: 'prv_01m7yj1435ebhbsct92r1n0ays', expiresAt: 2_000_000_000 };
const now = 1_999_999_999_000;
const link = signPass('link', pass, host, key);

describe('a pass to a preview', () => {
  it('is accepted at its host until it expires', () => {
    expect(verifyPass('link', link, host, key, now)).toEqual(pass);
    expect(verifyPass('link', link, host, key, now + 1000)).toBeUndefined();
  });

  it.each([
    ['at another host', () => verifyPass('link', link, '8888-s1-bob.previews.example', key, now)],
    ['as a cookie, being a link', () => verifyPass('cookie', link, host, key, now)],
    ['as a link, being a cookie', () => verifyPass('link', signPass('cookie', pass, host, key), host, key, now)],
    ['under another key', () => verifyPass('link', link, host, `${key}!`, now)],
    ['for another preview', () => verifyPass('link', link.replace('01m7', '01m8'), host, key, now)],
    ['for longer', () => verifyPass('link', link.replace('2000000000', '2000000001'), host, key, now)],
    ['cut', () => verifyPass('link', link.slice(0, -1), host, key, now)],
    ['with more behind it', () => verifyPass('link', `${link}.x`, host, key, now)],
    ['empty', () => verifyPass('link', '', host, key, now)],
  ])('is refused %s', (_, verify) => expect(verify()).toBeUndefined());

  it('is signed with a key of its own, or one made from the identity key', () => {
    const SANDLOT_IDENTITY_KEY = 'an identity key, thirty-two characters and more';
    expect(passKey({ SANDLOT_IDENTITY_KEY, SANDLOT_PREVIEW_KEY: key })).toBe(key);
    expect(passKey({ SANDLOT_IDENTITY_KEY })).toBe(passKey({ SANDLOT_IDENTITY_KEY }));
    expect(passKey({ SANDLOT_IDENTITY_KEY })).not.toContain(SANDLOT_IDENTITY_KEY);
    expect(passKey({ SANDLOT_IDENTITY_KEY })).not.toBe(passKey({ SANDLOT_IDENTITY_KEY: `${SANDLOT_IDENTITY_KEY}!` }));
  });
});
