import type { Pool } from 'pg';
import { headsTable, slots } from './slots.js';
import { slotSchema, type ReadModel, type Slot, type Stop, type StopCode } from './read-model.js';
import { Fenced } from './stops.js';
import { queryOnce, transaction, type Query } from './transaction.js';

/** How far a slot is: the last record that was read, and of which stream. */
export interface Mark {
  readonly position: number;
  readonly streamCreated: string | null;
  readonly eventId: string | null;
  readonly eventHash: string | null;
}

export interface Checkpoint extends Mark {
  readonly slot: Slot;
  readonly status: 'running' | 'parked' | 'halted';
  readonly stopped?: Omit<Stop, 'remedy'>;
}

/** What the database says about one projection. */
export interface ProjectionRow {
  readonly name: string;
  readonly live: Slot;
  readonly building: boolean;
  readonly buildReason: string;
  readonly skipped: readonly number[];
  readonly checkpoints: Readonly<Record<Slot, Checkpoint>>;
}

interface Row {
  name: string;
  live: Slot;
  building: boolean;
  build_reason: string | null;
  skipped: string[];
  slot: Slot;
  stream_created: string | null;
  position: string;
  event_id: string | null;
  event_hash: string | null;
  status: Checkpoint['status'];
  code: StopCode | null;
  reason: string | null;
  stopped_at: string | null;
}

/** The rows that say how far a service's projections are, which slot is live and which is being built. */
export class Checkpoints {
  constructor(
    readonly pool: Pool,
    readonly service: string,
    private readonly stream: string,
  ) {}

  /** Makes the rows that an emptied database lacks. */
  async ensure(models: readonly ReadModel[]): Promise<void> {
    const names = models.map(({ name }) => name);
    await transaction(this.pool, async (query) => {
      await query(`insert into ${this.service}.projections (name) select unnest($1::text[]) on conflict do nothing`, [names]);
      await query(
        `insert into ${this.service}.checkpoints (projection, slot)
         select name, slot from unnest($1::text[]) as name, unnest($2::text[]) as slot on conflict do nothing`,
        [names, slots],
      );
    });
  }

  async load(names: readonly string[]): Promise<Map<string, ProjectionRow>> {
    const rows = await queryOnce<Row>(
      this.pool,
      `select p.name, p.live, p.building, p.build_reason, p.skipped, c.slot, c.stream_created, c.position, c.event_id, c.event_hash, c.status,
              c.code, c.reason, c.stopped_at
       from ${this.service}.projections p join ${this.service}.checkpoints c on c.projection = p.name where p.name = any($1) order by p.name, c.slot`,
      [names],
    );
    const found = new Map<string, ProjectionRow>();
    for (let i = 0; i + 1 < rows.length; i += 2) found.set(rows[i]!.name, projectionRow(rows[i]!, rows[i + 1]!));
    return found;
  }

  async livePosition(name: string): Promise<number> {
    const [row] = await queryOnce<{ position: string }>(
      this.pool,
      `select c.position from ${this.service}.projections p join ${this.service}.checkpoints c on c.projection = p.name and c.slot = p.live where p.name = $1`,
      [name],
    );
    return Number(row?.position ?? 0);
  }

  /** Moves on within the caller's transaction, and locks the row. Throws Fenced when the checkpoint is not where the caller left it. */
  async advance(query: Query, name: string, slot: Slot, expected: number, mark: Mark): Promise<void> {
    const { rowCount } = await query(
      `update ${this.service}.checkpoints
       set position = $4, stream = $5, stream_created = $6, event_id = $7, event_hash = $8, status = 'running', code = null, reason = null,
           stopped_at = null, updated_at = now()
       where projection = $1 and slot = $2 and position = $3`,
      [name, slot, expected, mark.position, this.stream, mark.streamCreated, mark.eventId, mark.eventHash],
    );
    if (rowCount !== 1) throw new Fenced(`${this.service}.${name}: the ${slot} checkpoint is not at ${expected} any more`);
  }

  /** Writes down why it does not go on, unless somebody else has moved the checkpoint. */
  async stop(name: string, slot: Slot, status: 'parked' | 'halted', position: number, stop: Stop): Promise<void> {
    await queryOnce(
      this.pool,
      `update ${this.service}.checkpoints set status = $4, code = $5, reason = $6, stopped_at = $7, updated_at = now()
       where projection = $1 and slot = $2 and position = $3`,
      [name, slot, position, status, stop.code, stop.reason, stop.at ?? null],
    );
  }

