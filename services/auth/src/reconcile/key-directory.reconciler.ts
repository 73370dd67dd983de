import { isDeepStrictEqual } from 'node:util';
import { aggregateRef, keyRecordKey, userRecordKey, type KeyRecord, type UserRecord } from '@sandlot/contracts';
import type { Commands } from '@sandlot/event-store';
import { isId, type KeyId, type UserId } from '@sandlot/kernel';
import type { Table } from '@sandlot/service-kit';
import { apiKeyDecider } from '../domain/apikey/apikey.js';
import { userDecider } from '../domain/user/decide.js';

/**
 * Keeps the bucket `keys` what the log says: a record for each key, and one for each user. A proxy needs both to let somebody in, so
 * one write takes all the keys of a disabled or deleted user out of use.
 */
export class KeyDirectoryReconciler {
  constructor(
    private readonly commands: Commands,
    private readonly keys: Table<KeyRecord>,
    private readonly users: Table<UserRecord>,
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
    const { username, role, status } = state;
    return publish(this.users, userRecordKey(id), { userId: id, username, role, status });
  }
}

async function publish<Value>(table: Table<Value>, key: string, wanted: Value): Promise<boolean> {
  const found = await table.find(key);
  if (found && isDeepStrictEqual(found.value, wanted)) return false;
  await table.put(key, wanted, found?.revision);
  return true;
}
