/**
 * Hands items on in batches, one batch at a time: what has come while the last one was applied, and for
 * `apartMs` after that one began unless the batch is full sooner: a transaction for every single event would cost more than the commands
 * do. Who adds must wait for room when it is full, so no more than two batches of `limit` are ever held.
 */
export class ApplyQueue<Item> {
  private pending: Item[] = [];
  private running?: Promise<void>;
  private taken = () => {};
  private filled = () => {};
  private notBefore = 0;
  private failure?: { readonly error: unknown };

  constructor(
    private readonly limit: number,
    private readonly apply: (batch: readonly Item[]) => Promise<void>,
    private readonly onFailure: () => void,
    private readonly apartMs = 20,
  ) {}

  add(item: Item): void {
    if (this.failure) return; // nothing behind what failed
    this.pending.push(item);
    if (this.isFull) this.filled();
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
        await this.rest();
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

  /** Until the next batch may begin. */
  private async rest(): Promise<void> {
    const ms = this.isFull ? 0 : this.notBefore - performance.now();
    if (ms > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        this.filled = () => (clearTimeout(timer), resolve());
      });
    }
    this.notBefore = performance.now() + this.apartMs;
  }
}
