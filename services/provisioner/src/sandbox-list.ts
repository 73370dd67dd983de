import type { Sandbox as SandboxView, SandboxState } from '@sandlot/contracts';
import { DomainError, isId, type UserId } from '@sandlot/kernel';
import type { ReadSide } from '@sandlot/projections';
import { SandboxRow } from './projections/sandboxes.js';
import { sandboxView } from './sandboxes.js';

/** Sandboxes by the page, newest first, from the read model. The cursor is the id of the last one: ids sort by when they were made. */
export class SandboxList {
  constructor(private readonly reads: ReadSide) {}

  async page(request: {
    userId?: UserId | undefined;
    state?: SandboxState | undefined;
    limit: number;
    cursor?: string | undefined;
    atLeast?: number | undefined;
  }): Promise<{ items: SandboxView[]; nextCursor: string | null }> {
    const { userId, state, limit, cursor, atLeast } = request;
    if (cursor !== undefined && !isId('sbx', cursor)) throw new DomainError('INVALID_CURSOR', 'the cursor is not one of this list');
    if (atLeast !== undefined) await this.reads.runner.reached('sandboxes', atLeast, { withinMs: 2_000 });
    const query = this.reads
      .rows(SandboxRow)
      .createQueryBuilder('sandbox')
      .orderBy('sandbox.id', 'DESC')
      .limit(limit + 1);
    if (userId !== undefined) query.andWhere('sandbox.owner = :userId', { userId });
    if (cursor !== undefined) query.andWhere('sandbox.id < :cursor', { cursor });
    if (state === undefined) query.andWhere("sandbox.phase <> 'deleted'");
    else query.andWhere('sandbox.phase = :state', { state });
    const rows = await query.getMany().catch((cause: unknown) => {
      throw new DomainError('UNAVAILABLE', 'the list of sandboxes is not available', {}, { cause });
    });
    const items = rows
      .slice(0, limit)
      .map((row) => sandboxView(row.id, row.state, { version: row.version, time: row.updatedAt.toISOString() }));
    return { items, nextCursor: rows.length > limit ? items.at(-1)!.id : null };
  }
}
