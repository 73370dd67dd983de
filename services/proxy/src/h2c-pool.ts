import { resolveName, UpstreamFailure } from './dial.js';
import type { H2cRequest } from './h2c-request.js';
import { H2cSession, type H2cSessionOptions } from './h2c-session.js';
import type { UpstreamSource } from './upstream.js';
import { WaitingLine, type WaitingLineOptions } from './waiting-line.js';

export interface H2cPoolOptions extends H2cSessionOptions, WaitingLineOptions {
  /** Connections to one address at a time. Default 32. */
  maxSessions?: number;
  /** Milliseconds that a connection without a request is kept. Default 60,000. */
  idleTimeoutMs?: number;
  /**
   * Milliseconds after which one with requests on it, from which nothing has come, is asked whether it still answers. Default 330,000: servers of
   * gRPC take more than one ping in 5 minutes for an attack.
   */
  keepAliveMs?: number;
  /** Milliseconds between looks for idle connections and late responses: the precision of those limits. Default 1000. */
  sweepIntervalMs?: number;
}

class Address {
  readonly sessions = new Set<H2cSession>();
  readonly waiting: WaitingLine<void>;
  opening: Promise<void> | undefined;

  constructor(text: string, options: Required<WaitingLineOptions>) {
    this.waiting = new WaitingLine(text, options);
  }

  get withRoom(): H2cSession | undefined {
    for (const session of this.sessions) if (session.hasRoom) return session;
    return undefined;
  }
}

/**
 * Connections to sandboxes that speak HTTP/2 without TLS. Requests share one until it is full; then there is another. One from which nothing has
 * come for a while is asked first whether it still answers, so that a sandbox that has moved without a word costs one request a moment, and is
 * dialled anew.
 */
export class H2cPool implements UpstreamSource {
  private readonly options: Required<H2cPoolOptions>;
  private readonly addresses = new Map<string, Address>();
  private readonly sweeper: NodeJS.Timeout;

  constructor(options: H2cPoolOptions = {}) {
    this.options = {
      allowLoopback: false,
      connectTimeoutMs: 3000,
      resolve: resolveName,
      maxStreams: 100,
      quietMs: 1000,
      pingTimeoutMs: 1000,
      maxSessions: 32,
      maxWaiting: 1024,
      waitTimeoutMs: 5000,
      idleTimeoutMs: 60_000,
      keepAliveMs: 330_000,
      sweepIntervalMs: 1000,
      ...options,
    };
    this.sweeper = setInterval(() => this.sweep(performance.now()), this.options.sweepIntervalMs).unref();
  }

  /** @param maxIdleMs 0 for a connection of its own making; else it makes no difference here, for what has been quiet is asked */
  acquire(text: string, maxIdleMs: number): H2cRequest | Promise<H2cRequest> {
    const address = this.address(text);
    const session = maxIdleMs > 0 && address.waiting.length === 0 ? address.withRoom : undefined;
    return session && !session.isQuiet ? session.begin() : this.take(text, maxIdleMs === 0);
  }

  /** A stream is used once. What was never used gives its place back. */
  release(request: H2cRequest): void {
    request.letGo();
  }

  close(): void {
    clearInterval(this.sweeper);
    for (const { sessions } of this.addresses.values())
      for (const session of [...sessions]) {
        for (const request of [...session.requests]) request.fail(new UpstreamFailure('reset', 'the proxy is stopping'));
        session.destroy();
      }
  }

  get openConnections(): number {
    let open = 0;
    for (const { sessions } of this.addresses.values()) open += sessions.size;
    return open;
  }

  private address(text: string): Address {
    let address = this.addresses.get(text);
    if (!address) this.addresses.set(text, (address = new Address(text, this.options)));
    return address;
  }

  private async take(text: string, anew: boolean): Promise<H2cRequest> {
    const { maxSessions } = this.options;
    // A sandbox that takes back with one hand what it allows with the other is not waited for without end.
    for (let looks = 0; looks < 2 * maxSessions; looks++) {
      const address = this.address(text);
      const session = anew && looks === 0 ? undefined : address.withRoom;
      if (session) {
        if ((!session.isQuiet || (await session.answers())) && session.hasRoom) return session.begin();
      } else if (address.sessions.size < maxSessions) {
        await (address.opening ??= this.open(text, address));
      } else {
        await address.waiting.join();
      }
    }
    throw new UpstreamFailure('busy', `${text} allows no requests`);
  }

  private async open(text: string, address: Address): Promise<void> {
    try {
      const session = await H2cSession.open(text, this.options);
      address.sessions.add(session);
      session.onFree = () => address.waiting.next()?.give();
      session.onClosed(() => {
        address.sessions.delete(session);
        address.waiting.next()?.give();
        this.forget(text, address);
      });
    } finally {
      address.opening = undefined;
      this.forget(text, address);
    }
  }

  private forget(text: string, { sessions, waiting, opening }: Address): void {
    if (sessions.size === 0 && waiting.length === 0 && !opening) this.addresses.delete(text);
  }

  private sweep(now: number): void {
    for (const [text, { sessions }] of this.addresses)
      for (const session of sessions) {
        for (const request of session.requests)
          if (request.deadline > 0 && now > request.deadline)
            request.fail(new UpstreamFailure('timeout', `${text} did not answer in time`));
        const quietMs = now - session.heardAt;
        if (session.requests.size === 0 && quietMs > this.options.idleTimeoutMs) session.retire();
        else if (session.requests.size > 0 && quietMs > this.options.keepAliveMs) void session.answers();
      }
  }
}
