import type { Sandbox as SandboxView, SandboxState } from '@sandlot/contracts';
import type { Moment } from '@sandlot/event-store';
import { DomainError, isId, type SandboxId, type UserId } from '@sandlot/kernel';
import { everybody, type ReadSide } from '@sandlot/projections';
import type { KnownSandbox } from './domain/sandbox/sandbox.js';
import { sandboxView } from './sandboxes.js';

export interface SandboxPageRequest {
  /** All users without it. */
  userId?: UserId | undefined;
  state?: SandboxState | undefined;
  limit: number;
  cursor?: string | undefined;
  atLeast?: number | undefined;
  asOf?: Moment | undefined;
}

interface Row {
  id: SandboxId;
  state: KnownSandbox;
  version: number;
  updated_at: Date;
}

/** Sandboxes by the page, newest first, from the read model. The cursor is the id of the last one: ids sort by when they were made. */
export class SandboxList {
  constructor(private readonly reads: ReadSide) {}

  async page(request: SandboxPageRequest): Promise<{ items: SandboxView[]; nextCursor: string | null }> {
    const { limit, cursor, atLeast, asOf } = request;
    if (cursor !== undefined && !isId('sbx', cursor)) throw new DomainError('INVALID_CURSOR', 'the cursor is not one of this list');
    if (atLeast !== undefined && asOf === undefined) await this.reads.runner.reached('sandboxes', atLeast, { withinMs: 2_000 });
    const rows = await (asOf === undefined ? this.now(request) : this.past(request, asOf));
    const items = rows
      .slice(0, limit)
      .map(({ id, state, version, updated_at }) => sandboxView(id, state, { version, time: updated_at.toISOString() }));
    return { items, nextCursor: rows.length > limit ? items.at(-1)!.id : null };
  }

  /** All users', those that are deleted left out. */
  async count(): Promise<number> {
    const sql = `select count(*)::integer as count from provisioner.sandboxes where phase <> 'deleted'`;
    const [row] = await this.reads.as(everybody, (manager) => manager.query<{ count: number }[]>(sql));
    return row!.count;
  }

  private now(request: SandboxPageRequest): Promise<Row[]> {
    const { sql, params } = pageOf('provisioner.sandboxes', request);
    return this.reads.as(request.userId ?? everybody, (manager) => manager.query<Row[]>(sql, params));
  }

  private past(request: SandboxPageRequest, asOf: Moment): Promise<Row[]> {
    return this.reads.runner.withModelAt('sandboxes', asOf, async ({ slot, query }) => {
      const { sql, params } = pageOf(`${slot}.sandboxes`, request);
      return (await query<Row>(sql, params)).rows;
    });
  }
}

/** One more than asked for, which tells whether there is a next page. */
function pageOf(table: string, { userId, state, limit, cursor }: SandboxPageRequest): { sql: string; params: unknown[] } {
  const params: unknown[] = [];
  const param = (value: unknown) => `$${params.push(value)}`;
  const conditions = [
    ...(userId === undefined ? [] : [`owner = ${param(userId)}`]),
    ...(cursor === undefined ? [] : [`id < ${param(cursor)}`]),
    state === undefined ? `phase <> 'deleted'` : `phase = ${param(state)}`,
  ];
  const sql = `select id, state, version, updated_at from ${table} where ${conditions.join(' and ')} order by id desc limit ${limit + 1}`;
  return { sql, params };
}
