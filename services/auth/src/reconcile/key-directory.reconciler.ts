import { isDeepStrictEqual } from 'node:util';
import {
  aggregateRef,
  keyRecordKey,
  userRecordKey,
  usernameRecordKey,
  type KeyRecord,
  type UsernameRecord,
  type UserRecord,
} from '@sandlot/contracts';
import type { Commands } from '@sandlot/event-store';
import { isId, type KeyId, type UserId } from '@sandlot/kernel';
import type { Table } from '@sandlot/service-kit';
import { apiKeyDecider } from '../domain/apikey/apikey.js';
import { userDecider } from '../domain/user/decide.js';

/**
 * Keeps the bucket `keys` what the log says: a record for each key, one for each user, and one for each username, by which tokens of
 * others name our users. A proxy needs the user's to let anybody in, so one write takes all credentials of a disabled or deleted user out of use.
 */
export class KeyDirectoryReconciler {
  constructor(
    private readonly commands: Commands,
    private readonly keys: Table<KeyRecord>,
    private readonly users: Table<UserRecord>,
    private readonly usernames: Table<UsernameRecord>,
  ) {}

  /** @param id of a key or of a user */
  async reconcile(id: string): Promise<{ changed?: string }> {
    const changed = isId('key', id) ? await this.reconcileKey(id) : await this.reconcileUser(id as UserId);
    return changed ? { changed: 'published' } : {};
  }

  private async reconcileKey(id: KeyId): Promise<boolean> {
    const { state } = await this.commands.load(apiKeyDecider, aggregateRef('apikey', id));
    if (state.status === 'absent') return false;
    const { userId, status, expiresAt, hash } = state;
    return publish(this.keys, keyRecordKey(hash), { keyId: id, userId, status, expiresAt });
  }

  private async reconcileUser(id: UserId): Promise<boolean> {
    const { state } = await this.commands.load(userDecider, aggregateRef('user', id));
    if (state.status === 'absent') return false;
    const { username, role, status, limits } = state;
    const named = await publish(this.usernames, usernameRecordKey(username), { userId: id });
    const record = { userId: id, username, role, status, ...(limits && { limits }) };
    return (await publish(this.users, userRecordKey(id), record)) || named;
  }
}

async function publish<Value>(table: Table<Value>, key: string, wanted: Value): Promise<boolean> {
  const found = await table.find(key);
  if (found && isDeepStrictEqual(found.value, wanted)) return false;
  await table.put(key, wanted, found?.revision);
  return true;
}
