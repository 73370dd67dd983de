import { CODE_HEADER } from '@sandlot/service-kit';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tooLarge, type Admission } from './admission.js';
import { answerRefusal, endAfterBody } from './answer.js';
import type { ClientConnection, UnderWay } from './client-connection.js';
import { UpstreamFailure } from './dial.js';
import { requestTrailerLines, responseHeaders, responseTrailers } from './header-hygiene.js';
import { Refusal } from './problem.js';
import type { RequestTrail } from './record.js';
import type { ResponseHead } from './response-head.js';
import type { ResponseSink, UpstreamConnection } from './upstream-connection.js';
import type { UpstreamPool } from './upstream-pool.js';

export interface ExchangeOptions {
  pool: UpstreamPool;
  /** Milliseconds from the end of dialling to the response head. */
  responseTimeoutMs: number;
  /** Asked when the answer's head is written: whether the client should be told to go. */
  draining: () => boolean;
}

/** Methods that may be sent again when a kept connection turns out to have been closed before anything came back. */
const REPEATABLE = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);
/** A request that may not be repeated takes only a connection that was in use this recently (milliseconds). */
const FRESH_ENOUGH_MS = 1000;
/** Bodies up to this go out in one write with their head, as a string. */
const SMALL_BODY = 4096;

/**
 * One admitted request: its body to the upstream, the response to the client, back-pressure both ways, nothing buffered beyond
 * the sockets' own. A response that breaks off after its head was sent resets the client's connection: it never looks complete.
 */
export class Exchange implements ResponseSink, UnderWay {
  private connection: UpstreamConnection | undefined;
  private head: ResponseHead | undefined;
  private requestSent = false;
  private retried = false;
  private over = false;
  private continued = false;
  private bodyStarted = false;

  constructor(
    private readonly request: IncomingMessage,
    private readonly response: ServerResponse,
    private readonly client: ClientConnection,
    private readonly admission: Admission,
    private readonly trail: RequestTrail,
    private readonly options: ExchangeOptions,
  ) {}

  start(): void {
    this.client.underWay.add(this);
    this.requestSent = this.admission.head.body === undefined || this.admission.head.body === 0;
    this.connect(this.repeatable ? Infinity : FRESH_ENOUGH_MS);
  }

  /** Takes over a request that was sent already, and whose answer comes to this sink. */
  adopt(connection: UpstreamConnection | undefined): void {
    this.client.underWay.add(this);
    this.requestSent = true;
    this.connection = connection;
  }

  clientGone(): void {
    if (this.over) return;
    const { status, code, reason } = this.client.departure;
    this.trail.code ??= code;
    this.trail.reason ??= reason;
    this.finish(this.head?.status ?? status);
  }

  onContinue(): void {
    if (!this.admission.head.expectsContinue || this.continued) return;
    this.continued = true;
    this.response.writeContinue();
  }

  onHead(head: ResponseHead): void {
    const { to } = this.admission;
    this.head = head;
    if (to === 'gateway') this.noteCode(head);
    if (this.options.draining()) this.response.shouldKeepAlive = false;
    const headers = responseHeaders(head.headers, head.listed, to);
    headers.push('x-request-id', this.trail.requestId);
    this.response.writeHead(head.status, head.reason, headers);
  }

  onBody(data: Buffer, last: boolean): void {
    this.bodyStarted = true;
    this.trail.bytesOut += data.length;
    if (last && this.requestSent) {
      if (data.length <= SMALL_BODY) this.response.end(data.toString('latin1'), 'latin1');
      else this.response.end(data);
    } else if (!this.response.write(data)) {
      const { connection } = this;
      connection?.pause();
      this.response.once('drain', () => connection?.resume());
    }
  }

  onWaiting(): void {
    if (!this.bodyStarted && this.head) this.response.flushHeaders();
  }

  onEnd(trailers: string[]): void {
    const { connection, request, response, head } = this;
    if (trailers.length > 0 && request.httpVersion === '1.1')
      response.addTrailers(pairs(responseTrailers(trailers, head!.listed, this.admission.to)));
    if (this.requestSent) {
      if (!response.writableEnded) response.end();
      this.connection = undefined;
      connection!.resume();
      this.options.pool.release(connection!);
    } else {
      // An early answer: the upstream does not want the rest of the body.
      endAfterBody(request, response);
    }
    this.finish();
  }

  onFailure(failure: UpstreamFailure): void {
    const { connection } = this;
    const stale = failure.kind === 'reset' && connection !== undefined && connection.served > 0 && !connection.answered;
    this.connection = undefined;
    if (stale && this.repeatable && !this.retried) {
      this.retried = true;
      this.connect(0);
    } else {
      this.fail(failure);
    }
  }

  /** Nothing of it can have had an effect, or having it twice changes nothing. */
  private get repeatable(): boolean {
    return REPEATABLE.has(this.admission.method) && (this.admission.head.body ?? 0) === 0;
  }

