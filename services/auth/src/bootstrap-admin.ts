import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { aggregateRef } from '@sandlot/contracts';
import { nothing, serviceContext, type Commands } from '@sandlot/event-store';
import { DomainError, isApiKey, millisecondsOf, newId, type CommandContext, type KeyId, type UserId } from '@sandlot/kernel';
import type { ApiKeys } from './api-keys.js';
import { bootstrapUsername } from './domain/user/decide.js';
import { usernameDecider } from './domain/username/username.js';
import type { Users } from './users.js';

const attempts = 10;
const again = new Set(['UNAVAILABLE', 'OUTCOME_UNKNOWN']);

/**
 * Lets the key in the file in as the bootstrap administrator: creates the user when there is none, and registers the key when it is a new
 * one. May run at every start and in several instances at once. A key that was revoked stays revoked. A log that does not answer in time is
 * asked again: whoever started this process would only start it anew.
 */
export class BootstrapAdmin {
  constructor(
    private readonly commands: Commands,
    private readonly users: Users,
    private readonly keys: ApiKeys,
  ) {}

  /** Returns the ids of what the doors must know for the key to let in: the user and the key. */
  async ensure(keyFile: string): Promise<readonly [UserId, KeyId]> {
    const key = (await readFile(keyFile, 'utf8')).trim();
    if (!isApiKey(key)) throw new Error(`${keyFile} holds no API key; make one with scripts/generate-admin-key.sh`);
    for (let attempt = 1; ; attempt += 1)
      try {
        return await this.letIn(key);
      } catch (error) {
        if (attempt === attempts || !(error instanceof DomainError) || !again.has(error.code)) throw error;
        await pause(500);
      }
  }

  private async letIn(key: string): Promise<readonly [UserId, KeyId]> {
    const userId = await this.user();
    const { result } = await this.keys.register({ context: contextOf(userId, key), userId, name: 'bootstrap' }, key);
    return [userId, result.view.id];
  }

  private async user(): Promise<UserId> {
    const name = aggregateRef('username', bootstrapUsername);
    try {
      const { state } = await this.commands.load(usernameDecider, name);
      if (state.status === 'reserved') return state.userId;
      const { user } = await this.users.create({ context: serviceContext('auth', nothing), username: bootstrapUsername, role: 'admin' });
      return user.id;
    } catch (error) {
      if (error instanceof DomainError && error.code === 'USERNAME_TAKEN') return this.users.resolve(bootstrapUsername); // another instance
      throw error;
    }
  }
}

/** The same command for the same key, so that it is registered once. */
function contextOf(userId: UserId, key: string): CommandContext {
  const random = createHash('sha256').update(`bootstrap\n${key}`).digest().subarray(0, 10);
  return { ...serviceContext('auth', nothing), commandId: newId('cmd', new Date(millisecondsOf(userId)), random) };
}
