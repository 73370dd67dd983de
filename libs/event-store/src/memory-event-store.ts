import { headerValues, subjectOf, type AggregateRef } from '@sandlot/contracts';
import { DomainError, type CommandContext } from '@sandlot/kernel';
import { nothing, revisionOf, type AppendResult, type EventStore, type RecordedEvent, type Revision, type Write } from './event-store.js';
import { checkWrites, damaged, follows, fromWire, toWire } from './record.js';

/** The log in memory, for tests of what stands on it. Passes event-store.features.ts like the real one. */
export class MemoryEventStore implements EventStore {
  private readonly log: RecordedEvent[] = [];
  private readonly bySubject = new Map<string, RecordedEvent[]>();

  async append(context: CommandContext, writes: readonly Write[]): Promise<AppendResult> {
    checkWrites(writes);
    const lasts = writes.map(({ aggregate }) => this.eventsOf(aggregate).at(-1));
    const moved = writes.map(({ expected }, index) => (lasts[index]?.position ?? 0) !== expected.position);
    const stale = moved.indexOf(true);
    if (stale >= 0) {
      const ours = lasts.filter((last, index) => moved[index] && last?.commandId === context.commandId);
      if (ours.length > 0) return { outcome: 'already-applied', position: Math.max(...ours.map((last) => last!.position)) };
      return { outcome: 'conflict', aggregate: writes[stale]!.aggregate, current: lasts[stale]?.position ?? 0 };
    }
    const wires = writes.map((write) => toWire(context, write));
    const revisions = writes.map((write, index): Revision => {
      const events = this.eventsOf(write.aggregate);
      for (const wire of wires[index]!) {
        const event = fromWire(
          wire.subject,
          headerValues((name) => wire.headers.get(name)),
          wire.body,
          this.log.length + 1,
        );
        events.push(event);
        this.log.push(event);
      }
      return revisionOf(events.at(-1)!);
    });
    return { outcome: 'appended', position: this.log.length, revisions };
  }

  async read(
    aggregate: AggregateRef,
    { after = nothing, atLeast = 0 }: { after?: Revision; atLeast?: number } = {},
  ): Promise<RecordedEvent[]> {
    const events = this.eventsOf(aggregate).filter((event) => event.position > after.position);
    let revision = after;
    for (const event of events) {
      if (!follows(event, revision)) throw damaged(aggregate, revision, event);
      revision = revisionOf(event);
    }
    if (revision.position < atLeast)
      throw new DomainError('UNAVAILABLE', `${subjectOf(aggregate)} has not reached position ${atLeast} yet`);
    return events;
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