  private connect(maxIdleMs: number): void {
    try {
      const connection = this.options.pool.acquire(this.admission.address, maxIdleMs);
      if (connection instanceof Promise)
        connection.then(
          (opened) => this.send(opened),
          (error: unknown) => this.fail(asFailure(error)),
        );
      else this.send(connection);
    } catch (error) {
      this.fail(asFailure(error));
    }
  }

  private send(connection: UpstreamConnection): void {
    if (this.over) return this.options.pool.release(connection);
    this.connection = connection;
    const { lines, method, head } = this.admission;
    const { socket } = connection;
    if (this.requestSent) {
      const framing = head.body === 0 ? 'content-length: 0\r\n\r\n' : '\r\n';
      return connection.send(lines + framing, method, this, performance.now() + this.options.responseTimeoutMs);
    }
    // A small body is in memory already: let it leave together with the head.
    socket.cork();
    const framing = head.body === 'chunked' ? 'transfer-encoding: chunked\r\n' : `content-length: ${head.body}\r\n`;
    const expect = head.expectsContinue ? 'expect: 100-continue\r\n' : '';
    connection.send(`${lines}${framing}${expect}\r\n`, method, this, performance.now() + this.options.responseTimeoutMs);
    connection.onDrain = () => this.request.resume();
    this.request.on('data', (data: Buffer) => this.sendBody(data));
    this.request.on('end', () => this.endBody());
    process.nextTick(() => socket.uncork());
  }

  private sendBody(data: Buffer): void {
    this.trail.bytesIn += data.length;
    if (!this.connection) return;
    if (this.trail.bytesIn > this.admission.bodyLimit) return this.refuse(tooLarge(this.admission.bodyLimit));
    const { socket } = this.connection;
    if (this.admission.head.body === 'chunked') {
      socket.cork();
      socket.write(`${data.length.toString(16)}\r\n`, 'latin1');
      socket.write(data);
      socket.write('\r\n', 'latin1');
      socket.uncork();
    } else {
      socket.write(data);
    }
    if (socket.writableNeedDrain) this.request.pause();
  }

  private endBody(): void {
    if (!this.connection || !this.request.complete) return;
    if (this.admission.head.body === 'chunked') {
      this.connection.socket.write(`0\r\n${requestTrailerLines(this.request.rawTrailers)}\r\n`, 'latin1');
    }
    this.requestSent = true;
  }

  private fail(failure: UpstreamFailure): void {
    if (this.over) return;
    this.trail.reason = failure.message;
    this.refuse(refusalOf(failure, this.admission.to));
  }

  /** Answers instead of the upstream, or, when its answer has begun, breaks that off so that nobody takes it for complete. */
  private refuse(refusal: Refusal): void {
    if (this.over) return;
    this.trail.code = refusal.code;
    if (this.head) {
      this.finish();
      this.client.socket.resetAndDestroy();
    } else {
      if (this.options.draining()) this.response.shouldKeepAlive = false;
      this.finish(refusal.status);
      answerRefusal(this.request, this.response, refusal, this.trail.requestId);
    }
  }

  private noteCode(head: ResponseHead): void {
    const at = head.headers.findIndex((text, i) => i % 2 === 0 && text.toLowerCase() === CODE_HEADER);
    if (at >= 0) this.trail.code = head.headers[at + 1];
  }

  private finish(status = this.head!.status): void {
    this.over = true;
    this.client.underWay.delete(this);
    this.connection?.destroy();
    this.connection = undefined;
    this.trail.finish(status);
  }
}

export function asFailure(error: unknown): UpstreamFailure {
  return error instanceof UpstreamFailure ? error : new UpstreamFailure('unreachable', 'dialling failed', { cause: error });
}

/** What a client is told of a failure: which side failed and how, never an address. */
export function refusalOf({ kind }: UpstreamFailure, to: 'sandbox' | 'gateway'): Refusal {
  if (kind === 'busy') return new Refusal('UNAVAILABLE', 'Too many requests are waiting for the same upstream', { retryAfter: 1 });
  if (to === 'gateway') return new Refusal('UNAVAILABLE', 'The API did not answer', { retryAfter: 1 });
  if (kind === 'timeout') return new Refusal('SANDBOX_TIMEOUT', 'The sandbox did not answer in time');
  if (kind === 'malformed') return new Refusal('SANDBOX_UNREACHABLE', 'The sandbox sent a malformed response');
  if (kind === 'reset') return new Refusal('SANDBOX_UNREACHABLE', 'The sandbox closed the connection without an answer');
  return new Refusal('SANDBOX_UNREACHABLE', 'The sandbox cannot be reached');
}

function pairs(flat: string[]): [string, string][] {
  const out: [string, string][] = [];
  for (let i = 0; i < flat.length; i += 2) out.push([flat[i]!, flat[i + 1]!]);
  return out;
}
