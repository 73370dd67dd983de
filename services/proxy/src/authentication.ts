import { hash } from 'node:crypto';
import type { KeyRecord, UserRecord } from '@sandlot/contracts';
import { isApiKey } from '@sandlot/kernel';
import type { Directory } from './directory.js';
import { Refusal } from './problem.js';
import type { RequestTrail } from './record.js';

export interface Caller {
  userId: string;
  username: string;
  role: UserRecord['role'];
  keyId: string;
}

/**
 * Who presents this key. Every key that is not accepted gets the same answer; why it was not stands in the trail of its holder.
 * No request is exempt: not by method, path suffix, user agent or where it comes from.
 */
export async function authenticate(
  directory: Directory,
  credential: string | undefined,
  now: number,
  trail: RequestTrail,
): Promise<Caller | Refusal> {
  if (credential === undefined) {
    trail.reason = 'no key';
    return new Refusal('UNAUTHENTICATED', 'An API key is needed: send it as Authorization: Bearer <key> or X-API-Key: <key>');
  }
  if (!isApiKey(credential)) return notAccepted(trail, 'malformed key');
  const keyAnswer = directory.key(hash('sha256', credential, 'hex'));
  const key = keyAnswer instanceof Promise ? await keyAnswer : keyAnswer;
  if (!key) return notAccepted(trail, 'unknown key');
  trail.caller = { userId: key.userId, keyId: key.keyId };
  const userAnswer = directory.user(key.userId);
  const user = userAnswer instanceof Promise ? await userAnswer : userAnswer;
  const reason = whyNot(key, user, now);
  if (reason || !user) return notAccepted(trail, reason ?? 'unknown user');
  const caller = { userId: user.userId, username: user.username, role: user.role, keyId: key.keyId };
  trail.caller = caller;
  return caller;
}

function whyNot(key: KeyRecord, user: UserRecord | undefined, now: number): string | undefined {
  if (key.status !== 'active') return `key ${key.status}`;
  // Written so that a date that cannot be read counts as past.
  if (key.expiresAt !== null && !(Date.parse(key.expiresAt) > now)) return 'key expired';
  if (!user) return 'unknown user';
  return user.status === 'active' ? undefined : `user ${user.status}`;
}

function notAccepted(trail: RequestTrail, reason: string): Refusal {
  trail.reason = reason;
  return new Refusal('UNAUTHENTICATED', 'The API key is not valid');
}
