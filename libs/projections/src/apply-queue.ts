/**
 * Hands items on in batches, one batch at a time: what has come while the last one was applied. Who adds must wait for room
 * when it is full, so no more than two batches of `limit` are ever held.
 */
export class ApplyQueue<Item> {
  private pending: Item[] = [];
  private running?: Promise<void>;
  private taken = () => {};
  private failure?: { readonly error: unknown };

  constructor(
    private readonly limit: number,
    private readonly apply: (batch: readonly Item[]) => Promise<void>,
    private readonly onFailure: () => void,
  ) {}

  add(item: Item): void {
    if (this.failure) return; // nothing behind what failed
    this.pending.push(item);
    this.running ??= this.run();
  }

  get isFull(): boolean {
    return this.pending.length >= this.limit;
  }

  /** Returns when the items that wait have been taken. */
  async room(): Promise<void> {
    while (this.isFull && !this.failure) await new Promise<void>((resolve) => (this.taken = resolve));
  }

  /** Returns when all is applied. Throws what applying a batch threw; what came behind that batch is dropped. */
  async drained(): Promise<void> {
    await this.running;
    if (this.failure) throw this.failure.error;
  }

  private async run(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve)); // for what has arrived together to be one batch
    try {
      while (this.pending.length > 0) {
        const batch = this.pending;
        this.pending = [];
        this.taken();
        await this.apply(batch);
      }
    } catch (error) {
      this.failure = { error };
      this.taken();
      this.onFailure();
    }
    this.running = undefined;
  }
}
