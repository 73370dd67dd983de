import { DomainError, unreachable, type Decider, type UserId } from '@sandlot/kernel';
import { ApiKeyCreated, ApiKeyRenamed, ApiKeyRevoked, type ApiKeyEvent } from '@sandlot/contracts';

export type ApiKey =
  | { status: 'absent' }
  | { status: 'active' | 'revoked'; userId: UserId; name: string; hash: string; lastFour: string; expiresAt: string | null };

export type LiveApiKey = Exclude<ApiKey, { status: 'absent' }>;

export type ApiKeyCommand =
  /** `at` is when: a key cannot be made to have expired already. */
  | { type: 'CreateApiKey'; userId: UserId; name: string; hash: string; lastFour: string; expiresAt: string | null; at: string }
  | { type: 'RenameApiKey'; name: string }
  | { type: 'RevokeApiKey' };

export const apiKeyDecider: Decider<ApiKey, ApiKeyCommand, ApiKeyEvent> = { initialState: { status: 'absent' }, decide, evolve };

export function decide(command: ApiKeyCommand, key: ApiKey): ApiKeyEvent[] {
  switch (command.type) {
    case 'CreateApiKey': {
      const { userId, name, hash, lastFour, expiresAt, at } = command;
      if (key.status !== 'absent') throw new DomainError('CONFLICT', 'the key exists already');
      if (expiresAt !== null && Date.parse(expiresAt) <= Date.parse(at))
        throw new DomainError('VALIDATION_FAILED', 'the key would have expired already', {
          errors: [{ pointer: '/expiresAt', detail: 'must be in the future', code: 'too_small' }],
        });
      return [ApiKeyCreated({ userId, name, hash, lastFour, expiresAt })];
    }
    case 'RenameApiKey': {
      const live = existing(key);
      if (live.status === 'revoked') throw new DomainError('KEY_REVOKED', 'a revoked key keeps its name');
      return live.name === command.name ? [] : [ApiKeyRenamed({ name: command.name })];
    }
    case 'RevokeApiKey':
      return existing(key).status === 'revoked' ? [] : [ApiKeyRevoked({})];
    default:
      return unreachable(command);
  }
}

export function evolve(key: ApiKey, event: ApiKeyEvent): ApiKey {
  if (event.type === 'apikey.created.v1') return { status: 'active', ...event.data };
  if (key.status === 'absent') return key;
  switch (event.type) {
    case 'apikey.renamed.v1':
      return { ...key, name: event.data.name };
    case 'apikey.revoked.v1':
      return { ...key, status: 'revoked' };
    default:
      return key;
  }
}

export function existing(key: ApiKey): LiveApiKey {
  if (key.status === 'absent') throw new DomainError('KEY_NOT_FOUND', 'there is no such API key');
  return key;
}
