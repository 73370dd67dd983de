import { LRUCache } from 'lru-cache';
import { subjectOf } from '@sandlot/contracts';
import { follows, nothing, type RecordedEvent, type Revision } from '@sandlot/event-store';
import { headsTable } from './slots.js';
import type { SlotWriter } from './read-model.js';
import { upsert } from './rows.js';
import { Halt } from './stops.js';

const headOf = (version: number, position: number, hash: string): Revision => ({
  ...nothing,
  version,
  position,
  hash,
});

/** Where the aggregates of a batch stand behind it. */
export type BatchHeads = ReadonlyMap<string, Revision>;

interface HeadRow {
  subject: string;
  version: number;
  position: string;
  hash: string;
}

/**
 * Checks that each event follows the one before it on its aggregate, by version and hash. Where the aggregates stand is kept beside the
 * read model, committed with it; the ones that were seen lately also in memory.
 */
export class Heads {
  private readonly recent = new LRUCache<string, Revision>({ max: 50_000 });

  constructor(private readonly projection: string) {}

  /**
   * How many of the events follow, and where they lead. A version may be missing where a position was skipped in between, for that may
   * have been it.
   */
  async check(
    events: readonly RecordedEvent[],
    query: SlotWriter,
    skipped: ReadonlySet<number>,
  ): Promise<{ heads: BatchHeads; broken?: { index: number; halt: Halt } }> {
    const subjects = events.map(({ aggregate }) => subjectOf(aggregate));
    const heads = await this.load(new Set(subjects), query);
    for (const [index, event] of events.entries()) {
      const subject = subjects[index]!;
      const head = heads.get(subject) ?? nothing;
      if (!follows(event, head) && !mayBridge(head, event, skipped)) {
        const found = event.version === head.version + 1 ? 'carries another hash' : `is version ${event.version}`;
        const message = `${subject} stands at version ${head.version} (position ${head.position}); position ${event.position} ${found}`;
        return { heads, broken: { index, halt: new Halt('CHAIN_BROKEN', message, event.position) } };
      }
      heads.set(subject, headOf(event.version, event.position, event.hash));
    }
    return { heads };
  }

  async write(heads: BatchHeads, write: SlotWriter): Promise<void> {
    const rows = Array.from(heads, ([subject, { version, position, hash }]) => ({ subject, version, position, hash }));
    const columns = { subject: 'text', version: 'integer', position: 'bigint', hash: 'text' };
    await upsert(write, { table: headsTable(this.projection), columns, key: ['subject'] }, rows);
  }

  /** After the commit. */
  remember(heads: BatchHeads): void {
    for (const [subject, head] of heads) this.recent.set(subject, head);
  }

  forget(): void {
    this.recent.clear();
  }

  private async load(subjects: ReadonlySet<string>, { slot, query }: SlotWriter): Promise<Map<string, Revision>> {
    const heads = new Map<string, Revision>();
    const missing: string[] = [];
    for (const subject of subjects) {
      const head = this.recent.get(subject);
      if (head) heads.set(subject, head);
      else missing.push(subject);
    }
    if (missing.length === 0) return heads;
    const sql = `select subject, version, position, hash from ${slot}.${headsTable(this.projection)} where subject = any($1)`;
    for (const row of (await query<HeadRow>(sql, [missing])).rows)
      heads.set(row.subject, headOf(row.version, Number(row.position), row.hash));
    return heads;
  }
}

function mayBridge(head: Revision, event: RecordedEvent, skipped: ReadonlySet<number>): boolean {
  const missing = event.version - head.version - 1;
  if (missing < 1 || skipped.size < missing) return false;
  let between = 0;
  for (const position of skipped) if (position > head.position && position < event.position) between += 1;
  return between >= missing;
}
