import type { Socket } from 'node:net';
import { ChunkedBody } from './chunked-body.js';
import { UpstreamFailure } from './dial.js';
import { MalformedResponse, parseResponseHead, type ResponseHead } from './response-head.js';
import type { OutgoingRequest, ResponseSink, Upstream } from './upstream.js';
import { writeAway } from './written-bytes.js';
import { WriteGuard } from './write-guard.js';

type Phase = 'idle' | 'head' | 'length' | 'chunked' | 'close';

const MAX_INTERIM_RESPONSES = 16;
const BODYLESS = (status: number) => status === 204 || status === 304;
const NOTHING: string[] = [];

/**
 * One connection to an upstream and the response that is being read from it. It is kept for another request only when the
 * message before ended exactly where its framing said, with nothing after it; a connection about which there is any doubt is
 * closed.
 */
export class UpstreamConnection implements Upstream {
  /** Responses read to their end on this connection. */
  served = 0;
  /** performance.now() when it last became idle. */
  idleSince = 0;
  /** performance.now() after which a response head is too late; 0 while none is awaited. */
  deadline = 0;
  /** Has a byte of the present response arrived? If not, and the connection had served before, it may have been stale. */
  answered = false;
  /** Called once when the socket is gone, or somebody else's. */
  onClosed: () => void = () => undefined;
  /** Called when the socket takes writes again. */
  onDrain: () => void = () => undefined;

  private sink: ResponseSink | undefined;
  private phase: Phase = 'idle';
  private bodyless = false;
  private partial: Buffer | undefined;
  private remaining = 0;
  private chunks: ChunkedBody | undefined;
  private interim = 0;
  private reusable = true;
  private upgrading = false;
  private behindHead: Buffer | undefined;
  private guard: WriteGuard | undefined;
  /** How the request's body is framed. */
  private inChunks = false;

  constructor(
    readonly socket: Socket,
    readonly address: string,
  ) {
    socket.on('data', this.read).on('end', this.ended).on('error', this.broken).on('drain', this.drained);
    socket.on('close', this.closed);
  }

  get usable(): boolean {
    return (
      this.reusable && this.phase === 'idle' && !this.writeFailed && !this.socket.destroyed && this.socket.readable && this.socket.writable
    );
  }

  /** Whether what is sent of a body is lost; there may be an answer nevertheless. */
  get writeFailed(): boolean {
    return this.guard?.failed ?? false;
  }

  get stale(): boolean {
    return this.served > 0 && !this.answered;
  }

  request({ method, lines, head: { body, expectsContinue } }: OutgoingRequest, sink: ResponseSink, deadline: number): void {
    if (body === undefined || body === 0) {
      const framing = body === 0 ? 'content-length: 0\r\n\r\n' : '\r\n';
      return this.send(lines + framing, method, sink, deadline);
    }
    const { socket } = this;
    this.inChunks = body === 'chunked';
    this.outliveWrites();
    // A small body is in memory already: let it leave together with the head.
    socket.cork();
    const framing = this.inChunks ? 'transfer-encoding: chunked\r\n' : `content-length: ${body}\r\n`;
    const expect = expectsContinue ? 'expect: 100-continue\r\n' : '';
    this.send(`${lines}${framing}${expect}\r\n`, method, sink, deadline);
    process.nextTick(() => socket.uncork());
  }

  write(data: Buffer): boolean {
    const { socket } = this;
    if (this.inChunks) {
      socket.cork();
      socket.write(`${data.length.toString(16)}\r\n`, 'latin1');
      writeAway(socket, data);
      socket.write('\r\n', 'latin1');
      socket.uncork();
    } else {
      writeAway(socket, data);
    }
    return !socket.writableNeedDrain || socket.writableLength === 0;
  }

  end(trailers: readonly string[]): void {
    if (!this.inChunks) return;
    let lines = '0\r\n';
    for (let i = 0; i < trailers.length; i += 2) lines += `${trailers[i]}: ${trailers[i + 1]}\r\n`;
    this.socket.write(`${lines}\r\n`, 'latin1');
  }

  /** A body follows: if the upstream stops reading it, its answer still counts. */
  private outliveWrites(): void {
    if (this.guard) this.guard.active = true;
    else this.guard = new WriteGuard(this.socket);
  }

  /** The body is sent, or the socket becomes somebody else's. */
  endBody(): void {
    if (this.guard) this.guard.active = false;
  }

  /** Writes a request head and reads its response into the sink. */
  private send(head: string, method: string, sink: ResponseSink, deadline: number): void {
    this.sink = sink;
    this.phase = 'head';
    this.bodyless = method === 'HEAD';
    this.answered = false;
    this.upgrading = false;
    this.interim = 0;
    this.deadline = deadline;
    this.socket.write(head, 'latin1');
  }

  /** A request that may be answered 101; then `onHead` is followed by `detach`. */
  sendUpgrade(head: string, sink: ResponseSink, deadline: number): void {
    this.send(head, 'GET', sink, deadline);
    this.upgrading = true;
  }

