import type { IncomingHttpHeaders } from 'node:http';

/** As a request says it; `2` is said by streams alone, and by no line of HTTP/1.1. */
export const HTTP_VERSIONS: ReadonlySet<string> = new Set(['1.1', '1.0', '2']);

/** A request as it is forwarded, however it came: node:http's IncomingMessage, or a stream of HTTP/2. */
export interface ClientRequest {
  readonly method?: string;
  readonly url?: string;
  readonly httpVersion: string;
  /** Name, value, name, value. */
  readonly rawHeaders: string[];
  readonly headers: IncomingHttpHeaders;
  readonly rawTrailers: string[];
  /** All of it has come. */
  readonly complete: boolean;
  on(event: 'data', listener: (data: Buffer) => void): unknown;
  on(event: 'end', listener: () => void): unknown;
  once(event: 'end' | 'close', listener: () => void): unknown;
  removeAllListeners(event: 'data'): unknown;
  pause(): unknown;
  resume(): unknown;
}

/** Its answer: node:http's ServerResponse, or that of a stream of HTTP/2. */
export interface ClientResponse {
  shouldKeepAlive: boolean;
  readonly headersSent: boolean;
  readonly writableEnded: boolean;
  /** Bytes that have been written to it and are not with the system yet. */
  readonly writableLength: number;
  writeContinue(): void;
  writeProcessing(): void;
  writeEarlyHints(hints: { link: string[] }): void;
  writeHead(status: number, headers: string[]): unknown;
  writeHead(status: number, reason: string, headers: string[]): unknown;
  flushHeaders(): void;
  /** @returns false when nothing more should come before `drain` */
  write(data: Buffer | string, written?: () => void): boolean;
  addTrailers(trailers: [string, string][]): void;
  end(ended?: () => void): unknown;
  end(data: Buffer | string, encoding?: BufferEncoding): unknown;
  once(event: 'drain', listener: () => void): unknown;
}
