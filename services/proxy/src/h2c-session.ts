import {
  connect,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type ClientSessionRequestOptions,
  type OutgoingHttpHeaders,
} from 'node:http2';
import { dial, UpstreamFailure, type DialOptions } from './dial.js';
import { H2cRequest, type H2cConnection } from './h2c-request.js';
import { MAX_RESPONSE_HEAD } from './response-head.js';

export interface H2cSessionOptions extends DialOptions {
  /** Requests at a time on one connection, where the sandbox does not allow fewer. Default 100. */
  maxStreams?: number;
  /** Milliseconds after which a connection from which nothing has come is asked whether it still answers. Default 1000. */
  quietMs?: number;
  /** Milliseconds in which it has to. Default 1000. */
  pingTimeoutMs?: number;
}

/**
 * One connection to a sandbox that speaks HTTP/2 without TLS, with the requests on it. It is made with prior knowledge, and counts as made when
 * the sandbox's settings have come: what speaks something else is found out before a request is lost on it.
 */
export class H2cSession implements H2cConnection {
  served = 0;
  malformed = false;
  /** Those that have a place on it. */
  readonly requests = new Set<H2cRequest>();
  /** Called when a place is free again. */
  onFree: () => void = () => undefined;
  /** performance.now() when something last came. */
  heardAt = performance.now();
  private leaving = false;
  private asking: Promise<boolean> | undefined;

  static async open(address: string, options: Required<H2cSessionOptions>): Promise<H2cSession> {
    const began = performance.now();
    const socket = await dial(address, options);
    const session = connect('http://sandbox', {
      createConnection: () => socket,
      maxSettings: 16,
      settings: { enablePush: false, maxHeaderListSize: MAX_RESPONSE_HEAD },
      strictSingleValueFields: false, // repeated fields are the sandbox's own affair, and are passed on
    } as Parameters<typeof connect>[1]);
    const opened = new H2cSession(address, session, options);
    socket.once('end', () => opened.cutOff()); // dialled half-open, it would stay as it is
    await opened.introduced(options.connectTimeoutMs - (performance.now() - began));
    return opened;
  }

  private constructor(
    readonly address: string,
    private readonly session: ClientHttp2Session,
    private readonly options: Required<H2cSessionOptions>,
  ) {
    session
      .on('error', (error: NodeJS.ErrnoException) => (this.malformed ||= error.code === 'ERR_HTTP2_ERROR'))
      .on('goaway', () => (this.leaving = true));
  }

  /** Calls the listener when it is gone, which may be now. */
  onClosed(listener: () => void): void {
    if (this.session.destroyed) listener();
    else this.session.once('close', listener);
  }

  get ended(): boolean {
    return this.leaving || this.session.closed || this.session.destroyed;
  }

  get hasRoom(): boolean {
    const theirs = this.session.remoteSettings?.maxConcurrentStreams ?? Infinity;
    return !this.ended && this.requests.size < Math.min(this.options.maxStreams, theirs);
  }

  /** Nothing has come for so long that it may have gone without a word. */
  get isQuiet(): boolean {
    return performance.now() - this.heardAt > this.options.quietMs;
  }

  heard(): void {
    this.heardAt = performance.now();
  }

  /** A place for one request. */
  begin(): H2cRequest {
    const request = new H2cRequest(this);
    this.requests.add(request);
    return request;
  }

  free(request: H2cRequest): void {
    if (this.requests.delete(request)) this.onFree();
  }

  open(fields: string[], options: ClientSessionRequestOptions): ClientHttp2Stream {
    return this.session.request(fields as unknown as OutgoingHttpHeaders, options);
  }

  /** Whether it answers a ping. One that does not is cut off, with what is on it. */
  answers(): Promise<boolean> {
    return (this.asking ??= this.ask().finally(() => (this.asking = undefined)));
  }

  /** Takes no more requests, and closes when those that are on it have ended. */
  retire(): void {
    this.session.close();
  }

  destroy(): void {
    this.session.destroy();
  }

  private cutOff(): void {
    for (const request of [...this.requests]) request.cutOff();
    this.retire();
  }

  private ask(): Promise<boolean> {
    return new Promise((done) => {
      const settle = (answered: boolean) => {
        clearTimeout(timer);
        if (answered) this.heard();
        else this.destroy();
        done(answered);
      };
      const timer = setTimeout(() => settle(false), this.options.pingTimeoutMs);
      try {
        if (!this.session.ping((error) => settle(!error))) settle(false);
      } catch {
        settle(false); // it has ended meanwhile
      }
    });
  }

  private introduced(withinMs: number): Promise<void> {
    return new Promise((done, failed) => {
      const settle = (failure?: UpstreamFailure) => {
        clearTimeout(timer);
        this.session.off('remoteSettings', onSettings).off('close', onClose);
        if (!failure) return done();
        this.session.destroy();
        failed(failure);
      };
      const notHttp2 = new UpstreamFailure('malformed', `${this.address} does not speak HTTP/2 without TLS`);
      const onSettings = () => settle();
      const onClose = () => settle(this.malformed ? notHttp2 : new UpstreamFailure('reset', `${this.address} closed the connection`));
      const timer = setTimeout(
        () => settle(new UpstreamFailure('timeout', `${this.address} sent no settings in time`)),
        Math.max(1, withinMs),
      );
      this.session.once('remoteSettings', onSettings).once('close', onClose);
    });
  }
}
