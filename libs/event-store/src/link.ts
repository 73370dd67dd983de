import type { NatsConnection } from '@nats-io/transport-node';

/**
 * Whether the connection stands. What is published while it is down would be kept by the client and sent at some later time; whoever asks
 * first can say for certain that nothing was sent.
 */
export class Link {
  private down: { promise: Promise<void>; resolve: () => void } | undefined;

  constructor(private readonly connection: NatsConnection) {
    void this.watch();
  }

  /** Waits for the connection. False when it is closed for good or does not come back in time. */
  async isUp(withinMs: number): Promise<boolean> {
    if (this.connection.isClosed()) return false;
    if (!this.down) return true;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, withinMs)));
    await Promise.race([this.down.promise, late]);
    clearTimeout(timer);
    return !this.down && !this.connection.isClosed();
  }

  private async watch(): Promise<void> {
    for await (const { type } of this.connection.status()) {
      if (type === 'disconnect') this.down ??= Promise.withResolvers<void>();
      if (type === 'reconnect') this.restored();
    }
    this.restored(); // closed: nobody need wait any longer
  }

  private restored(): void {
    this.down?.resolve();
    this.down = undefined;
  }
}
