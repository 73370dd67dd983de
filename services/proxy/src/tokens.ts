import { hash } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader, errors, jwtVerify, type CryptoKey, type JWTHeaderParameters, type JWTPayload } from 'jose';
import { LRUCache } from 'lru-cache';
import { DirectoryUnavailable } from './directory.js';

/** Whose tokens are believed. */
export interface TrustedIssuer {
  /** What the trail calls it. */
  name: string;
  issuer: string;
  audience: string;
  authorizedParty?: string;
  algorithms: readonly string[];
  userClaim: string;
  userBy: 'username' | 'id';
  keys: IssuerKeys;
}

/** What an issuer signs with. */
export interface IssuerKeys {
  /** Changes whenever a key may have gone: what was verified before is verified anew. */
  readonly generation: number;
  /** @returns undefined when there is no such key. @throws DirectoryUnavailable when nobody can tell */
  find(header: JWTHeaderParameters): Promise<CryptoKey | Uint8Array | undefined>;
  /** The keys are in use: they may want to be looked at again. */
  touch(): void;
}

/** A token that is genuine and for us. Whether there is such a user is not its issuer's to say. */
export interface VerifiedToken {
  issuer: string;
  user: { by: 'username' | 'id'; value: string };
  /** Milliseconds since 1970 until which it is accepted, the leeway included. */
  expiresAt: number;
}

/** Seconds by which an issuer's clock may be off. */
export const LEEWAY_SECONDS = 30;
const MAX_TOKEN_LENGTH = 8192;
const MAX_KEPT = 10_000;
const COMPACT = /^eyJ[\w-]+\.[\w-]+\.[\w-]+$/;
const TYPES = new Set([undefined, 'jwt', 'at+jwt', 'application/at+jwt']);

interface Kept {
  token: VerifiedToken;
  keys: IssuerKeys;
  generation: number;
}

/**
 * Verifies JSON Web Tokens (RFC 7519) of configured issuers. The token chooses nothing but one of them: not the algorithm, not where its
 * key comes from (`jku`, `x5u` and `jwk` are not looked at), and no extension by `crit`. A token that has passed is remembered by its
 * hash, so that only its first request pays for the signature.
 */
export class Tokens {
  private readonly issuers: ReadonlyMap<string, TrustedIssuer>;
  private readonly kept = new LRUCache<string, Kept>({ max: MAX_KEPT });

  constructor(issuers: readonly TrustedIssuer[]) {
    this.issuers = new Map(issuers.map((issuer) => [issuer.issuer, issuer]));
  }

  /** Whether this has the form of a token, which no API key has. */
  static isToken(credential: string): boolean {
    return credential.startsWith('eyJ') && credential.length <= MAX_TOKEN_LENGTH && COMPACT.test(credential);
  }

  /** Whether it names an issuer that is trusted here, genuine or not: then it is for nobody else to see. */
  isOurs(credential: string): boolean {
    if (!credential.startsWith('eyJ')) return false;
    try {
      return this.issuers.has(decodeJwt(credential).iss ?? '');
    } catch (error) {
      if (error instanceof errors.JWTInvalid) return false;
      throw error;
    }
  }

  /** The token, or why it is not accepted, for the trail. @throws DirectoryUnavailable when the issuer's keys are not known */
  verify(token: string, now: number): VerifiedToken | string | Promise<VerifiedToken | string> {
    const name = hash('sha256', token, 'hex');
    const kept = this.kept.get(name);
    if (kept?.generation === kept?.keys.generation && kept && now <= kept.token.expiresAt) {
      kept.keys.touch();
      return kept.token;
    }
    return this.verifyAnew(token, name, now);
  }

  private async verifyAnew(token: string, name: string, now: number): Promise<VerifiedToken | string> {
    try {
      const header = decodeProtectedHeader(token);
      const issuer = this.issuers.get(decodeJwt(token).iss ?? '');
      if (!issuer) return 'token of an unknown issuer';
      if (!issuer.algorithms.includes(header.alg ?? '')) return 'token signed with an algorithm that is not allowed';
      if (header.crit !== undefined) return 'token with critical extensions';
      if (!TYPES.has(header.typ?.toLowerCase())) return 'token of another type';
      const { generation } = issuer.keys;
      const key = await issuer.keys.find(header as JWTHeaderParameters);
      if (!key) return 'token signed with an unknown key';
      const { payload } = await jwtVerify(token, key, {
        algorithms: [...issuer.algorithms],
        issuer: issuer.issuer,
        audience: issuer.audience,
        requiredClaims: ['exp'],
        clockTolerance: LEEWAY_SECONDS,
        currentDate: new Date(now),
      });
      const verified = readClaims(payload, issuer);
      if (typeof verified !== 'string') this.kept.set(name, { token: verified, keys: issuer.keys, generation });
      return verified;
    } catch (error) {
      if (error instanceof DirectoryUnavailable) throw error;
      return reasonOf(error);
    }
  }
}

function readClaims(payload: JWTPayload, { name, authorizedParty, userClaim, userBy }: TrustedIssuer): VerifiedToken | string {
  if (authorizedParty !== undefined && payload.azp !== authorizedParty) return 'token for another party (azp)';
  const value = payload[userClaim];
  if (typeof value !== 'string') return `token without the claim ${userClaim}`;
  return { issuer: name, user: { by: userBy, value }, expiresAt: (payload.exp! + LEEWAY_SECONDS) * 1000 };
}

/** Never with anything that stands in the token. */
function reasonOf(error: unknown): string {
  if (error instanceof errors.JWTExpired) return 'token expired';
  if (error instanceof errors.JWTClaimValidationFailed) return `token whose claim ${error.claim} does not hold`;
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'token with a wrong signature';
  return 'malformed token';
}
