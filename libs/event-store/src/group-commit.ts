import type { AppendResult } from './event-store.js';
import type { WireEvent } from './record.js';

/** An append on its way: what it writes, and who waits for the answer. */
export interface PendingAppend {
  readonly events: readonly WireEvent[];
  readonly subjects: ReadonlySet<string>;
  readonly settle: (result: Promise<AppendResult>) => void;
}

/**
 * Lets appends that arrive while another is being stored share the next atomic batch. With `sync_interval: always` a batch of 100
 * messages costs the server as much as a batch of 2 (two fsyncs), so that is what makes concurrent commands cheap.
 * Appends that touch the same subject never share a batch: only a subject's first message can carry the expectation.
 */
export class GroupCommit {
  private queue: PendingAppend[] = [];
  private running = false;

  /** @param store stores the appends of one group and settles each of them; must not reject. */
  constructor(
    private readonly store: (group: readonly PendingAppend[]) => Promise<void>,
    private readonly maxMessages = 500,
  ) {}

  add(append: PendingAppend): void {
    this.queue.push(append);
    if (!this.running) void this.drain();
  }

  private async drain(): Promise<void> {
    this.running = true;
    try {
      while (this.queue.length > 0) await this.store(this.nextGroup());
    } finally {
      this.running = false;
    }
  }

  private nextGroup(): PendingAppend[] {
    const group: PendingAppend[] = [];
    const later: PendingAppend[] = [];
    const taken = new Set<string>();
    let messages = 0;
    for (const append of this.queue) {
      const small = group.length === 0 || messages + append.events.length <= this.maxMessages;
      const fits = small && [...append.subjects].every((subject) => !taken.has(subject));
      (fits ? group : later).push(append);
      if (fits) messages += append.events.length;
      for (const subject of append.subjects) taken.add(subject);
    }
    this.queue = later;
    return group;
  }
}
