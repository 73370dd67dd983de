import type { Socket } from 'node:net';
import { IdleWatch } from './idle-watch.js';
import type { OpenConnection } from './open-connection.js';
import type { RequestTrail } from './record.js';
import { reset } from './reset.js';
import { writeAway } from './written-bytes.js';
import { closeFrame, FrameBoundary, type Farewell } from './websocket-frames.js';

/** Milliseconds that either side is given to read a farewell. */
const FAREWELL_MS = 1000;

export interface SpliceOptions {
  /** What it is known in while it is open. */
  open: Set<OpenConnection>;
  /** With which the client was answered. */
  status: number;
  /** WebSocket frames pass: then there is a way to say goodbye. Everything else is just bytes. */
  frames: boolean;
  /** Milliseconds without a byte in either direction after which it is ended; 0 for never. */
  idleMs: number;
  /** Milliseconds that the second direction may stay open after the first has ended; 0 for as long as it is not idle. */
  halfOpenMs: number;
}

interface Way {
  splice: Splice;
  from: Socket;
  to: Socket;
  name: 'client' | 'sandbox';
  frames: FrameBoundary | undefined;
  /** To be said to the receiver where the frame that is passing ends. */
  farewell: Farewell | undefined;
  /** Nothing passes any more: what comes is thrown away. */
  shut: boolean;
}

/** The way that begins at a socket. */
const WAY = Symbol('way');
interface Spliced extends Socket {
  [WAY]: Way;
}

/** Not closures: of those there would be five for each socket, as much as the socket itself; and most connections are idle. */
const listeners = {
  data(this: Spliced, bytes: Buffer) {
    this[WAY].splice.forward(this[WAY], bytes);
  },
  drain(this: Spliced) {
    this[WAY].to.resume();
  },
  end(this: Spliced) {
    this[WAY].splice.ended(this[WAY]);
  },
  error(this: Spliced) {
    this[WAY].splice.failed(this[WAY]);
  },
  close(this: Spliced) {
    this[WAY].to.destroySoon();
    this[WAY].splice.closed();
  },
};

/**
 * Passes bytes between two sockets until both directions have ended, with back-pressure; an end is passed on as an end, a reset
 * as a reset. When both sockets are gone, the record says who or what ended it. Besides the two sockets this is all that is kept of a WebSocket or
 * a CONNECT tunnel: there are many, and most are idle.
 */
export class Splice implements OpenConnection {
  private readonly ways: readonly [Way, Way];
  private open = 2;
  private reason: string | undefined;
  private readonly idle: IdleWatch | undefined;
  private lingering: NodeJS.Timeout | undefined;

  constructor(
    /** The client's. */
    readonly socket: Socket,
    private readonly upstream: Socket,
    readonly trail: RequestTrail,
    private readonly options: SpliceOptions,
  ) {
    options.open.add(this);
    const way = (from: Socket, to: Socket, name: Way['name']): Way => {
      return { splice: this, from, to, name, frames: options.frames ? new FrameBoundary() : undefined, farewell: undefined, shut: false };
    };
    this.ways = [way(socket, upstream, 'client'), way(upstream, socket, 'sandbox')];
    for (const each of this.ways) this.pass(each);
    this.idle = options.idleMs > 0 ? new IdleWatch(options.idleMs, (reason) => this.idled(reason)) : undefined;
  }

  /** Passes on what came from the client before the splice was there. */
  fromClient(bytes: Buffer, ended: boolean): void {
    if (bytes.length > 0) this.forward(this.ways[0], bytes);
    if (ended) this.ended(this.ways[0]);
  }

  /** Passes on what came from the sandbox before the splice was there. */
  fromUpstream(bytes: Buffer | undefined): void {
    if (bytes) this.forward(this.ways[1], bytes);
  }

  /** Ends it: a WebSocket with a Close frame to both sides, as soon as the frames that are passing have ended; anything else at once. */
  leave(farewell: Farewell, reason: string): void {
    this.reason ??= reason;
    if (!this.options.frames) {
      this.socket.destroySoon();
      this.upstream.destroySoon();
      return this.linger(FAREWELL_MS); // for a side that does not read what it is still sent
    }
    for (const way of this.ways) {
      if (way.shut) continue;
      way.farewell = farewell;
      if (way.frames!.between) this.sayFarewell(way);
    }
    this.linger(FAREWELL_MS);
  }

  private pass(way: Way): void {
    const from = way.from as Spliced;
    from[WAY] = way;
    from.setTimeout(0);
    from.on('data', listeners.data).on('drain', listeners.drain).on('end', listeners.end);
    from.on('error', listeners.error).on('close', listeners.close);
    from.resume();
  }

  /** @internal */
  failed({ name, to }: Way): void {
    this.reason ??= `the ${name} reset the connection`;
    reset(to);
  }

  /** @internal */
  forward(way: Way, bytes: Buffer): void {
    if (way.shut) return;
    const { frames, farewell, from, to } = way;
    const length = frames ? frames.advance(bytes, farewell !== undefined) : bytes.length;
    if (way.name === 'client') this.trail.bytesIn += length;
    else this.trail.bytesOut += length;
    this.idle?.passed();
    if (!writeAway(to, length < bytes.length ? bytes.subarray(0, length) : bytes) && to.writableLength > 0) from.pause();
    if (farewell && frames!.between) this.sayFarewell(way);
  }

  private sayFarewell(way: Way): void {
    way.shut = true;
    if (way.to.writable && !way.frames!.closed) way.to.write(closeFrame(way.farewell!, way.name === 'client'));
    if (way.name === 'sandbox') way.to.end(); // a sandbox that is sent an end would not finish what it is sending
    way.from.resume(); // what still comes is read and thrown away: unread, it would turn the end into a reset
  }

  /** @internal */
  ended(way: Way): void {
    this.reason ??= `the ${way.name} closed the connection`;
    way.to.end();
    if (this.options.halfOpenMs > 0) this.linger(this.options.halfOpenMs);
  }

  private linger(milliseconds: number): void {
    clearTimeout(this.lingering);
    this.lingering = setTimeout(() => this.destroy(), milliseconds);
  }

  private idled(reason: string): void {
    if (this.options.frames) return this.leave('going away', reason);
    this.reason = reason;
    this.destroy();
  }

  private destroy(): void {
    this.socket.destroy();
    this.upstream.destroy();
  }

  /** @internal */
  closed(): void {
    if (--this.open > 0) return;
    clearTimeout(this.lingering);
    this.idle?.close();
    this.options.open.delete(this);
    this.trail.reason = this.reason ?? 'the connection was closed';
    this.trail.finish(this.options.status);
  }
}
