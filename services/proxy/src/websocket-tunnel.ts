import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import { DialledTunnel } from './dialled-tunnel.js';
import { IdleWatch } from './idle-watch.js';
import type { OpenConnection } from './open-connection.js';
import { reset } from './reset.js';
import { bytesHead, close, FrameReader, ping, pong, type FrameSink } from './tunnel-frames.js';
import { ACCEPT_SUFFIX } from './upgrade.js';
import { farewells, type Farewell } from './websocket-frames.js';

const DEFAULT_PING_MS = 30_000;
/** Pings that may stay without any sign of the client. */
const MAX_SILENT_PINGS = 2;
/** Milliseconds that the client is given to answer a Close. */
const CLOSING_MS = 1000;
const NORMAL = 1000;
const UNEXPECTED = 1011;

/**
 * A tunnel for networks that let WebSockets pass and CONNECT not: binary messages hold the bytes, cut as it happens. A WebSocket ends in
 * both directions at once; with the sandbox's end, everything that it sent has been passed on before the Close.
 */
export class WebSocketTunnel extends DialledTunnel implements FrameSink, OpenConnection {
  private upstream: Socket | undefined;
  private closing = false;
  private silentPings = 0;
  private idle: IdleWatch | undefined;
  private pings: NodeJS.Timeout | undefined;
  private lingering: NodeJS.Timeout | undefined;
  private readonly reader = new FrameReader(this);

  leave(farewell: Farewell, reason: string): void {
    this.end(farewells[farewell], reason);
  }

  onBytes(bytes: Buffer): void {
    if (this.closing) return;
    this.trail.bytesIn += bytes.length;
    this.idle?.passed();
    if (!this.upstream!.write(bytes)) this.socket.pause();
  }

  onPing(payload: Buffer): void {
    if (!this.closing && !this.socket.write(pong(payload))) this.socket.pause(); // who pings and does not read waits
  }

  onClose(code: number): void {
    this.trail.reason ??= 'the client closed the connection';
    if (!this.closing) this.socket.write(close(code));
    this.closing = true;
    this.socket.end();
    this.upstream!.end();
    this.linger();
  }

  onBroken(code: number, reason: string): void {
    this.end(code, reason, reason);
  }

  protected connect(upstream: Socket): void {
    this.upstream = upstream;
    this.options.open.add(this);
    const accept = createHash('sha1').update(`${this.request.headers['sec-websocket-key']}${ACCEPT_SUFFIX}`).digest('base64');
    this.socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n` +
        `x-request-id: ${this.trail.requestId}\r\n\r\n`,
      'latin1',
    );
    this.idle = new IdleWatch(this.options.idleMs, (reason) => this.leave('going away', reason));
    this.pings = setInterval(() => this.ping(), this.options.pingMs ?? DEFAULT_PING_MS);
    this.listen(this.socket, upstream);
    const { bytes } = this.early.take();
    if (bytes.length > 0) this.reader.push(bytes);
    this.socket.resume();
  }

  private listen(socket: Socket, upstream: Socket): void {
    const goOn = () => {
      if (!upstream.writableNeedDrain && !socket.writableNeedDrain) socket.resume();
      if (!socket.writableNeedDrain) upstream.resume();
    };
    socket.setTimeout(0);
    socket.on('data', (bytes: Buffer) => {
      this.silentPings = 0;
      this.reader.push(bytes);
    });
    socket.on('drain', goOn).on('end', () => socket.end());
    socket.on('error', () => {
      this.trail.reason ??= 'the client reset the connection';
      reset(upstream);
    });
    socket.on('close', () => this.closed());
    upstream.on('data', (bytes: Buffer) => this.send(bytes)).on('drain', goOn);
    upstream.on('end', () => this.end(NORMAL, 'the sandbox closed the connection'));
    upstream.on('error', () => this.end(UNEXPECTED, 'the sandbox reset the connection'));
    upstream.on('close', () => this.end(UNEXPECTED, 'the sandbox closed the connection'));
    upstream.resume();
  }

  private send(bytes: Buffer): void {
    if (this.closing) return;
    const { socket } = this;
    this.trail.bytesOut += bytes.length;
    this.idle!.passed();
    socket.cork();
    socket.write(bytesHead(bytes.length));
    const goesOn = socket.write(bytes);
    socket.uncork();
    if (!goesOn) this.upstream!.pause();
  }

  private ping(): void {
    if (++this.silentPings > MAX_SILENT_PINGS) {
      this.trail.reason ??= 'the client does not answer';
      this.socket.destroy();
    } else if (!this.closing && !this.socket.writableNeedDrain) {
      this.socket.write(ping);
    }
  }

  /** Says Close, behind all that is on its way to the client, and waits a moment for the client's. The reason is the trail's. */
  private end(code: number, reason: string, said = ''): void {
    this.trail.reason ??= reason;
    if (this.closing) return;
    this.closing = true;
    this.socket.write(close(code, said));
    this.socket.resume();
    this.upstream!.end();
    this.linger();
  }

  private linger(): void {
    this.lingering ??= setTimeout(() => this.socket.destroy(), CLOSING_MS);
  }

  private closed(): void {
    this.upstream!.destroySoon();
    this.trail.reason ??= 'the client closed the connection';
    this.finish(101);
  }

  protected override finish(status: number): void {
    this.options.open.delete(this);
    this.idle?.close();
    clearInterval(this.pings);
    clearTimeout(this.lingering);
    super.finish(status);
  }
}
