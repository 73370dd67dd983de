import type { ApiKey as ApiKeyView, User as UserView } from '@sandlot/contracts';
import { DomainError, isId, systemClock, type UserId } from '@sandlot/kernel';
import { everybody, type ReadSide } from '@sandlot/projections';
import type { EntityManager } from 'typeorm';
import { apiKeyView } from './api-keys.js';
import type { PersonalVault } from './ports.js';
import { ApiKeyRow, KeyUsageRow } from './projections/api-keys.js';
import { UserRow } from './projections/users.js';
import { userView } from './users.js';

interface PageRequest {
  limit: number;
  cursor?: string | undefined;
  atLeast?: number | undefined;
}

/** Users and keys by the page, newest first, from the read models. A cursor is the id of the last one: ids sort by when they were made. */
export class UserList {
  constructor(
    private readonly reads: ReadSide,
    private readonly vault: PersonalVault,
  ) {}

  async users(request: PageRequest & { status?: string | undefined }): Promise<{ items: UserView[]; nextCursor: string | null }> {
    const { limit, cursor, status, atLeast } = request;
    if (cursor !== undefined && !isId('usr', cursor)) throw invalidCursor();
    if (atLeast !== undefined) await this.reads.runner.reached('users', atLeast, { withinMs: 2_000 });
    const rows = await this.reads.as(everybody, (manager) => {
      const query = manager
        .createQueryBuilder(UserRow, 'user')
        .orderBy('user.id', 'DESC')
        .limit(limit + 1);
      if (cursor !== undefined) query.andWhere('user.id < :cursor', { cursor });
      if (status === undefined) query.andWhere("user.status <> 'deleted'");
      else query.andWhere('user.status = :status', { status });
      return query.getMany();
    });
    const items = await Promise.all(
      rows.slice(0, limit).map(async ({ id, state, version, updatedAt }) => {
        const personal = state.status === 'absent' ? { email: null, displayName: null } : await this.vault.open(id, state.personal);
        return userView(id, state, personal, { version, time: updatedAt.toISOString() });
      }),
    );
    return { items, nextCursor: rows.length > limit ? items.at(-1)!.id : null };
  }

  async keys(request: PageRequest & { userId: UserId }): Promise<{ items: ApiKeyView[]; nextCursor: string | null }> {
    const { userId, limit, cursor, atLeast } = request;
    if (cursor !== undefined && !isId('key', cursor)) throw invalidCursor();
    if (atLeast !== undefined) await this.reads.runner.reached('api_keys', atLeast, { withinMs: 2_000 });
    const { rows, used } = await this.reads.as(userId, async (manager) => {
      const query = manager
        .createQueryBuilder(ApiKeyRow, 'key')
        .where('key.user_id = :userId', { userId })
        .orderBy('key.id', 'DESC')
        .limit(limit + 1);
      if (cursor !== undefined) query.andWhere('key.id < :cursor', { cursor });
      const found = await query.getMany();
      return { rows: found, used: await lastUsed(manager, found) };
    });
    const page = rows.slice(0, limit);
    const now = systemClock.now().getTime();
    const items = page.map(({ id, state, version, updatedAt }) =>
      apiKeyView(id, state, { version, time: updatedAt.toISOString() }, now, used.get(id)?.toISOString() ?? null),
    );
    return { items, nextCursor: rows.length > limit ? items.at(-1)!.id : null };
  }
}

async function lastUsed(manager: EntityManager, keys: readonly ApiKeyRow[]): Promise<Map<string, Date>> {
  if (keys.length === 0) return new Map();
  const ids = keys.map(({ id }) => id);
  const rows = await manager.createQueryBuilder(KeyUsageRow, 'usage').where('usage.key_id in (:...ids)', { ids }).getMany();
  return new Map(rows.map(({ keyId, lastUsedAt }) => [keyId, lastUsedAt]));
}

const invalidCursor = (): DomainError => new DomainError('INVALID_CURSOR', 'the cursor is not one of this list');
