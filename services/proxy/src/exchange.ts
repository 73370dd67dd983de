import { CODE_HEADER } from '@sandlot/service-kit';
import { tooLarge } from './admission.js';
import type { Admission } from './admitted.js';
import { answerRefusal, endAfterBody } from './answer.js';
import type { ClientConnection, UnderWay } from './client-connection.js';
import type { ClientRequest, ClientResponse } from './client-message.js';
import { UpstreamFailure } from './dial.js';
import { requestTrailers, responseHeaders, responseTrailers } from './header-hygiene.js';
import { passInterim } from './interim-response.js';
import { Refusal } from './problem.js';
import type { RequestTrail } from './record.js';
import type { ResponseHead } from './response-head.js';
import type { ResponseSink, Upstream, UpstreamSource } from './upstream.js';
import { writeAway } from './written-bytes.js';

export interface ExchangeOptions {
  pool: UpstreamSource;
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
  private connection: Upstream | undefined;
  private head: ResponseHead | undefined;
  private requestSent = false;
  private retried = false;
  private over = false;
  private continued = false;
  private bodyStarted = false;

  constructor(
    private readonly request: ClientRequest,
    private readonly response: ClientResponse,
    private readonly client: ClientConnection,
    private readonly admission: Admission,
    readonly trail: RequestTrail,
    private readonly options: ExchangeOptions,
  ) {}

  start(): void {
    this.client.underWay.add(this);
    this.requestSent = this.admission.head.body === undefined || this.admission.head.body === 0;
    this.connect(this.repeatable ? Infinity : FRESH_ENOUGH_MS);
  }

  /** Takes over a request that was sent already, and whose answer comes to this sink. */
  adopt(connection: Upstream | undefined): void {
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

  onInterim(head: ResponseHead): void {
    if (this.request.httpVersion !== '1.0') passInterim(head, this.response);
  }

  onHead(head: ResponseHead): void {
    const { to, isolation } = this.admission;
    this.head = head;
    this.trail.answeredAt = performance.now();
    if (to === 'gateway') this.noteCode(head);
    if (this.options.draining()) this.response.shouldKeepAlive = false;
    const headers = responseHeaders(head.headers, head.listed, isolation);
    if (this.trail.limitHeaders) headers.push(...this.trail.limitHeaders);
    headers.push('x-request-id', this.trail.requestId);
    this.response.writeHead(head.status, head.reason, headers);
  }

  onBody(data: Buffer, last: boolean): void {
    this.bodyStarted = true;
    this.trail.bytesOut += data.length;
    if (last && this.requestSent) {
      if (data.length <= SMALL_BODY) this.response.end(data.toString('latin1'), 'latin1');
      else this.response.end(data);
    } else if (!writeAway(this.response, data) && this.response.writableLength > 0) {
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
    if (trailers.length > 0 && request.httpVersion !== '1.0')
      response.addTrailers(pairs(responseTrailers(trailers, head!.listed, this.admission.isolation)));
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
    const stale = (failure.kind === 'reset' || failure.kind === 'refused') && connection?.stale;
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

  private send(upstream: Upstream): void {
    if (this.over) return this.options.pool.release(upstream);
    this.connection = upstream;
    if (!this.requestSent) {
      upstream.onDrain = () => this.request.resume();
      this.request.on('data', (data: Buffer) => this.sendBody(data));
      this.request.on('end', () => this.endBody());
    }
    upstream.request(this.admission, this, performance.now() + this.options.responseTimeoutMs);
  }

  private sendBody(data: Buffer): void {
    this.trail.bytesIn += data.length;
    if (!this.connection) return;
    if (this.trail.bytesIn > this.admission.bodyLimit) return this.refuse(tooLarge(this.admission.bodyLimit));
    if (this.connection.writeFailed) return void this.request.pause(); // nobody takes the rest; there may still be an answer
    if (!this.connection.write(data)) this.request.pause();
  }

  private endBody(): void {
    if (!this.connection || !this.request.complete || this.connection.writeFailed) return;
    this.connection.end(requestTrailers(this.request.rawTrailers));
    this.requestSent = true;
  }

  private fail(failure: UpstreamFailure): void {
    if (this.over) return;
    this.trail.reason = failure.message;
    this.refuse(refusalOf(failure, this.admission.to), failure.resetCode);
  }

  get asksApi(): boolean {
    return this.admission.to === 'gateway' && this.head === undefined;
  }

  /**
   * Answers instead of the upstream, or, when its answer has begun, breaks that off so that nobody takes it for complete.
   * @param resetCode the one with which the upstream broke off, for a client that has such codes
   */
  refuse(refusal: Refusal, resetCode?: number): void {
    if (this.over) return;
    this.trail.code = refusal.code;
    if (this.head) {
      this.finish();
      this.client.breakOff(resetCode);
    } else {
      if (this.options.draining()) this.response.shouldKeepAlive = false;
      this.finish(refusal.status);
      answerRefusal(this.request, this.response, refusal, this.trail);
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
  if (kind === 'refused')
    return new Refusal('UNAVAILABLE', 'The sandbox took no more requests, and did nothing of this one', { retryAfter: 1 });
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
