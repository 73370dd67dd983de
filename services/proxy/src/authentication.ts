import { hash } from 'node:crypto';
import { Username, type KeyRecord, type UserLimits, type UserRecord } from '@sandlot/contracts';
import { isApiKey, isId } from '@sandlot/kernel';
import type { ClientCertificate } from './client-certificate.js';
import type { Credential } from './credential.js';
import { DirectoryUnavailable, whenKnown, type Answer, type Directory } from './directory.js';
import { Refusal } from './problem.js';
import type { RequestTrail } from './record.js';
import { Tokens, type VerifiedToken } from './tokens.js';

export interface Caller {
  userId: string;
  username: string;
  role: UserRecord['role'];
  /** What the trail calls the credential: a key's id, `jwt:<issuer>:<username>`, `cert:<fingerprint>`. */
  keyId: string;
  credential: Credential;
  /** What is not as for everybody. */
  limits?: UserLimits | undefined;
}

export interface CredentialChecks {
  directory: Directory;
  /** Without them, no token is accepted. */
  tokens?: Tokens | undefined;
}

/**
 * Who presents this credential. Every key that is not accepted gets the same answer; why it was not stands in the trail of its holder.
 * No request is exempt: not by method, path suffix, user agent or where it comes from. Not async: what is in memory is answered at once.
 */
export function authenticate(
  { directory, tokens }: CredentialChecks,
  credential: string | undefined,
  now: number,
  trail: RequestTrail,
): Caller | Refusal | Promise<Caller | Refusal> {
  if (credential === undefined) {
    trail.reason = 'no key';
    return new Refusal('UNAUTHENTICATED', 'An API key is needed: send it as Authorization: Bearer <key> or X-API-Key: <key>');
  }
  if (!isApiKey(credential)) {
    if (tokens && Tokens.isToken(credential)) return bearerOf(directory, tokens, credential, now, trail);
    return notAccepted(trail, 'malformed key');
  }
  const keyHash = hash('sha256', credential, 'hex');
  return whenKnown(directory.key(keyHash), (key) => holderOf(directory, key, keyHash, now, trail));
}

function holderOf(
  directory: Directory,
  key: KeyRecord | undefined,
  keyHash: string,
  now: number,
  trail: RequestTrail,
): Caller | Refusal | Promise<Caller | Refusal> {
  if (!key) return notAccepted(trail, 'unknown key');
  const credential: Credential = { kind: 'key', hash: keyHash };
  trail.caller = { userId: key.userId, keyId: key.keyId, credential };
  return whenKnown(directory.user(key.userId), (user) => callerOf(user, key.keyId, credential, whyNotKey(key, now), trail));
}

function bearerOf(
  directory: Directory,
  tokens: Tokens,
  token: string,
  now: number,
  trail: RequestTrail,
): Caller | Refusal | Promise<Caller | Refusal> {
  return whenKnown(tokens.verify(token, now), (verified) => userOfToken(directory, verified, trail));
}

/** A token names a user of ours; what that user may do is ours to say. */
function userOfToken(
  directory: Directory,
  verified: VerifiedToken | string,
  trail: RequestTrail,
): Caller | Refusal | Promise<Caller | Refusal> {
  if (typeof verified === 'string') return notAccepted(trail, verified, 'token');
  const { issuer, user, expiresAt } = verified;
  const credential: Credential = { kind: 'token', expiresAt };
  const named = user.by === 'id' ? userById(directory, user.value) : userNamed(directory, user.value);
  return whenKnown(named, (found) => callerOf(found, `jwt:${issuer}:${found?.username}`, credential, undefined, trail));
}

function userById(directory: Directory, value: string): Answer<UserRecord> {
  return isId('usr', value) ? directory.user(value) : undefined;
}

function userNamed(directory: Directory, name: string): Answer<UserRecord> {
  if (!Username.safeParse(name).success) return undefined;
  return whenKnown(directory.username(name), (record) => record && directory.user(record.userId));
}

/** Who has shown this certificate, and sent no other credential. */
export function authenticateCertificate(
  { directory }: CredentialChecks,
  { username, name, expiresAt }: ClientCertificate,
  now: number,
  trail: RequestTrail,
): Caller | Refusal | Promise<Caller | Refusal> {
  if (!(now <= expiresAt)) return notAccepted(trail, 'certificate expired', 'certificate');
  const credential: Credential = { kind: 'certificate', expiresAt };
  const found = username === undefined ? undefined : userNamed(directory, username);
  return whenKnown(found, (user) => callerOf(user, name, credential, undefined, trail));
}

function callerOf(
  user: UserRecord | undefined,
  keyId: string,
  credential: Credential,
  keyRefused: string | undefined,
  trail: RequestTrail,
): Caller | Refusal {
  if (user) trail.caller = { userId: user.userId, keyId, credential };
  const reason = keyRefused ?? whyNotUser(user);
  if (reason || !user) return notAccepted(trail, reason ?? 'unknown user', credential.kind);
  const caller = { userId: user.userId, username: user.username, role: user.role, keyId, credential, limits: user.limits };
  trail.caller = caller;
  return caller;
}

/**
 * Why a caller who was let in would not be let in any more; undefined also while nobody can tell. Only what is known counts: that a
 * record cannot be found is no reason to cut off who is at work.
 */
export function whyNoLonger(
  directory: Directory,
  { credential, userId }: Pick<Caller, 'credential' | 'userId'>,
  crossing: boolean,
  now: number,
): string | undefined {
  if (credential.kind !== 'key' && now > credential.expiresAt) return `${credential.kind} expired`;
  const key = credential.kind === 'key' ? known(() => directory.key(credential.hash)) : undefined;
  const user = known(() => directory.user(userId));
  if (!user || (credential.kind === 'key' && !key)) return undefined;
  const reason = (key && whyNotKey(key, now)) ?? whyNotUser(user);
  return reason ?? (crossing && user.role !== 'admin' ? 'no longer an administrator' : undefined);
}

/** What is in memory. Asking also brings back there what is not, for the next time. */
function known<Found>(ask: () => Answer<Found>): Found | undefined {
  try {
    const answer = ask();
    if (!(answer instanceof Promise)) return answer;
    answer.catch(() => undefined);
    return undefined;
  } catch (error) {
    if (error instanceof DirectoryUnavailable) return undefined;
    throw error;
  }
}

function whyNotKey(key: KeyRecord, now: number): string | undefined {
  if (key.status !== 'active') return `key ${key.status}`;
  // Written so that a date that cannot be read counts as past.
  return key.expiresAt !== null && !(Date.parse(key.expiresAt) > now) ? 'key expired' : undefined;
}

function whyNotUser(user: UserRecord | undefined): string | undefined {
  if (!user) return 'unknown user';
  return user.status === 'active' ? undefined : `user ${user.status}`;
}

const NOT_VALID: Readonly<Record<Credential['kind'], string>> = {
  key: 'The API key is not valid',
  token: 'The token is not valid',
  certificate: 'The client certificate is not one of a user',
};

function notAccepted(trail: RequestTrail, reason: string, kind: Credential['kind'] = 'key'): Refusal {
  trail.reason = reason;
  return new Refusal('UNAUTHENTICATED', NOT_VALID[kind]);
}
