import type { OutgoingHttpHeaders, ServerHttp2Stream, ServerStreamResponseOptions } from 'node:http2';
import type { ClientResponse } from './client-message.js';

const BODYLESS = new Set([204, 205, 304]);
/** What node:http2 refuses to send, besides what responseHeaders takes away. */
const OF_ONE_CONNECTION = new Set(['http2-settings', 'connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade', 'te']);
/** HTTP/2 knows no others; clients take an unknown one for the first of its class, and there is no class above. */
const HIGHEST_STATUS = 599;

/** An answer on a stream of HTTP/2. What comes when the client has gone is thrown away, as node:http does. */
export class Http2Response implements ClientResponse {
  /** Of no meaning here: the connection is told to go, not the request. */
  shouldKeepAlive = true;
  writableEnded = false;
  /** The head, until something follows: an answer that has nothing else ends with it, which is how gRPC says that a call has failed. */
  private held: string[] | undefined;
  private trailers: OutgoingHttpHeaders | undefined;
  private bodyless = false;

  /** @param head whether it answers HEAD */
  constructor(
    private readonly stream: ServerHttp2Stream,
    private readonly head: boolean,
  ) {
    stream.on('wantTrailers', () => this.gone || stream.sendTrailers(this.trailers ?? {}));
  }

  get headersSent(): boolean {
    return this.held !== undefined || this.stream.headersSent;
  }

  writeContinue(): void {
    if (!this.gone) this.stream.additionalHeaders({ ':status': 100 });
  }

  writeProcessing(): void {
    if (!this.gone) this.stream.additionalHeaders({ ':status': 102 });
  }

  writeEarlyHints({ link }: { link: string[] }): void {
    if (!this.gone) this.stream.additionalHeaders({ ':status': 103, link });
  }

  writeHead(status: number, reasonOrHeaders: string | string[], headers = reasonOrHeaders as string[]): void {
    if (this.gone) return;
    const sent = [':status', String(status > HIGHEST_STATUS ? 502 : status)];
    for (let i = 0; i < headers.length; i += 2) {
      const name = headers[i]!.toLowerCase();
      if (!OF_ONE_CONNECTION.has(name)) sent.push(name, headers[i + 1]!);
    }
    this.bodyless = this.head || BODYLESS.has(status);
    this.held = sent;
    if (this.bodyless) this.respond({ endStream: true });
  }

  flushHeaders(): void {
    this.respond({ waitForTrailers: true });
  }

  get writableLength(): number {
    return this.stream.writableLength;
  }

  write(data: Buffer | string, written?: () => void): boolean {
    if (this.gone || this.bodyless) return true;
    this.flushHeaders();
    return this.stream.write(data, written);
  }

  addTrailers(trailers: [string, string][]): void {
    for (const [name, value] of trailers) {
      const key = name.toLowerCase();
      if (OF_ONE_CONNECTION.has(key)) continue;
      this.trailers ??= {};
      this.trailers[key] = [this.trailers[key] ?? [], value].flat() as string[];
    }
  }

  end(data?: Buffer | string | (() => void), encoding?: BufferEncoding): void {
    this.writableEnded = true;
    if (this.gone || this.bodyless) return;
    const none = data === undefined || typeof data === 'function';
    this.respond(this.trailers ? { waitForTrailers: true } : none ? { endStream: true } : {});
    if (none) this.stream.end();
    else this.stream.end(data, encoding ?? 'utf8');
  }

  once(event: 'drain', listener: () => void): void {
    this.stream.once(event, listener);
  }

  private respond(options: ServerStreamResponseOptions): void {
    if (!this.held || this.gone) return;
    this.stream.respond(this.held as unknown as OutgoingHttpHeaders, options);
    this.held = undefined;
  }

  private get gone(): boolean {
    return this.stream.destroyed || this.stream.closed;
  }
}
