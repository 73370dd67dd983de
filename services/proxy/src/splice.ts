import type { Socket } from 'node:net';

/** Milliseconds that the second direction may stay open after the first has ended. */
const HALF_OPEN_MS = 10_000;

/**
 * Passes bytes between two sockets until both directions have ended, with back-pressure; an end is passed on as an end, a reset
 * as a reset. `onClosed` is called once, when both sockets are gone.
 */
export function splice(client: Socket, upstream: Socket, count: { bytesIn: number; bytesOut: number }, onClosed: () => void): void {
  let open = 2;
  let lingering: NodeJS.Timeout | undefined;
  const closed = () => {
    if (--open > 0) return;
    clearTimeout(lingering);
    onClosed();
  };
  const linger = () => {
    lingering ??= setTimeout(() => {
      client.destroy();
      upstream.destroy();
    }, HALF_OPEN_MS);
  };
  pass(client, upstream, (bytes) => (count.bytesIn += bytes), linger, closed);
  pass(upstream, client, (bytes) => (count.bytesOut += bytes), linger, closed);
}

function pass(from: Socket, to: Socket, count: (bytes: number) => void, linger: () => void, closed: () => void): void {
  from.setTimeout(0);
  from.on('data', (bytes: Buffer) => {
    count(bytes.length);
    if (!to.write(bytes)) from.pause();
  });
  to.on('drain', () => from.resume());
  from.on('end', () => {
    to.end();
    linger();
  });
  from.on('error', () => to.resetAndDestroy());
  from.on('close', () => {
    to.destroySoon();
    closed();
  });
  from.resume();
}
