import type { AccessRecord } from '@sandlot/contracts';
import type { Query } from '@sandlot/projections';
import { accessBatch } from './access-batch.js';

/** Requests that were turned away for who sent them or what they asked for, from the stream ACCESS. */
export const refusalsTable = `
  create table audit.refusals (
    sequence bigint not null, id text primary key, at timestamptz not null, user_id text, username text, key_id text, ip text not null,
    method text not null, path text not null, status integer not null, code text, reason text, target_id text, request_id text not null
  );
  create index on audit.refusals (at, id);
  create index on audit.refusals (sequence);
  create index on audit.refusals (user_id, at, id)`;

/** Statuses of requests that were turned away for who sent them or how often. */
export const refused: ReadonlySet<number> = new Set([401, 403, 407, 429]);

export async function loadRefusals(messages: readonly { seq: number; data: Uint8Array }[], query: Query): Promise<void> {
  const rows = messages.flatMap(({ seq, data }) =>
    accessBatch(data)
      .filter(({ status }) => refused.has(status))
      .map((record) => rowOf(record, seq)),
  );
  if (rows.length === 0) return;
  await query(
    `insert into audit.refusals
     select * from json_to_recordset($1::json) as row (sequence bigint, id text, at timestamptz, user_id text, username text, key_id text, ip text,
       method text, path text, status integer, code text, reason text, target_id text, request_id text)
     on conflict (id) do nothing`,
    [JSON.stringify(rows)],
  );
}

function rowOf(record: AccessRecord, sequence: number) {
  return {
    sequence,
    id: record.id,
    at: record.at,
    user_id: record.userId,
    username: record.username,
    key_id: record.keyId,
    ip: record.ip,
    method: record.method,
    path: record.path,
    status: record.status,
    code: record.code,
    reason: record.reason,
    target_id: record.sandboxId,
    request_id: record.requestId,
  };
}
