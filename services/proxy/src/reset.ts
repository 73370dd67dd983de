import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

/**
 * Ends a connection as a reset, so that nobody takes what has passed for complete. Not behind an end that was sent already: the system
 * refuses that, and Node then loses the handle without closing it, so that `close` never comes. TLS has no reset; it is cut without
 * the alert that would say so.
 */
export function reset(socket: Socket): void {
  if (socket.writableEnded || socket instanceof TLSSocket) socket.destroy();
  else socket.resetAndDestroy();
}
