import { STATUS_CODES } from 'node:http';
import { constants, type ClientHttp2Stream, type ClientSessionRequestOptions, type IncomingHttpHeaders } from 'node:http2';
import { UpstreamFailure } from './dial.js';
import { isFieldName, isFieldValue } from './http2-fields.js';
import type { ResponseHead } from './response-head.js';
import type { OutgoingRequest, ResponseSink, Upstream } from './upstream.js';

const { NGHTTP2_CANCEL, NGHTTP2_FLAG_END_STREAM, NGHTTP2_NO_ERROR, NGHTTP2_PROTOCOL_ERROR, NGHTTP2_REFUSED_STREAM } = constants;
const MAX_INTERIM_RESPONSES = 16;

/** The connection that a request has a place on (h2c-session.ts). */
export interface H2cConnection {
  readonly address: string;
  /** Requests that were answered to their end. */
  served: number;
  /** It has said or done what HTTP/2 does not allow. */
  readonly malformed: boolean;
  /** It takes no more requests. */
  readonly ended: boolean;
  open(fields: string[], options: ClientSessionRequestOptions): ClientHttp2Stream;
  free(request: H2cRequest): void;
  /** Something has come. */
  heard(): void;
}

/**
 * One request to a sandbox over HTTP/2. What was admitted is a head of HTTP/1.1, and is put in the other's words here, last of all: nothing
 * is sent that was not looked at. The stream is this request's alone, so breaking it off costs no other anything.
 */
export class H2cRequest implements Upstream {
  onDrain: () => void = () => undefined;
  /** performance.now() after which a response head is too late; 0 while none is awaited. */
  deadline = 0;
  private stream: ClientHttp2Stream | undefined;
  private sink: ResponseSink | undefined;
  private trailers: string[] = [];
  private answered = false;
  /** The sandbox has said that its answer is complete. */
  private whole = false;
  private refused = false;
  private interim = 0;

  constructor(private readonly session: H2cConnection) {}

  /** Either its peer says that it has not looked at it, or the session has ended before a word of it came back. */
  get stale(): boolean {
    return this.refused || (!this.answered && this.session.ended && this.session.served > 0);
  }

  get writeFailed(): boolean {
    return this.stream === undefined || this.stream.closed || this.stream.destroyed;
  }

  request({ lines, head: { body, expectsContinue } }: OutgoingRequest, sink: ResponseSink, deadline: number): void {
    this.sink = sink;
    this.deadline = deadline;
    const fields = fieldsOf(lines);
    if (typeof body === 'number') fields.push('content-length', String(body));
    if (expectsContinue) fields.push('expect', '100-continue');
    const options = { endStream: !body, waitForTrailers: body === 'chunked' };
    try {
      this.stream = this.session.open(fields, options);
    } catch (cause) {
      const failure = new UpstreamFailure('refused', `${this.session.address} has ended its connection`, { cause });
      this.refused = true;
      process.nextTick(() => this.fail(failure));
      return;
    }
    this.listen(this.stream);
  }

  write(data: Buffer): boolean {
    return this.stream!.write(data);
  }

  end(trailers: readonly string[]): void {
    const sent: Record<string, string[]> = {};
    for (let i = 0; i < trailers.length; i += 2) (sent[trailers[i]!.toLowerCase()] ??= []).push(trailers[i + 1]!);
    this.stream!.once('wantTrailers', () => this.writeFailed || this.stream!.sendTrailers(sent));
    this.stream!.end();
  }

  pause(): void {
    this.stream?.pause();
  }

  resume(): void {
    this.stream?.resume();
  }

  destroy(): void {
    this.sink = undefined;
    this.deadline = 0;
    if (!this.stream) return this.session.free(this);
    if (!this.stream.closed) this.stream.close(NGHTTP2_CANCEL);
    this.stream.resume(); // what has come is nobody's, and would keep it from closing
  }

  /** Leaves it to its end: all of its answer has come, and all of it was sent. */
  letGo(): void {
    this.sink = undefined;
    if (!this.stream) this.session.free(this);
    else if (!this.stream.writableFinished) this.stream.close(NGHTTP2_NO_ERROR); // as soon as it is
  }

  /** Ends it and tells the sink why. */
  fail(failure: UpstreamFailure): void {
    const { sink } = this;
    this.destroy();
    sink?.onFailure(failure);
  }

  private listen(stream: ClientHttp2Stream): void {
    this.noteEnd(stream);
    stream
      .on('headers', (_: IncomingHttpHeaders, __: number, raw: string[]) => this.readInterim(raw))
      .on('response', (_: IncomingHttpHeaders, flags: number, raw: string[]) => this.readHead(raw, flags))
      .on('data', (data: Buffer) => {
        this.session.heard();
        this.sink?.onBody(data, false);
      })
      .on('trailers', (_: IncomingHttpHeaders, __: number, raw: string[]) => (this.trailers = raw))
      .on('end', () => this.ended())
      .on('drain', () => this.onDrain())
      .on('error', () => undefined) // `close` follows, and says all there is to say
      .on('close', () => this.closed(stream));
  }

