import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { ApiKeyEvent } from '@sandlot/contracts';
import type { KeyId, UserId } from '@sandlot/kernel';
import { rowPerAggregate } from '@sandlot/projections';
import { apiKeyDecider, type ApiKey } from '../domain/apikey/apikey.js';

export const apiKeys = rowPerAggregate<ApiKey, ApiKeyEvent>({
  name: 'api_keys',
  aggregate: 'apikey',
  initialState: apiKeyDecider.initialState,
  evolve: (key, event) => apiKeyDecider.evolve(key, event),
  columns: { user_id: 'text' },
  row: (key) => (key.status === 'absent' ? {} : { user_id: key.userId }),
});

@Entity({ schema: 'auth', name: 'api_keys', synchronize: false })
export class ApiKeyRow {
  @PrimaryColumn({ type: 'text' }) id: KeyId;
  @Column({ type: 'text', name: 'user_id' }) userId: UserId;
  @Column({ type: 'jsonb' }) state: ApiKey;
  @Column({ type: 'integer' }) version: number;
  @Column({ type: 'timestamptz', name: 'updated_at' }) updatedAt: Date;
}

/** When each key was last used, to the minute. Not from the log: it comes from the stream ACCESS and is gone with it. */
@Entity({ schema: 'auth', name: 'key_usage', synchronize: false })
export class KeyUsageRow {
  @PrimaryColumn({ type: 'text', name: 'key_id' }) keyId: KeyId;
  @Column({ type: 'timestamptz', name: 'last_used_at' }) lastUsedAt: Date;
}