  /** Takes back `parked` and `halted`, on both slots or one. */
  async clear(name: string, slot?: Slot): Promise<void> {
    await queryOnce(
      this.pool,
      `update ${this.service}.checkpoints set status = 'running', code = null, reason = null, stopped_at = null, updated_at = now()
       where projection = $1 and slot = any($2) and status <> 'running'`,
      [name, slot ? [slot] : slots],
    );
  }

  async skip(name: string, position: number): Promise<void> {
    await queryOnce(
      this.pool,
      `update ${this.service}.projections set skipped = array_append(skipped, $2::bigint) where name = $1 and not ($2::bigint = any(skipped))`,
      [name, position],
    );
  }

  /** The other slot is to be filled from the beginning; a build that was under way begins anew. */
  async beginBuild(name: string, reason: string): Promise<void> {
    await transaction(this.pool, async (query) => {
      const { rows } = await query<{ live: Slot }>(
        `update ${this.service}.projections set building = true, build_reason = $2 where name = $1 returning live`,
        [name, reason],
      );
      if (rows[0]) await this.rewind(query, name, rows[0].live === 'blue' ? 'green' : 'blue');
    });
  }

  /** Shows the slot that was built. Throws Fenced when it is not the one being built any more. */
  async switchTo(name: string, slot: Slot): Promise<void> {
    await transaction(this.pool, async (query) => {
      const { rowCount } = await query(
        `update ${this.service}.projections set live = $2, building = false, build_reason = null where name = $1 and live <> $2 and building`,
        [name, slot],
      );
      if (rowCount !== 1) throw new Fenced(`${this.service}.${name}: ${slot} is not being built any more`);
    });
  }

  /**
   * Empties a slot that stands at the beginning, or one that is neither live nor being built (`force`). Queries hold the tables of both slots for their time,
   * so it asks for them briefly and again: no query waits longer than that.
   */
  async empty(model: ReadModel, slot: Slot, { force = false } = {}): Promise<void> {
    const schema = slotSchema(this.service, slot);
    const tables = [...model.tables, headsTable(model.name)].map((table) => `${schema}.${table}`).join(', ');
    for (let lockMs = 50; ; lockMs = Math.min(lockMs * 2, 2_000)) {
      try {
        return await transaction(this.pool, async (query) => {
          if (force && !(await this.isIdle(query, model.name, slot))) return;
          if (force) await this.rewind(query, model.name, slot);
          else await this.advance(query, model.name, slot, 0, { position: 0, streamCreated: null, eventId: null, eventHash: null });
          await query(`set local lock_timeout = ${lockMs}`);
          await query(`truncate ${tables}`);
        });
      } catch (error) {
        if (((error as Error).cause as { code?: string } | undefined)?.code !== '55P03') throw error;
        await new Promise((resolve) => setTimeout(resolve, lockMs));
      }
    }
  }

  private async isIdle(query: Query, name: string, slot: Slot): Promise<boolean> {
    const { rows } = await query(`select 1 from ${this.service}.projections where name = $1 and live <> $2 and not building for share`, [
      name,
      slot,
    ]);
    return rows.length > 0;
  }

  private async rewind(query: Query, name: string, slot: Slot): Promise<void> {
    await query(
      `update ${this.service}.checkpoints
       set position = 0, stream_created = null, event_id = null, event_hash = null, status = 'running', code = null, reason = null,
           stopped_at = null, updated_at = now()
       where projection = $1 and slot = $2`,
      [name, slot],
    );
  }
}

function projectionRow(blue: Row, green: Row): ProjectionRow {
  return {
    name: blue.name,
    live: blue.live,
    building: blue.building,
    buildReason: blue.build_reason ?? '',
    skipped: blue.skipped.map(Number),
    checkpoints: { blue: checkpoint(blue), green: checkpoint(green) },
  };
}

function checkpoint(row: Row): Checkpoint {
  return {
    slot: row.slot,
    position: Number(row.position),
    streamCreated: row.stream_created,
    eventId: row.event_id,
    eventHash: row.event_hash,
    status: row.status,
    ...(row.code && {
      stopped: { code: row.code, reason: row.reason ?? '', ...(row.stopped_at !== null && { at: Number(row.stopped_at) }) },
    }),
  };
}
