import { randomBytes } from 'node:crypto';
import { aggregateRef, type ApiKey as ApiKeyView } from '@sandlot/contracts';
import type { Commands, Handled, Revision, Work } from '@sandlot/event-store';
import {
  deriveId,
  DomainError,
  formatApiKey,
  hashApiKey,
  millisecondsOf,
  type CommandContext,
  type KeyId,
  type UserId,
} from '@sandlot/kernel';
import { apiKeyDecider, existing, type ApiKey } from './domain/apikey/apikey.js';
import { userDecider } from './domain/user/decide.js';

export interface NewApiKey {
  context: CommandContext;
  userId: UserId;
  name: string;
  expiresAt?: string | undefined;
}

export interface KeyRequest {
  context: CommandContext;
  keyId: KeyId;
  /** Only if it is this user's. */
  userId?: UserId | undefined;
  /** Of If-Match: VERSION_MISMATCH when the key is not at this version any more. */
  expectedVersion?: number | undefined;
}

/** What is asked of API keys. The key itself is made here, handed out once, and never written anywhere. */
export class ApiKeys {
  constructor(private readonly commands: Commands) {}

  async create(request: NewApiKey): Promise<{ position: number; key: ApiKeyView & { key: string } }> {
    const key = formatApiKey(randomBytes(32));
    const { position, result } = await this.register(request, key);
    if (result.hash !== hashApiKey(key))
      throw new DomainError('CONFLICT', 'an earlier delivery of this request created another key; revoke it and create one anew', {
        keyId: result.view.id,
      });
    return { position, key: { ...result.view, key } };
  }

  /** Makes a key that exists already one of the user's. The hash in the result is that of the key which the command has made, now or before. */
  register({ context, userId, name, expiresAt }: NewApiKey, key: string): Promise<Handled<{ view: ApiKeyView; hash: string }>> {
    const keyId = deriveId('key', context.commandId, 'apikey');
    return this.commands.handle(context, async (work) => {
      const user = await work.load(userDecider, aggregateRef('user', userId));
      if (user.state.status === 'absent') throw new DomainError('USER_NOT_FOUND', 'there is no such user');
      if (user.state.status === 'deleted') throw new DomainError('USER_DELETED', `the user ${user.state.username} is deleted`);
      const created = await work.load(apiKeyDecider, aggregateRef('apikey', keyId));
      created.decide({
        type: 'CreateApiKey',
        userId,
        name,
        hash: hashApiKey(key),
        lastFour: key.slice(-4),
        expiresAt: expiresAt ? new Date(expiresAt).toISOString() : null,
        at: context.at,
      });
      const view = apiKeyView(
        keyId,
        created.state,
        { version: Math.max(1, created.revision.version), time: context.at },
        Date.parse(context.at),
      );
      return { view, hash: existing(created.state).hash };
    });
  }

  async rename({ context, keyId, ...expected }: KeyRequest, name: string): Promise<{ position: number; key: ApiKeyView }> {
    const { position, result } = await this.commands.handle(context, async (work) => {
      const key = await work.load(apiKeyDecider, aggregateRef('apikey', keyId));
      guard(key, expected, work);
      const changed = key.decide({ type: 'RenameApiKey', name });
      return apiKeyView(keyId, key.state, { ...key.revision, version: key.revision.version + (changed ? 1 : 0) }, Date.parse(context.at));
    });
    return { position, key: result };
  }

  async revoke({ context, keyId, ...expected }: KeyRequest): Promise<{ position: number }> {
    return this.commands.handle(context, async (work) => {
      const key = await work.load(apiKeyDecider, aggregateRef('apikey', keyId));
      guard(key, expected, work);
      key.decide({ type: 'RevokeApiKey' });
    });
  }
}

export function apiKeyView(
  id: KeyId,
  key: ApiKey,
  { version }: Pick<Revision, 'version' | 'time'>,
  now: number,
  lastUsedAt: string | null = null,
): ApiKeyView {
  const { userId, name, lastFour, status, expiresAt } = existing(key);
  const expired = status === 'active' && expiresAt !== null && Date.parse(expiresAt) <= now;
  const createdAt = new Date(millisecondsOf(id)).toISOString();
  return { id, userId, name, lastFour, status: expired ? 'expired' : status, createdAt, expiresAt, lastUsedAt, version };
}

/** Somebody else's key is as good as none. */
function guard(
  { state, revision: { version } }: { state: ApiKey; revision: Revision },
  { userId, expectedVersion }: Pick<KeyRequest, 'userId' | 'expectedVersion'>,
  { applied }: Pick<Work, 'applied'>,
): void {
  const { userId: owner } = existing(state);
  if (userId !== undefined && owner !== userId) throw new DomainError('KEY_NOT_FOUND', 'there is no such API key');
  if (!applied && expectedVersion !== undefined && version !== expectedVersion)
    throw new DomainError('VERSION_MISMATCH', `the API key is at version ${version}`, { version });
}
