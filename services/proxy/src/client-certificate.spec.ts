import type { IncomingHttpHeaders } from 'node:http';
import type { PeerCertificate, TLSSocket } from 'node:tls';
import { CertificateRule, isOfAnotherSite } from './client-certificate.js';

const showing = (certificate: { CN?: string | string[]; names?: string }, authorized = true) => {
  const shown = { subject: { CN: certificate.CN }, subjectaltname: certificate.names, valid_to: 'Jan  1 00:00:00 2030 GMT' };
  const peer = { ...shown, fingerprint256: 'AB:CD:EF:01:23:45:67:89:FF:FF' } as unknown as PeerCertificate;
  return { authorized, getPeerCertificate: () => peer } as unknown as TLSSocket;
};
const userOf = (rule: string, certificate: Parameters<typeof showing>[0]) => new CertificateRule(rule).read(showing(certificate))?.username;

describe('a client certificate', () => {
  it('names a user by its common name, or by an alternative name (S0-65)', () => {
    expect(userOf('CN={username}', { CN: 'alice' })).toBe('alice');
    expect(userOf('CN=user-{username}', { CN: 'user-alice' })).toBe('alice');
    expect(userOf('URI=spiffe://example.org/user/{username}', { names: 'DNS:a, URI:spiffe://example.org/user/alice' })).toBe('alice');
    expect(userOf('email={username}@example.org', { names: 'email:alice@example.org' })).toBe('alice');
  });

  it.each<[string, string, Parameters<typeof showing>[0]]>([
    ['in another field', 'CN={username}', { names: 'DNS:alice' }],
    ['of more than a username', 'CN={username}', { CN: 'alice.example' }],
    ['at another place', 'email={username}@example.org', { names: 'email:alice@example.org.evil.example' }],
    ['that only looks like the rule', 'email={username}@example.org', { names: 'email:alice@exampleXorg' }],
    ['twice, differently', 'CN={username}', { CN: ['alice', 'bob'] }],
    ['inside of another, quoted one', 'URI=spiffe://e/{username}', { names: 'URI:"x, URI:spiffe://e/bob, y"' }],
    ['not at all', 'CN={username}', {}],
  ])('with a name %s names nobody', (_, rule, certificate) => {
    expect(userOf(rule, certificate)).toBeUndefined();
  });

  it('that no authority vouches for is none', () => {
    expect(new CertificateRule('CN={username}').read(showing({ CN: 'alice' }, false))).toBeUndefined();
  });

  it('has a name for the trail, and an end', () => {
    const expected = { username: 'alice', name: 'cert:abcdef0123456789', expiresAt: Date.UTC(2030, 0, 1) };
    expect(new CertificateRule('CN={username}').read(showing({ CN: 'alice' }))).toEqual(expected);
  });

  it.each(['{username}', 'O={username}', 'CN=alice', 'CN={username}{username}'])('is not read by the rule %s', (rule) => {
    expect(() => new CertificateRule(rule)).toThrow(TypeError);
  });

  it('counts only for what no page of another origin has asked for', () => {
    const asked = (headers: IncomingHttpHeaders) => isOfAnotherSite(headers, 'sandlot.example');
    for (const own of [{}, { origin: 'https://sandlot.example' }, { 'sec-fetch-site': 'none' }, { 'sec-fetch-site': 'same-origin' }])
      expect(asked(own)).toBe(false);
    for (const other of ['https://evil.example', 'http://sandlot.example', 'null']) expect(asked({ origin: other })).toBe(true);
    for (const other of ['cross-site', 'same-site']) expect(asked({ 'sec-fetch-site': other })).toBe(true);
  });
});
