import type { Query } from '@sandlot/projections';
import { AccessRecord } from '@sandlot/contracts';
import { isId } from '@sandlot/kernel';
import { z } from 'zod';

const Batch = z.array(AccessRecord.pick({ at: true, keyId: true }));

export const keyUsageTable = 'create table auth.key_usage (key_id text primary key, last_used_at timestamptz not null)';

/** To the minute, so that a busy key costs one write a minute. */
export async function loadKeyUsage(messages: readonly { data: Uint8Array }[], query: Query): Promise<void> {
  const latest = new Map<string, string>();
  for (const { data } of messages) {
    const batch = Batch.safeParse(JSON.parse(Buffer.from(data).toString('utf8')));
    for (const { keyId, at } of batch.data ?? []) {
      const minute = `${at.slice(0, 16)}:00Z`;
      // Tokens and certificates have names of their own there, and no row here.
      if (keyId && isId('key', keyId) && minute > (latest.get(keyId) ?? '')) latest.set(keyId, minute);
    }
  }
  if (latest.size === 0) return;
  await query(
    `insert into auth.key_usage select * from unnest($1::text[], $2::timestamptz[])
     on conflict (key_id) do update set last_used_at = excluded.last_used_at where key_usage.last_used_at < excluded.last_used_at`,
    [[...latest.keys()], [...latest.values()]],
  );
}