  /** Gives the socket away after a 101, with what came behind its head. */
  detach(): { socket: Socket; first: Buffer | undefined } {
    const { socket, behindHead: first } = this;
    this.sink = undefined;
    this.deadline = 0;
    this.endBody();
    socket.off('data', this.read).off('end', this.ended).off('error', this.broken).off('drain', this.drained).off('close', this.closed);
    this.onClosed();
    return { socket, first };
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  /** Closes the connection; the sink hears nothing more. */
  destroy(): void {
    this.sink = undefined;
    this.reusable = false;
    this.socket.destroy();
  }

  private readonly read = (bytes: Buffer): void => {
    if (!this.sink) return this.destroy(); // nobody asked: whatever this is, it must not become the next request's answer
    this.answered = true;
    const sink = this.sink;
    try {
      this.consume(bytes);
    } catch (error) {
      if (!(error instanceof MalformedResponse)) throw error;
      return this.fail(new UpstreamFailure('malformed', `${this.address} sent a malformed response: ${error.message}`));
    }
    if (this.sink === sink) sink.onWaiting();
  };

  private consume(bytes: Buffer): void {
    let rest: Buffer | undefined = bytes;
    while (rest && this.phase === 'head' && this.sink) rest = this.readHead(rest);
    if (!rest || !this.sink) return;
    if (this.phase === 'length') this.readLength(rest);
    else if (this.phase === 'chunked') this.readChunks(rest);
    else if (this.phase === 'close') this.sink.onBody(rest, false);
  }

  /** @returns what follows the head; undefined when nothing does or the head is incomplete */
  private readHead(bytes: Buffer): Buffer | undefined {
    const buffer = this.partial ? Buffer.concat([this.partial, bytes]) : bytes;
    const head = parseResponseHead(buffer);
    this.partial = head ? undefined : buffer;
    if (!head) return undefined;
    const rest = head.length < buffer.length ? buffer.subarray(head.length) : undefined;
    if (head.status < 200 && head.status !== 101) this.readInterim(head);
    else this.begin(head, rest);
    return rest;
  }

  private readInterim(head: ResponseHead): void {
    if (head.status < 100 || head.chunked || head.contentLength) throw new MalformedResponse('interim response with a body');
    if (++this.interim > MAX_INTERIM_RESPONSES) throw new MalformedResponse('too many interim responses');
    if (head.status === 100) this.sink!.onContinue();
    else this.sink!.onInterim?.(head);
  }

  private begin(head: ResponseHead, rest: Buffer | undefined): void {
    const sink = this.sink!;
    if (head.status === 101) {
      if (!this.upgrading) throw new MalformedResponse('101 without a request to upgrade');
      this.behindHead = rest;
      return sink.onHead(head);
    }
    this.deadline = 0;
    this.reusable = head.keepAlive && !this.upgrading;
    const bodyless = this.bodyless || BODYLESS(head.status);
    if (bodyless) head.chunked = false;
    if (head.status === 204) head.contentLength = undefined;
    if (bodyless || head.contentLength === 0) {
      sink.onHead(head);
      if (this.sink !== sink) return;
      if (rest) this.reusable = false;
      return this.complete(NOTHING);
    }
    this.phase = head.chunked ? 'chunked' : head.contentLength === undefined ? 'close' : 'length';
    this.remaining = head.contentLength ?? 0;
    this.chunks = head.chunked ? new ChunkedBody() : undefined;
    if (this.phase === 'close') this.reusable = false;
    sink.onHead(head);
  }

  private readLength(bytes: Buffer): void {
    if (bytes.length < this.remaining) {
      this.remaining -= bytes.length;
      return this.sink!.onBody(bytes, false);
    }
    const sink = this.sink!;
    const extra = bytes.length > this.remaining;
    if (extra) this.reusable = false;
    sink.onBody(extra ? bytes.subarray(0, this.remaining) : bytes, true);
    if (this.sink === sink) this.complete(NOTHING);
  }

  private readChunks(bytes: Buffer): void {
    const sink = this.sink!;
    const chunks = this.chunks!;
    const taken = chunks.push(bytes, (data) => this.sink === sink && sink.onBody(data, false));
    if (!chunks.done || this.sink !== sink) return;
    if (taken < bytes.length) this.reusable = false;
    this.complete(chunks.trailers);
  }

  private readonly ended = (): void => {
    if (this.phase === 'close' && this.sink) this.complete(NOTHING);
    else this.fail(new UpstreamFailure('reset', `${this.address} closed the connection before its response was complete`));
    this.socket.destroy();
  };

  private readonly broken = (cause: Error): void => {
    this.fail(new UpstreamFailure('reset', `${this.address} closed the connection`, { cause }));
  };

  private readonly closed = (): void => {
    this.fail(new UpstreamFailure('reset', `${this.address} closed the connection`));
    this.onClosed();
  };

  private readonly drained = (): void => this.onDrain();

  private complete(trailers: string[]): void {
    const sink = this.sink!;
    this.sink = undefined;
    this.phase = 'idle';
    this.chunks = undefined;
    this.served++;
    sink.onEnd(trailers);
  }

  /** Closes the connection and tells the sink why. */
  fail(failure: UpstreamFailure): void {
    const sink = this.sink;
    this.sink = undefined;
    this.reusable = false;
    this.socket.destroy();
    sink?.onFailure(failure);
  }
}
