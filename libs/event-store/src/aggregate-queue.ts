/**
 * Lets commands that want the same aggregates go one after the other within this process. Nobody can wait in a circle: all that one wants
 * is asked for at once, and who only waits for quiet holds nothing.
 */
export class AggregateQueue {
  private readonly tails = new Map<string, Promise<void>>();

  /** Waits for all who asked for one of these before; resolves with what ends one's own turn. */
  async take(subjects: readonly string[]): Promise<() => void> {
    const { promise: turn, resolve: end } = Promise.withResolvers<void>();
    const before = subjects.map((subject) => this.tails.get(subject));
    for (const subject of subjects) this.tails.set(subject, turn);
    await Promise.all(before);
    return () => {
      for (const subject of subjects) if (this.tails.get(subject) === turn) this.tails.delete(subject);
      end();
    };
  }

  /** Waits until nobody stands in the queue of this aggregate. */
  async quiet(subject: string): Promise<void> {
    for (let tail = this.tails.get(subject); tail; tail = this.tails.get(subject)) await tail;
  }
}
