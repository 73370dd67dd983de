import type { Socket } from 'node:net';
import { dial, resolveName, UpstreamFailure, type DialOptions } from './dial.js';
import { UpstreamConnection } from './upstream-connection.js';
import type { UpstreamSource } from './upstream.js';
import { WaitingLine, type WaitingLineOptions } from './waiting-line.js';

export interface UpstreamPoolOptions extends DialOptions, WaitingLineOptions {
  /** Connections to one address at a time, idle ones included. Default 512. */
  maxPerAddress?: number;
  /** Milliseconds that an idle connection is kept. Default 4000: below the 5 s after which most servers close theirs. */
  idleTimeoutMs?: number;
  /** Milliseconds between looks for idle connections and late responses: the precision of those limits. Default 1000. */
  sweepIntervalMs?: number;
}

class Address {
  /** The most recently used last. */
  readonly idle: UpstreamConnection[] = [];
  readonly waiting: WaitingLine<UpstreamConnection>;
  open = 0;

  constructor(text: string, options: Required<WaitingLineOptions>) {
    this.waiting = new WaitingLine(text, options);
  }
}

/**
 * Keep-alive connections per address. The most recently used one is given out first, so that a quiet address shrinks.
 * Waiting is bounded in number and time; a connection that comes free goes to who waited longest.
 */
export class UpstreamPool implements UpstreamSource {
  private readonly options: Required<UpstreamPoolOptions>;
  private readonly addresses = new Map<string, Address>();
  private readonly connections = new Set<UpstreamConnection>();
  /** Sockets of upgraded connections, of which no response is read any more. */
  private readonly givenAway = new Set<Socket>();
  private readonly sweeper: NodeJS.Timeout;

  constructor(options: UpstreamPoolOptions = {}) {
    this.options = {
      allowLoopback: false,
      connectTimeoutMs: 3000,
      resolve: resolveName,
      maxPerAddress: 512,
      maxWaiting: 1024,
      waitTimeoutMs: 5000,
      idleTimeoutMs: 4000,
      sweepIntervalMs: 1000,
      ...options,
    };
    this.sweeper = setInterval(() => this.sweep(performance.now()), this.options.sweepIntervalMs).unref();
  }

  /**
   * A connection for one request; hand it back with `release`, or destroy it.
   * @param maxIdleMs reuse only a connection that has been idle for less: a request that cannot be repeated should not meet one
   *   that the other side is just closing
   */
  acquire(addressText: string, maxIdleMs: number): UpstreamConnection | Promise<UpstreamConnection> {
    const address = this.address(addressText);
    const oldest = performance.now() - maxIdleMs;
    for (let connection = address.idle.at(-1); connection && connection.idleSince > oldest; connection = address.idle.at(-1)) {
      address.idle.pop();
      if (connection.usable) return connection;
      connection.destroy();
    }
    if (address.open < this.options.maxPerAddress) return this.open(addressText, address);
    address.idle.shift()?.destroy(); // too long idle for this request: its place goes to a new one
    return address.waiting.join();
  }

  /** A new connection outside the limits, which the caller owns: for upgrades, which never come back. */
  async dial(addressText: string): Promise<UpstreamConnection> {
    const socket = await dial(addressText, this.options);
    const connection = new UpstreamConnection(socket, addressText);
    this.connections.add(connection);
    connection.onClosed = () => {
      this.connections.delete(connection);
      if (!socket.destroyed) this.giveAway(socket);
    };
    return connection;
  }

  /** Takes a connection back after its response is complete and its request was sent completely. */
  release(connection: UpstreamConnection): void {
    connection.onDrain = ignore;
    connection.endBody();
    if (!connection.usable) return connection.destroy();
    connection.idleSince = performance.now();
    const address = this.address(connection.address);
    const next = address.waiting.next();
    if (next) next.give(connection);
    else address.idle.push(connection);
  }

  /** Closes every connection; requests under way fail. */
  close(): void {
    clearInterval(this.sweeper);
    for (const connection of this.connections) connection.fail(new UpstreamFailure('reset', 'the proxy is stopping'));
    for (const socket of this.givenAway) socket.destroy();
  }

  get openConnections(): number {
    return this.connections.size + this.givenAway.size;
  }

  private giveAway(socket: Socket): void {
    this.givenAway.add(socket);
    socket.on('close', () => this.givenAway.delete(socket));
  }

  private address(text: string): Address {
    let address = this.addresses.get(text);
    if (!address) this.addresses.set(text, (address = new Address(text, this.options)));
    return address;
  }

  private async open(text: string, address: Address): Promise<UpstreamConnection> {
    address.open++;
    try {
      const connection = new UpstreamConnection(await dial(text, this.options), text);
      this.connections.add(connection);
      connection.onClosed = () => this.closed(text, address, connection);
      return connection;
    } catch (error) {
      this.placeFree(text, address);
      throw error;
    }
  }

  private closed(text: string, address: Address, connection: UpstreamConnection): void {
    this.connections.delete(connection);
    const at = address.idle.indexOf(connection);
    if (at >= 0) address.idle.splice(at, 1);
    this.placeFree(text, address);
  }

  private placeFree(text: string, address: Address): void {
    address.open--;
    const next = address.waiting.next();
    if (next) this.open(text, address).then(next.give, next.fail);
    else if (address.open === 0) this.addresses.delete(text);
  }

  private sweep(now: number): void {
    for (const connection of this.connections) {
      if (connection.deadline > 0 && now > connection.deadline) {
        connection.fail(new UpstreamFailure('timeout', `${connection.address} did not answer in time`));
      }
    }
    for (const address of this.addresses.values()) {
      const stale = address.idle.findIndex((connection) => now - connection.idleSince < this.options.idleTimeoutMs);
      for (const connection of address.idle.splice(0, stale < 0 ? address.idle.length : stale)) connection.destroy();
    }
  }
}

const ignore = () => undefined;
