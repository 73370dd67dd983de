import { exportJWK, generateKeyPair } from 'jose';
import { generateKeyPairSync } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { DirectoryUnavailable } from '../directory.js';
import { IssuerUnderTest } from '../testing/token-issuer.js';
import { Jwks } from './jwks.js';

describe('the keys of an issuer', () => {
  let issuer: IssuerUnderTest;
  let jwks: Jwks;
  let now = 0;
  const problems: unknown[] = [];
  const find = (kid: string) => jwks.find({ alg: 'ES256', kid });
  const tell = (body: unknown, status = 200) => {
    issuer.answer = (send) => send(status, typeof body === 'string' ? body : JSON.stringify(body));
  };

  beforeEach(async () => {
    issuer = await IssuerUnderTest.start();
    now = 1_000_000;
    problems.length = 0;
    const onProblem = (problem: unknown) => void problems.push(problem);
    jwks = new Jwks({ url: issuer.jwksUrl, timeoutMs: 500, now: () => now, onProblem });
  });

  afterEach(() => issuer.close());

  it('are fetched once, however many ask', async () => {
    const found = await Promise.all(Array.from({ length: 20 }, () => find('first')));
    expect(found.every(Boolean)).toBe(true);
    await find('first');
    expect(issuer.fetched).toBe(1);
  });

  it('are fetched again for a key that is not known, but at most every 30 s (S4-19)', async () => {
    await find('first');
    await issuer.rotate('second');
    expect(await find('second')).toBeUndefined();
    now += 30_000;
    const [second, ...others] = await Promise.all(['second', 'x', 'y', 'z'].map(find));
    expect(second).toBeDefined();
    expect(others).toEqual([undefined, undefined, undefined]);
    for (let i = 0; i < 50; i++) expect(await find(`made-up-${i}`)).toBeUndefined();
    expect(issuer.fetched).toBe(2);
    expect(await find('first')).toBeUndefined(); // it is not published any more
  });

  it('that are in use are looked at again, so that one which is withdrawn goes', async () => {
    await find('first');
    await issuer.rotate('second');
    const { generation } = jwks;
    now += 600_001;
    expect(await find('first')).toBeDefined(); // nobody waits for the look
    await find('second');
    expect(jwks.generation).toBe(generation + 1);
    expect(await find('first')).toBeUndefined();
  });

  it.each<[string, () => void]>([
    ['404', () => tell({}, 404)],
    ['500', () => tell('oops', 500)],
    ['nothing for too long', () => (issuer.answer = () => undefined)],
    ['10 MB', () => tell(JSON.stringify({ keys: issuer.keys, padding: 'x'.repeat(10_000_000) }))],
    ['no JSON', () => tell('<html>')],
    ['no keys', () => tell({ keys: [] })],
    ['a secret as a key', () => tell({ keys: [{ kty: 'oct', k: 'AAAA', kid: 'first' }] })],
    ['a weak RSA key', () => tell({ keys: [weak] })],
  ])('stay what they were while the issuer answers %s, for a day (S4-19)', async (_, fail) => {
    await find('first');
    fail();
    now += 12 * 3_600_000;
    expect(await find('first')).toBeDefined();
    expect(await find('made-up')).toBeUndefined(); // waits for the fetch
    expect(await find('first')).toBeDefined();
    expect(problems).toHaveLength(1);
    expect(jwks.fetches).toEqual({ ok: 1, failed: 1 });
    now += 12 * 3_600_000 + 1;
    await expect(find('first')).rejects.toThrow(DirectoryUnavailable);
  });

  it('that were never known make nobody a stranger: it cannot be told', async () => {
    tell({}, 503);
    await expect(find('first')).rejects.toThrow(DirectoryUnavailable);
    await expect(find('first')).rejects.toThrow(DirectoryUnavailable);
    expect(issuer.fetched).toBe(1);
    issuer.answer = undefined;
    now += 30_000;
    expect(await find('first')).toBeDefined();
  });

  it('of less than 2048 bits are not among them, and neither are keys for something else', async () => {
    const rsa = await exportJWK((await generateKeyPair('RS256', { extractable: true })).publicKey);
    tell({ keys: [weak, { ...rsa, kid: 'strong' }, { ...rsa, kid: 'for-encryption', use: 'enc' }] });
    const find = (kid: string) => jwks.find({ alg: 'RS256', kid });
    expect(await find('strong')).toBeDefined();
    expect(await find('weak')).toBeUndefined();
    expect(await find('for-encryption')).toBeUndefined();
  });

  it('are not looked for where the issuer redirects to', async () => {
    const elsewhere: Server = createServer((_, response) => response.writeHead(302, { location: issuer.jwksUrl }).end());
    await new Promise<void>((done) => elsewhere.listen(0, '127.0.0.1', done));
    const redirected = new Jwks({ url: `http://127.0.0.1:${(elsewhere.address() as { port: number }).port}/` });
    await expect(redirected.find({ alg: 'ES256', kid: 'first' })).rejects.toThrow(DirectoryUnavailable);
    elsewhere.close();
  });
});

const weak = { ...generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' }), kid: 'weak' };
