import type { Usage, UsageQuery } from '@sandlot/contracts';
import type { ReadSide } from '@sandlot/projections';
import type { z } from 'zod';
import { invalidCursor } from './page-cursor.js';
import { Params } from './params.js';

interface Row {
  day: string;
  user_id: string;
  username: string | null;
  sandbox_id: string;
  sandbox: string | null;
  requests: string;
  refused: string;
  bytes_in: string;
  bytes_out: string;
  connections: string;
  connection_seconds: number;
}

/** What users sent through the door, added up by day and sandbox. */
export class UsageByDay {
  constructor(private readonly reads: Pick<ReadSide, 'query'>) {}

  /** The newest day first. A page that was read does not change but for the day that is not over. */
  async list({ user, sandbox, since, until, limit, cursor }: z.output<typeof UsageQuery>): Promise<{
    items: Usage[];
    nextCursor: string | null;
  }> {
    const params = new Params();
    const equal = (column: string, value: string | undefined) => (value === undefined ? [] : [`${column} = ${params.add(value)}`]);
    const conditions = [
      ...equal(user?.startsWith('usr_') ? 'user_id' : 'username', user),
      ...equal(sandbox?.startsWith('sbx_') ? 'sandbox_id' : 'sandbox', sandbox),
      ...(since === undefined ? [] : [`day >= ${params.add(since)}::date`]),
      ...(until === undefined ? [] : [`day < ${params.add(until)}::date`]),
      ...behind(cursor, params),
    ];
    const rows = await this.reads.query<Row>(
      `select day::text, user_id, username, sandbox_id, sandbox, requests, refused, bytes_in, bytes_out, connections, connection_seconds
       from audit.access_usage ${conditions.length > 0 ? `where ${conditions.join(' and ')}` : ''}
       order by access_usage.day desc, user_id desc, sandbox_id desc limit ${limit + 1}`,
      params.values,
    );
    const page = rows.slice(0, limit);
    return { items: page.map(usage), nextCursor: rows.length > limit ? cursorOf(page.at(-1)!) : null };
  }
}

const cursorOf = ({ day, user_id, sandbox_id }: Row): string => Buffer.from(`${day} ${user_id} ${sandbox_id}`).toString('base64url');

function behind(cursor: string | undefined, params: Params): string[] {
  if (cursor === undefined) return [];
  const [day, user, sandbox, ...more] = Buffer.from(cursor, 'base64url').toString('utf8').split(' ');
  if (!day || Number.isNaN(Date.parse(day)) || !user || sandbox === undefined || more.length > 0) throw invalidCursor(cursor);
  return [`(day, user_id, sandbox_id) < (${params.add(day)}::date, ${params.add(user)}, ${params.add(sandbox)})`];
}

function usage(row: Row): Usage {
  return {
    day: row.day,
    userId: row.user_id,
    username: row.username,
    sandboxId: row.sandbox_id || null,
    sandbox: row.sandbox,
    requests: Number(row.requests),
    refused: Number(row.refused),
    bytesIn: Number(row.bytes_in),
    bytesOut: Number(row.bytes_out),
    connections: Number(row.connections),
    connectionSeconds: row.connection_seconds,
  };
}
