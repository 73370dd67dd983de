import type { NatsConnection } from '@nats-io/transport-node';

/** Whether a connection to NATS is up at the moment; nats.js itself only buffers while it is not. */
export interface NatsLink {
  readonly isUp: boolean;
  /** Waits until it is up, at most `withinMs`; whether it is. */
  up(withinMs: number): Promise<boolean>;
  /** Called at every change. */
  onChange(listener: (isUp: boolean) => void): void;
}

const links = new WeakMap<NatsConnection, NatsLink>();

export function watchLink(connection: NatsConnection): NatsLink {
  let link = links.get(connection);
  if (!link) links.set(connection, (link = new WatchedLink(connection)));
  return link;
}

class WatchedLink implements NatsLink {
  isUp: boolean;
  private readonly listeners = new Set<(isUp: boolean) => void>();

  constructor(connection: NatsConnection) {
    this.isUp = !connection.isClosed();
    void this.follow(connection);
  }

  onChange(listener: (isUp: boolean) => void): void {
    this.listeners.add(listener);
  }

  up(withinMs: number): Promise<boolean> {
    if (this.isUp) return Promise.resolve(true);
    return new Promise((resolve) => {
      const settle = () => {
        clearTimeout(timer);
        this.listeners.delete(settle);
        resolve(this.isUp);
      };
      const timer = setTimeout(settle, withinMs);
      this.listeners.add(settle);
    });
  }

  private async follow(connection: NatsConnection): Promise<void> {
    for await (const { type } of connection.status()) {
      if (type === 'disconnect' || type === 'staleConnection') this.set(false);
      else if (type === 'reconnect') this.set(true);
    }
    this.set(false);
  }

  private set(isUp: boolean): void {
    if (this.isUp === isUp) return;
    this.isUp = isUp;
    for (const listener of [...this.listeners]) listener(isUp);
  }
}
