import type { UpstreamFailure } from './dial.js';
import type { RequestHead } from './header-hygiene.js';
import type { ResponseHead } from './response-head.js';

/**
 * Hears the answer to one request. Calls come in the order (onContinue | onInterim)*, onHead, onBody*, onEnd, or onFailure at any point, and
 * none after the last two.
 */
export interface ResponseSink {
  /** 100 (Continue) came. */
  onContinue(): void;
  /** Another interim response came. */
  onInterim?(head: ResponseHead): void;
  onHead(head: ResponseHead): void;
  /** @param last no more will come; only known early for bodies of announced length */
  onBody(data: Buffer, last: boolean): void;
  /** The response is complete. What it came from no longer belongs to the sink. */
  onEnd(trailers: string[]): void;
  onFailure(failure: UpstreamFailure): void;
  /** All that has arrived was handed over, and the response is not complete: what is buffered should go out now. */
  onWaiting(): void;
}

/** The part of an admission that an upstream is sent. */
export interface OutgoingRequest {
  method: string;
  /** The request line and header lines, without framing fields and the empty line. */
  lines: string;
  head: Pick<RequestHead, 'body' | 'expectsContinue'>;
}

/** What one request is sent on and answered from: a connection of HTTP/1.1, or a stream of HTTP/2. */
export interface Upstream {
  /** Nothing has been answered, and that may be because the other side was closing already: the request had perhaps no effect. */
  readonly stale: boolean;
  /** Whether what is sent of a body is lost; there may be an answer nevertheless. */
  readonly writeFailed: boolean;
  /** Called when more of the body may be written. */
  onDrain: () => void;
  /** Sends the head. A body follows by `write` and `end`, where the head says that there is one. */
  request(request: OutgoingRequest, sink: ResponseSink, deadline: number): void;
  /** @returns false when nothing more should come before `onDrain` */
  write(data: Buffer): boolean;
  /** Ends the body. @param trailers name, value, name, value, already looked at */
  end(trailers: readonly string[]): void;
  pause(): void;
  resume(): void;
  /** Breaks the request off; the sink hears nothing more. */
  destroy(): void;
}

export interface UpstreamSource {
  /** @param maxIdleMs what has been quiet for longer is not used as it is */
  acquire(address: string, maxIdleMs: number): Upstream | Promise<Upstream>;
  /** Takes back what has been answered completely, or was never used. */
  release(upstream: Upstream): void;
}
