import type { Socket } from 'node:net';
import { DialledTunnel } from './dialled-tunnel.js';
import { Splice } from './splice.js';

/**
 * One CONNECT: answers 200, and from there bytes pass both ways, whatever they are. Either side may end its direction and go on listening.
 */
export class Tunnel extends DialledTunnel {
  protected connect(upstream: Socket): void {
    this.trail.answeredAt = performance.now();
    this.socket.write(`HTTP/1.1 200 Connection Established\r\nx-request-id: ${this.trail.requestId}\r\n\r\n`, 'latin1');
    const { bytes, ended } = this.early.take();
    const { open, idleMs } = this.options;
    const splice = new Splice(this.socket, upstream, this.trail, { open, status: 200, frames: false, idleMs, halfOpenMs: 0 });
    splice.fromClient(bytes, ended);
  }
}
