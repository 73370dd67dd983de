import type { AccessEntry, AccessFilters } from '@sandlot/contracts';
import type { ReadSide } from '@sandlot/projections';
import { afterCursor, cursorAt } from './page-cursor.js';
import { Params } from './params.js';

interface Row {
  id: string;
  at: Date;
  kind: AccessEntry['kind'];
  method: string;
  path: string;
  status: number;
  code: string | null;
  reason: string | null;
  user_id: string | null;
  username: string | null;
  key_id: string | null;
  sandbox_id: string | null;
  sandbox: string | null;
  port: number | null;
  ip: string;
  request_id: string;
  duration_ms: number;
  first_byte_ms: number | null;
  held_ms: number | null;
  woke: boolean | null;
  bytes_in: string;
  bytes_out: string;
}

/** What passed the door, as PostgreSQL has it. */
export class AccessLog {
  constructor(private readonly reads: Pick<ReadSide, 'query'>) {}

  /** One page by time. */
  async list(request: AccessFilters & { order: 'asc' | 'desc'; limit: number; cursor?: string | undefined }): Promise<{
    items: AccessEntry[];
    nextCursor: string | null;
  }> {
    const { order, limit, cursor, ...filters } = request;
    const params = new Params();
    const conditions = [...conditionsOf(filters, params), ...afterCursor(cursor, order, params)];
    const where = conditions.length > 0 ? `where ${conditions.join(' and ')}` : '';
    const rows = await this.reads.query<Row>(
      `select * from audit.access_log ${where} order by at ${order}, id ${order} limit ${limit + 1}`,
      params.values,
    );
    const items = rows.slice(0, limit);
    const last = items.at(-1);
    return { items: items.map(entry), nextCursor: rows.length > limit && last ? cursorAt(last) : null };
  }
}

function conditionsOf(filters: AccessFilters, params: Params): string[] {
  const { user, key, sandbox, status, since, until } = filters;
  const equal = (column: string, value: unknown) => (value === undefined ? [] : [`${column} = ${params.add(value)}`]);
  return [
    ...(user === undefined ? [] : equal(user.startsWith('usr_') ? 'user_id' : 'username', user)),
    ...(sandbox === undefined ? [] : equal(sandbox.startsWith('sbx_') ? 'sandbox_id' : 'sandbox', sandbox)),
    ...equal('key_id', key),
    ...equal('kind', filters.kind),
    ...equal('method', filters.method),
    ...(status?.endsWith('xx') ? [`status / 100 = ${params.add(Number(status[0]))}`] : equal('status', status && Number(status))),
    ...(since === undefined ? [] : [`at >= ${params.add(since)}::timestamptz`]),
    ...(until === undefined ? [] : [`at < ${params.add(until)}::timestamptz`]),
  ];
}

function entry(row: Row): AccessEntry {
  return {
    id: row.id,
    at: row.at.toISOString(),
    endedAt: new Date(row.at.getTime() + row.duration_ms).toISOString(),
    kind: row.kind,
    method: row.method,
    path: row.path,
    status: row.status,
    code: row.code,
    reason: row.reason,
    userId: row.user_id,
    username: row.username,
    keyId: row.key_id,
    sandboxId: row.sandbox_id,
    sandbox: row.sandbox,
    port: row.port,
    ip: row.ip,
    requestId: row.request_id,
    durationMs: row.duration_ms,
    firstByteMs: row.first_byte_ms,
    heldMs: row.held_ms,
    woke: row.woke,
    bytesIn: Number(row.bytes_in),
    bytesOut: Number(row.bytes_out),
  };
}
