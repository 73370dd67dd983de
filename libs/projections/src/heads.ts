import { follows, type RecordedEvent } from '@sandlot/event-store';
import { headsTable } from './slots.js';
import type { SlotWriter } from './read-model.js';
import { upsert } from './rows.js';
import { Halt } from './stops.js';

/** Where an aggregate stands. */
interface Head {
  readonly version: number;
  readonly position: number;
  readonly hash: string;
}

const none: Head = { version: 0, position: 0, hash: '' };

/** Where the aggregates of a batch stand behind it. */
export type BatchHeads = ReadonlyMap<string, Head>;

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
  private readonly recent = new RecentHeads();

  constructor(private readonly projection: string) {}

  /**
   * How many of the events follow, and where they lead. A version may be missing where a position was skipped in between, for that may
   * have been it.
   */
  async check(
    events: readonly { readonly subject: string; readonly event: RecordedEvent }[],
    query: SlotWriter,
    skipped: ReadonlySet<number>,
  ): Promise<{ heads: BatchHeads; broken?: { index: number; halt: Halt } }> {
    const stored = await this.stored(events, query);
    const heads = new Map<string, Head>();
    for (let index = 0; index < events.length; index += 1) {
      const { subject, event } = events[index]!;
      const head = heads.get(subject) ?? this.recent.get(subject) ?? stored.get(subject) ?? none;
      if (!follows(event, head) && !mayBridge(head, event, skipped)) {
        const found = event.version === head.version + 1 ? 'carries another hash' : `is version ${event.version}`;
        const message = `${subject} stands at version ${head.version} (position ${head.position}); position ${event.position} ${found}`;
        return { heads, broken: { index, halt: new Halt('CHAIN_BROKEN', message, event.position) } };
      }
      heads.set(subject, event);
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
    this.recent.add(heads);
  }

  forget(): void {
    this.recent.forget();
  }

  /** Those that are not in memory. */
  private async stored(events: readonly { readonly subject: string }[], { slot, query }: SlotWriter): Promise<ReadonlyMap<string, Head>> {
    const missing = new Set<string>();
    for (const { subject } of events) if (!this.recent.get(subject)) missing.add(subject);
    if (missing.size === 0) return new Map();
    const sql = `select subject, version, position, hash from ${slot}.${headsTable(this.projection)} where subject = any($1)`;
    const { rows } = await query<HeadRow>(sql, [[...missing]]);
    return new Map(rows.map(({ subject, version, position, hash }) => [subject, { version, position: Number(position), hash }]));
  }
}

/**
 * At least the last 25,000 that were added, at most 50,000 and a batch: when one half is full, the other is dropped. Who is asked for
 * again soon is added again soon, so nothing need be moved when it is read; an LRU cache costs a rebuild 5 % more.
 */
class RecentHeads {
  private young = new Map<string, Head>();
  private old = new Map<string, Head>();

  get(subject: string): Head | undefined {
    return this.young.get(subject) ?? this.old.get(subject);
  }

  add(heads: BatchHeads): void {
    for (const [subject, { version, position, hash }] of heads) this.young.set(subject, { version, position, hash }); // not whole events
    if (this.young.size < 25_000) return;
    this.old = this.young;
    this.young = new Map();
  }

  forget(): void {
    this.young = new Map();
    this.old = new Map();
  }
}

function mayBridge(head: Head, event: RecordedEvent, skipped: ReadonlySet<number>): boolean {
  const missing = event.version - head.version - 1;
  if (missing < 1 || skipped.size < missing) return false;
  let between = 0;
  for (const position of skipped) if (position > head.position && position < event.position) between += 1;
  return between >= missing;
}