  private readInterim(raw: string[]): void {
    const head = responseHead(raw);
    if (!head || ++this.interim > MAX_INTERIM_RESPONSES) return this.fail(this.malformed());
    if (head.status === 100) this.sink?.onContinue();
    else this.sink?.onInterim?.(head);
  }

  private readHead(raw: string[], flags: number): void {
    this.answered = true;
    this.deadline = 0;
    this.session.heard();
    const { sink } = this;
    const head = responseHead(raw);
    if (!head) return this.fail(this.malformed());
    sink?.onHead(head);
    if (this.sink !== sink) return;
    if (flags & NGHTTP2_FLAG_END_STREAM) this.complete();
    else sink?.onWaiting();
  }

  /** Nothing more will come from the sandbox. What has come may still be on its way to the client. */
  cutOff(): void {
    if (!this.whole)
      this.fail(new UpstreamFailure('reset', `${this.session.address} closed the connection before its response was complete`));
  }

  private ended(): void {
    this.session.heard();
    if (this.whole) this.complete();
  }

  /**
   * Node ends the reading for END_STREAM, and also, without a sign of it, when a stream is reset without an error or its connection is lost. Only in
   * the first case is the stream not closed yet at that moment, however late its reader gets there.
   */
  private noteEnd(stream: ClientHttp2Stream): void {
    const push = stream.push.bind(stream);
    stream.push = (chunk: unknown, encoding?: BufferEncoding) => {
      if (chunk === null && !stream.closed && !stream.destroyed) this.whole = true;
      return push(chunk, encoding);
    };
  }

  private complete(): void {
    const { sink } = this;
    this.sink = undefined;
    if (!sink) return;
    this.session.served++;
    const trailers = fieldsFrom(this.trailers);
    if (trailers) sink.onEnd(trailers);
    else sink.onFailure(this.malformed());
  }

  private closed(stream: ClientHttp2Stream): void {
    this.session.free(this);
    if (!this.sink) return;
    const { session } = this;
    const code = stream.rstCode;
    this.refused = code === NGHTTP2_REFUSED_STREAM;
    if (session.malformed || code === NGHTTP2_PROTOCOL_ERROR) return this.fail(this.malformed());
    const kind = this.refused ? 'refused' : 'reset';
    const why = session.ended ? 'ended its connection' : `reset the stream (${code})`;
    const resetCode = session.ended || code === NGHTTP2_NO_ERROR ? undefined : code;
    this.fail(new UpstreamFailure(kind, `${session.address} ${why} before its response was complete`, undefined, resetCode));
  }

  private malformed(): UpstreamFailure {
    return new UpstreamFailure('malformed', `${this.session.address} sent what HTTP/2 does not allow`);
  }
}

/** From lines that we have made: `GET / HTTP/1.1`, Host, and fields that all have passed header-hygiene.ts. */
function fieldsOf(lines: string): string[] {
  const [requestLine, ...rest] = lines.split('\r\n');
  const [method, path] = requestLine!.split(' ');
  const pseudo = [':method', method!, ':scheme', 'http', ':path', path!];
  const fields: string[] = [];
  for (const line of rest) {
    if (line === '') continue;
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 2);
    if (name === 'host') pseudo.push(':authority', value);
    else fields.push(name, value);
  }
  // Trailers are passed on whoever asked; servers of gRPC look for this to see that nobody on the way drops them.
  return [...pseudo, ...fields, 'te', 'trailers'];
}

/** Undefined where it could not be said in HTTP/1.1. */
function responseHead(raw: string[]): ResponseHead | undefined {
  const headers = fieldsFrom(raw);
  const status = Number(raw[raw.indexOf(':status') + 1]);
  if (!headers || !(status >= 100 && status <= 599)) return undefined;
  const reason = STATUS_CODES[status] ?? '';
  return { status, reason, headers, listed: undefined, keepAlive: true, chunked: false, contentLength: undefined, length: 0 };
}

/** The fields without pseudo-fields; undefined where one is not such as may be passed on. */
function fieldsFrom(raw: readonly string[]): string[] | undefined {
  const fields: string[] = [];
  for (let i = 0; i < raw.length; i += 2) {
    const [name, value] = [raw[i]!, raw[i + 1]!];
    if (name.startsWith(':')) continue;
    if (!isFieldName(name) || !isFieldValue(value)) return undefined;
    fields.push(name, value);
  }
  return fields;
}
