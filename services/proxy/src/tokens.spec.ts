import { exportJWK, generateKeyPair, SignJWT, UnsecuredJWT, type CryptoKey, type JWTPayload } from 'jose';
import { DirectoryUnavailable } from './directory.js';
import { sharedSecret } from './shared-secret.js';
import { Tokens, type IssuerKeys, type TrustedIssuer } from './tokens.js';

const NOW = Date.parse('2026-01-01T12:00:00Z');
const SECONDS = NOW / 1000;
const right = { iss: 'https://login.example', aud: 'sandlot', azp: 'web', name: 'alice', exp: SECONDS + 300 };

describe('tokens', () => {
  let pair: { privateKey: CryptoKey; publicKey: CryptoKey };
  let tokens: Tokens;
  let keys: IssuerKeys & { generation: number; found: CryptoKey | undefined; asked: number; touched: number };

  beforeAll(async () => {
    pair = await generateKeyPair('ES256', { extractable: true });
  });

  beforeEach(() => {
    keys = {
      generation: 1,
      asked: 0,
      touched: 0,
      found: pair.publicKey,
      touch: () => void keys.touched++,
      find: () => {
        keys.asked++;
        return Promise.resolve(keys.found);
      },
    };
    tokens = new Tokens([issuer()]);
  });

  const issuer = (changes: Partial<TrustedIssuer> = {}): TrustedIssuer => ({
    name: 'corp',
    issuer: right.iss,
    audience: 'sandlot',
    authorizedParty: 'web',
    algorithms: ['ES256'],
    userClaim: 'name',
    userBy: 'username',
    keys,
    ...changes,
  });
  const sign = (claims: object = {}, header: object = {}, key: CryptoKey | Uint8Array = pair.privateKey) =>
    new SignJWT({ ...right, ...claims } as JWTPayload).setProtectedHeader({ alg: 'ES256', ...header }).sign(key);

  it('are ours by the issuer that they name, genuine or not, and no others are', async () => {
    expect(tokens.isOurs(await sign())).toBe(true);
    expect(tokens.isOurs(`${await sign()}x`)).toBe(true);
    expect(tokens.isOurs(await sign({ iss: 'https://other.example' }))).toBe(false);
    for (const other of ['', 'eyJ', 'eyJ.eyJ.x', `slk_${'a'.repeat(10)}`]) expect(tokens.isOurs(other)).toBe(false);
  });

  it('name a user, until they expire (S4-08)', async () => {
    const expected = { issuer: 'corp', user: { by: 'username', value: 'alice' }, expiresAt: (right.exp + 30) * 1000 };
    expect(await tokens.verify(await sign(), NOW)).toEqual(expected);
    expect(await tokens.verify(await sign({ aud: ['other', 'sandlot'] }, { typ: 'at+jwt' }), NOW)).toEqual(expected);
  });

  it('count for half a minute longer, and that much earlier, because clocks differ', async () => {
    expect(await tokens.verify(await sign({ exp: SECONDS - 29 }), NOW)).toMatchObject({ issuer: 'corp' });
    expect(await tokens.verify(await sign({ exp: SECONDS - 31 }), NOW)).toBe('token expired');
    expect(await tokens.verify(await sign({ nbf: SECONDS + 29 }), NOW)).toMatchObject({ issuer: 'corp' });
    expect(await tokens.verify(await sign({ nbf: SECONDS + 31 }), NOW)).toBe('token whose claim nbf does not hold');
  });

  it.each<[string, object]>([
    ['iss', { iss: 'https://evil.example' }],
    ['iss', { iss: undefined }],
    ['aud', { aud: 'other' }],
    ['aud', { aud: undefined }],
    ['azp', { azp: 'other' }],
    ['azp', { azp: undefined }],
    ['exp', { exp: undefined }],
    ['exp', { exp: 'never' }],
    ['the claim for the user', { name: undefined }],
    ['the claim for the user', { name: ['alice'] }],
  ])('are not accepted with a wrong %s: %j (S4-19)', async (_, claims) => {
    expect(await tokens.verify(await sign(claims), NOW)).toEqual(expect.any(String));
  });

  it('are verified with what the issuer is trusted for, never with what the token asks for (S4-19)', async () => {
    const own = await generateKeyPair('ES256', { extractable: true });
    const jwk = await exportJWK(own.publicKey);
    const signatureByPublicKey = await sign(
      {},
      { alg: 'HS256' },
      new TextEncoder().encode(JSON.stringify(await exportJWK(pair.publicKey))),
    );
    const es384 = await generateKeyPair('ES384');
    const hostile: [string, string][] = [
      [new UnsecuredJWT(right).encode(), 'malformed key'],
      [`${Buffer.from('{"alg":"none"}').toString('base64url')}.${(await sign()).split('.')[1]}.AA`, 'algorithm'],
      [signatureByPublicKey, 'algorithm'],
      [await sign({}, { alg: 'ES384' }, es384.privateKey), 'algorithm'],
      [await sign({}, { jwk }, own.privateKey), 'signature'],
      [await sign({}, { jku: 'https://evil.example/jwks' }, own.privateKey), 'signature'],
      [await sign({}, { x5u: 'https://evil.example/x5u', x5c: ['AAAA'] }, own.privateKey), 'signature'],
      [await sign({}, { crit: ['b64'], b64: true }), 'critical extensions'],
      [await sign({}, { typ: 'logout+jwt' }), 'another type'],
      [(await sign()).replace(/.{4}$/, 'AAAA'), 'signature'],
      [`${(await sign()).split('.')[0]}.${'A'.repeat(8192)}.AA`, 'malformed key'],
      ['eyJ.eyJ.eyJ', 'malformed'],
    ];
    for (const [token, reason] of hostile) {
      const verdict = Tokens.isToken(token) ? await tokens.verify(token, NOW) : 'malformed key';
      expect(verdict).toEqual(expect.stringContaining(reason));
    }
  });

  it('are verified once, and again when a key of their issuer may have gone', async () => {
    const token = await sign();
    await tokens.verify(token, NOW);
    expect(tokens.verify(token, NOW)).toMatchObject({ issuer: 'corp' }); // not a promise: nothing was asked
    expect([keys.asked, keys.touched]).toEqual([1, 1]);
    keys.generation++;
    keys.found = undefined;
    expect(await tokens.verify(token, NOW)).toBe('token signed with an unknown key');
  });

  it('that were verified expire all the same', async () => {
    const token = await sign();
    await tokens.verify(token, NOW);
    expect(await tokens.verify(token, NOW + 330_001)).toBe('token expired');
  });

  it('are neither accepted nor refused while the keys are not known', async () => {
    keys.find = () => Promise.reject(new DirectoryUnavailable('away'));
    await expect(tokens.verify(await sign(), NOW)).rejects.toThrow(DirectoryUnavailable);
  });

  it('signed with the shared secret are accepted from whoever has it, and from nobody else (S4-08)', async () => {
    const secret = 'a secret of at least 32 characters';
    const shared = new Tokens([sharedSecret(secret), issuer()]);
    const claims = { iss: 'sandlot', sub: 'alice' };
    const withSecret = (text: string, more = {}) => sign({ ...claims, ...more }, { alg: 'HS256' }, new TextEncoder().encode(text));
    expect(await shared.verify(await withSecret(secret), NOW)).toMatchObject({ issuer: 'shared', user: { value: 'alice' } });
    expect(await shared.verify(await withSecret('another secret of 32 characters!!'), NOW)).toBe('token with a wrong signature');
    expect(await shared.verify(await withSecret(secret, { iss: right.iss }), NOW)).toContain('algorithm');
    expect(await shared.verify(await sign(claims), NOW)).toContain('algorithm');
  });
});
