import type { TrustedIssuer } from './tokens.js';

/** Tokens that whoever has the secret makes (HS256): `iss` and `aud` are `sandlot`, `sub` is the username. */
export function sharedSecret(secret: string): TrustedIssuer {
  const key = new TextEncoder().encode(secret);
  return {
    name: 'shared',
    issuer: 'sandlot',
    audience: 'sandlot',
    algorithms: ['HS256'],
    userClaim: 'sub',
    userBy: 'username',
    keys: { generation: 0, find: () => Promise.resolve(key), touch: () => undefined },
  };
}
