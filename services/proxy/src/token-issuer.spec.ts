import { tokenIssuers } from './token-issuer.js';
import { proxyConfig } from './config.js';

const right = {
  name: 'corp',
  issuer: 'https://login.example',
  jwksUrl: 'https://login.example/jwks',
  audience: 'sandlot',
  userClaim: 'sub',
};
const read = (...issuers: object[]) => tokenIssuers().safeParse(JSON.stringify(issuers));
const problem = (...issuers: object[]) => read(...issuers).error?.issues[0]?.message;

describe('the setting of issuers', () => {
  it('fills in what is not said', () => {
    expect(read(right).data).toEqual([{ ...right, loopbackHttp: false, algorithms: ['RS256', 'ES256'], userBy: 'username' }]);
  });

  it.each<[string, object, string]>([
    ['no audience', { audience: undefined }, '0.audience: '],
    ['no claim', { userClaim: '' }, '0.userClaim: '],
    ['the algorithm none', { algorithms: ['none'] }, '0.algorithms.0: '],
    ['a shared secret', { algorithms: ['HS256'] }, '0.algorithms.0: '],
    ['no algorithm', { algorithms: [] }, '0.algorithms: '],
    ['keys over http', { jwksUrl: 'http://login.example/jwks' }, '0.jwksUrl: must be https'],
    ['keys over http, although of this machine', { jwksUrl: 'http://127.0.0.1/jwks' }, '0.jwksUrl: must be https'],
    ['keys over http of another machine', { jwksUrl: 'http://10.0.0.1/jwks', loopbackHttp: true }, '0.jwksUrl: must be https'],
    ['credentials in an address', { jwksUrl: 'https://a:b@login.example/jwks' }, '0.jwksUrl: must be https'],
    ['what nobody knows', { audiences: ['sandlot'] }, '0: '],
    ['the name of the shared secret', { name: 'shared' }, '0: is the issuer of SANDLOT_JWT_SECRET'],
  ])('refuses %s (S4-19)', (_, changes, message) => {
    expect(problem({ ...right, ...changes })).toContain(message);
  });

  it('takes http of this machine where that is asked for', () => {
    expect(read({ ...right, jwksUrl: 'http://127.0.0.1:9000/jwks', loopbackHttp: true }).success).toBe(true);
  });

  it('refuses what is not JSON, no issuer, and one twice', () => {
    expect(tokenIssuers().safeParse('corp').success).toBe(false);
    expect(read().success).toBe(false);
    expect(problem(right, { ...right, name: 'other' })).toBe('two issuers have the same issuer');
  });
});

describe('the shared secret', () => {
  const { SANDLOT_JWT_SECRET: secret } = proxyConfig.schema.shape;

  it('is off unless it is set, and never short (C6)', () => {
    expect(secret.parse(undefined)).toBeUndefined();
    for (const short of ['', 'secret', 'x'.repeat(31)]) expect(secret.safeParse(short).success).toBe(false);
  });
});
