import { subjectOf, type AggregateRef } from '@sandlot/contracts';
import type { CommandContext } from '@sandlot/kernel';
import { nothing, revisionOf, type AppendResult, type EventStore, type RecordedEvent, type Revision, type Write } from './event-store.js';
import { checkWrites, damaged, follows, fromWire, toWire } from './record.js';

/** The log in memory, for tests of what stands on it. Passes event-store.features.ts like the real one. */
export class MemoryEventStore implements EventStore {
  private readonly log: RecordedEvent[] = [];
  private readonly bySubject = new Map<string, RecordedEvent[]>();

  append(context: CommandContext, writes: readonly Write[]): Promise<AppendResult> {
    checkWrites(writes);
    for (const { aggregate, expected } of writes) {
      const last = this.eventsOf(aggregate).at(-1);
      if (last?.commandId === context.commandId) return Promise.resolve({ outcome: 'already-applied', position: last.position });
      if ((last?.position ?? 0) !== expected.position)
        return Promise.resolve({ outcome: 'conflict', aggregate, current: last?.position ?? 0 });
    }
    const revisions = writes.map((write): Revision => {
      const events = this.eventsOf(write.aggregate);
      for (const wire of toWire(context, write)) {
        const event = fromWire(wire.subject, (name) => wire.headers.get(name), wire.body, this.log.length + 1);
        events.push(event);
        this.log.push(event);
      }
      return revisionOf(events.at(-1)!);
    });
    return Promise.resolve({ outcome: 'appended', position: this.log.length, revisions });
  }

  read(aggregate: AggregateRef, { after = nothing }: { after?: Revision } = {}): Promise<RecordedEvent[]> {
    const events = this.eventsOf(aggregate).filter((event) => event.position > after.position);
    let revision = after;
    for (const event of events) {
      if (!follows(event, revision)) return Promise.reject(damaged(aggregate, revision, event));
      revision = revisionOf(event);
    }
    return Promise.resolve(events);
  }

  /** The whole log, oldest first. */
  all(): readonly RecordedEvent[] {
    return this.log;
  }

  private eventsOf(aggregate: AggregateRef): RecordedEvent[] {
    const subject = subjectOf(aggregate);
    const events = this.bySubject.get(subject) ?? [];
    this.bySubject.set(subject, events);
    return events;
  }
}
