import type { Caller } from './authentication.js';

/** What the proxy tells the gateway of a request that it authenticated. */
export interface Identity extends Caller {
  ip: string;
  requestId: string;
  /** Seconds since 1970. */
  iat: number;
}

/** Makes the value of x-sandlot-identity: base64url JSON, a dot, base64url HMAC-SHA256. */
export interface IdentitySigner {
  sign(identity: Identity): string;
}

export const IDENTITY_HEADER = 'x-sandlot-identity';
/** Set by the gateway on its answers: the code of a refusal, for the access record. Never reaches the client. */
export const CODE_HEADER = 'x-sandlot-code';
