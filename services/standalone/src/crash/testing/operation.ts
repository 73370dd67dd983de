import type { RecordedEvent } from '@sandlot/event-store';

export type Kind =
  | 'create-user'
  | 'change-user'
  | 'set-status'
  | 'delete-user'
  | 'forget-user'
  | 'create-key'
  | 'rename-key'
  | 'revoke-key'
  | 'set-quota'
  | 'create-sandbox'
  | 'pause-sandbox'
  | 'resume-sandbox'
  | 'delete-sandbox';

/** One thing that a client wants. Every attempt carries the same Idempotency-Key and trace, by which its events are found in the log. */
export interface Operation {
  readonly kind: Kind;
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
  /** The API key that it is asked with. */
  readonly credential: string;
  readonly idempotencyKey: string;
  /** 32 hexadecimal digits. */
  readonly trace: string;
  /** What each attempt came to: an HTTP status with its code, or why there was no answer. */
  readonly attempts: string[];
  outcome?: Outcome;
}

export type Outcome =
  /** Acknowledged. `position` is where in the log it took effect, or where what it found stands. */
  | { is: 'done'; status: number; position: number | undefined; body: Record<string, unknown> }
  | { is: 'refused'; code: string }
  /** It took effect, but what it made was shown to nobody: a key whose answer was lost. */
  | { is: 'done-unseen' };

/** The facts that an operation of this kind is made of; in brackets what may be missing. */
const made: Record<Kind, string[]> = {
  'create-user': ['username.reserved.v1', 'user.created.v1'],
  'change-user': ['[user.profile-changed.v1]'],
  'set-status': ['[user.disabled.v1]', '[user.enabled.v1]'],
  'delete-user': ['[user.deleted.v1]'],
  'forget-user': ['[user.deleted.v1]', '[user.forgotten.v1]'],
  'create-key': ['apikey.created.v1'],
  'rename-key': ['[apikey.renamed.v1]'],
  'revoke-key': ['[apikey.revoked.v1]'],
  'set-quota': ['[ledger.quota-set.v1]'],
  'create-sandbox': ['ledger.sandbox-admitted.v1', '[namespace.requested.v1]', 'sandbox.requested.v1'],
  'pause-sandbox': ['[sandbox.pause-requested.v1]'],
  'resume-sandbox': ['[sandbox.resume-requested.v1]'],
  'delete-sandbox': ['[sandbox.deletion-requested.v1]'],
};

/** Answers to a repetition whose first attempt took effect unseen: the user is gone by now, or the key of who asked. */
const overtaken = new Set(['USER_DELETED', 'UNAUTHENTICATED']);

/** What is wrong with the events that an operation has left in the log: doubled, half done, without being acknowledged, or lost. */
export function wrongWith(operation: Operation, events: readonly RecordedEvent[]): string | undefined {
  const { outcome, attempts, kind } = operation;
  const types = events.map(({ type }) => type);
  const rude = attempts.filter((attempt) => attempt.startsWith('500') || attempt.endsWith('without Retry-After'));
  if (rude.length > 0) return `was answered ${rude[0]}`;
  if (new Set(events.map(({ commandId }) => commandId)).size > 1) return `took effect as more than one command: ${types.join(', ')}`;
  if (new Set(types).size < types.length) return `took effect twice: ${types.join(', ')}`;
  const possible = made[kind].map((type) => type.replace(/[[\]]/g, ''));
  const strange = types.filter((type) => !possible.includes(type));
  if (strange.length > 0) return `left facts that it does not consist of: ${strange.join(', ')}`;
  const missing = made[kind].filter((type) => !type.startsWith('[') && !types.includes(type));
  if (types.length > 0 && missing.length > 0) return `is half done: ${missing.join(', ')} missing`;
  if (!outcome) return 'was never resolved';
  if (outcome.is !== 'refused' && missing.length > 0) return `was acknowledged, and is not in the log: ${missing.join(', ')} missing`;
  if (outcome.is === 'refused' && types.length > 0 && !(attempts.length > 1 && overtaken.has(outcome.code)))
    return `was refused (${outcome.code}), and took effect: ${types.join(', ')}`;
  if (outcome.is === 'done' && outcome.position !== undefined && events.some(({ position }) => position > outcome.position!))
    return `was acknowledged at position ${outcome.position}, and took effect behind it`;
  return undefined;
}
