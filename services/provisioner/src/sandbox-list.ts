import type { Sandbox as SandboxView, SandboxState } from '@sandlot/contracts';
import type { Moment } from '@sandlot/event-store';
import { DomainError, isId, type SandboxId, type UserId } from '@sandlot/kernel';
import { everybody, type ReadSide } from '@sandlot/projections';
import type { KnownSandbox } from './domain/sandbox/sandbox.js';
import { namespaceOf } from './reconcile/plan.js';
import { sandboxView } from './sandboxes.js';

export interface SandboxPageRequest {
  /** All users without it. */
  userId?: UserId | undefined;
  state?: SandboxState | undefined;
  /** Only those with a lifetime. */
  expiring?: true | undefined;
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

/** Settings can make a sandbox large: a page ends early rather than not fit into a message, of which 1 MiB is the most. */
const maxPageBytes = 512 * 1024;

/** Sandboxes by the page, newest first, from the read model. The cursor is the id of the last one: ids sort by when they were made. */
export class SandboxList {
  constructor(private readonly reads: ReadSide) {}

  async page(request: SandboxPageRequest): Promise<{ items: SandboxView[]; nextCursor: string | null }> {
    const { limit, cursor, atLeast, asOf } = request;
    if (cursor !== undefined && !isId('sbx', cursor)) throw new DomainError('INVALID_CURSOR', 'the cursor is not one of this list');
    if (atLeast !== undefined && asOf === undefined) await this.reads.runner.reached('sandboxes', atLeast, { withinMs: 2_000 });
    const rows = await (asOf === undefined ? this.now(request) : this.past(request, asOf));
    const views = rows
      .slice(0, limit)
      .map(({ id, state, version, updated_at }) => sandboxView(id, upToDate(state), { version, time: updated_at.toISOString() }));
    const items = withinBytes(views, maxPageBytes);
    return { items, nextCursor: rows.length > items.length ? items.at(-1)!.id : null };
  }

  /** All users', those that are deleted left out. */
  async count(): Promise<number> {
    const sql = `select count(*)::integer as count from provisioner.sandboxes where phase <> 'deleted'`;
    const [row] = await this.reads.as(everybody, (manager) => manager.query<{ count: number }[]>(sql));
    return row!.count;
  }

  /** The same by state; states without any are left out. */
  async countByState(): Promise<Map<string, number>> {
    const sql = `select phase, count(*)::integer as count from provisioner.sandboxes where phase <> 'deleted' group by phase`;
    const rows = await this.reads.as(everybody, (manager) => manager.query<{ phase: string; count: number }[]>(sql));
    return new Map(rows.map(({ phase, count }) => [phase, count]));
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
function pageOf(table: string, { userId, state, expiring, limit, cursor }: SandboxPageRequest): { sql: string; params: unknown[] } {
  const params: unknown[] = [];
  const param = (value: unknown) => `$${params.push(value)}`;
  const conditions = [
    ...(userId === undefined ? [] : [`owner = ${param(userId)}`]),
    ...(cursor === undefined ? [] : [`id < ${param(cursor)}`]),
    ...(expiring ? [`state ? 'expiry'`] : []),
    state === undefined ? `phase <> 'deleted'` : `phase = ${param(state)}`,
  ];
  const sql = `select id, state, version, updated_at from ${table} where ${conditions.join(' and ')} order by id desc limit ${limit + 1}`;
  return { sql, params };
}

/** A row from before sandboxes said where they are. */
const upToDate = (state: KnownSandbox): KnownSandbox => ({ ...state, namespace: state.namespace ?? namespaceOf(state.username) });

/** The first of them, as many as fit; at least one. */
export function withinBytes<Item>(items: readonly Item[], maxBytes: number): Item[] {
  let bytes = 0;
  const over = items.findIndex((item) => (bytes += Buffer.byteLength(JSON.stringify(item))) > maxBytes);
  return items.slice(0, over === -1 ? items.length : Math.max(1, over));
}
