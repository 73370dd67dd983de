/** Tells once when nothing has passed for a while. Noting that something passes costs no more than reading the clock. */
export class IdleWatch {
  private timer: NodeJS.Timeout | undefined;
  private lastPassed = performance.now();

  /** @param idleMs 0 for never */
  constructor(
    private readonly idleMs: number,
    private readonly onIdle: (reason: string) => void,
  ) {
    if (idleMs > 0) this.wait(idleMs);
  }

  passed(): void {
    if (this.timer) this.lastPassed = performance.now();
  }

  close(): void {
    clearTimeout(this.timer);
  }

  private wait(milliseconds: number): void {
    this.timer = setTimeout(() => {
      const left = this.lastPassed + this.idleMs - performance.now();
      if (left > 0) this.wait(left);
      else this.onIdle(`nothing passed for ${Math.round(this.idleMs / 1000)} s`);
    }, milliseconds);
  }
}
