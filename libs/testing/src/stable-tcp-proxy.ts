import { once } from 'node:events';
import { createServer, connect, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { atEnd } from './clean-up.js';

export interface StableTcpProxy {
  port: number;
  /** Breaks all connections, and every new one, until `restore`. */
  cut(): void;
  /** Connections stay open and new ones are taken, but nothing passes any more: what a lost network looks like to both ends. */
  stall(): void;
  /** Ends `cut`, `stall` and `delay`. What was written during a stall now arrives, as TCP would have it. */
  restore(): void;
  /** Everything takes `ms` milliseconds longer in each direction, in order. */
  delay(ms: number): void;
  /** Where new connections go from now on. */
  retarget(port: number): void;
  close(): Promise<void>;
}

/** A port that stays, in front of a server on 127.0.0.1 that may be restarted, moved or cut off in the middle of a test. */
export async function stableTcpProxy(targetPort: number): Promise<StableTcpProxy> {
  const pairs = new Set<[Socket, Socket]>();
  let state: 'open' | 'cut' | 'stalled' = 'open';
  let lag = 0;
  let target = targetPort;

  const server = createServer({ allowHalfOpen: true }, (client) => {
    if (state === 'cut') return void client.on('error', () => undefined).resetAndDestroy();
    const upstream = connect({ port: target, host: '127.0.0.1', allowHalfOpen: true });
    const pair: [Socket, Socket] = [client, upstream];
    pairs.add(pair);
    for (const socket of pair) {
      socket.setNoDelay(true);
      socket.on('error', () => breakPair(pair));
      socket.on('close', () => state !== 'stalled' && breakPair(pair));
    }
    forward(client, upstream, () => lag);
    forward(upstream, client, () => lag);
    if (state === 'stalled') pair.forEach((socket) => socket.pause());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  function breakPair(pair: [Socket, Socket]): void {
    if (state === 'stalled') return; // neither end may learn of the other
    pairs.delete(pair);
    pair.forEach((socket) => socket.destroy());
  }

  const proxy: StableTcpProxy = {
    port: (server.address() as AddressInfo).port,
    cut() {
      state = 'cut';
      for (const pair of pairs) pair.forEach((socket) => socket.resetAndDestroy());
      pairs.clear();
    },
    stall() {
      state = 'stalled';
      for (const pair of pairs) pair.forEach((socket) => socket.pause());
    },
    restore() {
      state = 'open';
      lag = 0;
      for (const pair of pairs) {
        if (pair.some((socket) => socket.destroyed)) breakPair(pair);
        else pair.forEach((socket) => socket.resume());
      }
    },
    delay(ms) {
      lag = ms;
    },
    retarget(port) {
      target = port;
    },
    async close() {
      proxy.cut();
      server.close();
      await once(server, 'close');
    },
  };
  atEnd(() => (server.listening ? proxy.close() : undefined));
  return proxy;
}

/** Without `pipe`, which would read on where a stall has paused. */
function forward(from: Socket, to: Socket, lag: () => number): void {
  let queue: Promise<unknown> = Promise.resolve();
  const inOrder = (due: number, write: () => void) => {
    queue = queue.then(async () => {
      const wait = due - performance.now();
      if (wait > 0) await pause(wait, undefined, { ref: false });
      if (!to.destroyed) write();
    });
  };
  from.on('data', (chunk) => inOrder(performance.now() + lag(), () => to.write(chunk)));
  from.on('end', () => inOrder(performance.now() + lag(), () => to.end()));
}
