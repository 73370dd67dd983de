import { METHODS, type IncomingHttpHeaders } from 'node:http';
import { constants, type IncomingHttpHeaders as Http2Headers, type ServerHttp2Stream } from 'node:http2';
import type { ClientRequest } from './client-message.js';
import { isFieldName, isFieldValue } from './http2-fields.js';
import { badRequest, Refusal } from './problem.js';
import { ALLOWED } from './request-target.js';

const MAX_HEAD = 16 * 1024;
const FIELD_OVERHEAD = 4; // what `: ` and CRLF would take in HTTP/1.1
const PSEUDO = new Set([':method', ':scheme', ':authority', ':path']);
const OF_ONE_CONNECTION = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade', 'http2-settings']);
const METHOD = new Set(METHODS);

/**
 * A request that came as a stream of HTTP/2, in the words of HTTP/1.1 (RFC 9113 §8.3), so that the same eyes look at both. What would
 * be read differently there is refused here: nothing that HTTP/1.1 could not say passes.
 */
export class Http2Request implements ClientRequest {
  /** Not `2.0`, which a line of HTTP/1.1 could claim. */
  readonly httpVersion = '2';
  readonly method: string;
  readonly url: string;
  readonly rawHeaders: string[] = [];
  readonly headers: IncomingHttpHeaders;
  readonly rawTrailers: string[] = [];
  /** Why it may not be looked at any further. */
  readonly malformed: Refusal | undefined;

  constructor(
    private readonly stream: ServerHttp2Stream,
    headers: Http2Headers,
    raw: readonly string[],
  ) {
    this.headers = headers;
    this.method = headers[':method'] ?? '-';
    this.url = headers[':path'] ?? '*';
    this.malformed = this.translate(raw);
    stream.on('trailers', (_: unknown, __: unknown, trailers?: string[]) => this.readTrailers(trailers ?? []));
  }

  get complete(): boolean {
    return this.stream.readableEnded && !this.stream.aborted && this.stream.rstCode === constants.NGHTTP2_NO_ERROR;
  }

  on(event: 'data' | 'end', listener: (data: Buffer) => void): void {
    // An end that a reset has made is no end.
    if (event === 'end') this.stream.on('end', () => this.complete && listener(Buffer.alloc(0)));
    else this.stream.on('data', listener);
  }

  once(event: 'end' | 'close', listener: () => void): void {
    this.stream.once(event, listener);
  }

  removeAllListeners(event: 'data'): void {
    this.stream.removeAllListeners(event);
  }

  pause(): void {
    this.stream.pause();
  }

  resume(): void {
    this.stream.resume();
  }

  private translate(raw: readonly string[]): Refusal | undefined {
    const pseudo = new Map<string, string>();
    const cookies: string[] = [];
    let size = 0;
    for (let i = 0; i < raw.length; i += 2) {
      const [name, value] = [raw[i]!, raw[i + 1]!];
      size += name.length + value.length + FIELD_OVERHEAD;
      if (!isFieldValue(value)) return badRequest('A field has a character that may not be there');
      if (name.startsWith(':')) {
        if (!PSEUDO.has(name) || pseudo.has(name)) return badRequest('A pseudo-header field is unknown or repeated');
        pseudo.set(name, value);
      } else if (!isFieldName(name)) return badRequest('The name of a field is not valid');
      else if (OF_ONE_CONNECTION.has(name)) return badRequest('A field of the connection has no place in HTTP/2');
      else if (name === 'cookie') cookies.push(value);
      else this.rawHeaders.push(name, value);
    }
    if (size > MAX_HEAD) return new Refusal('HEADERS_TOO_LARGE', 'The request head is larger than 16 KiB');
    if (cookies.length > 0) this.rawHeaders.push('cookie', cookies.join('; '));
    return this.translateTarget(pseudo) ?? this.frame();
  }

  private translateTarget(pseudo: ReadonlyMap<string, string>): Refusal | undefined {
    if (this.method === 'CONNECT')
      return new Refusal('METHOD_NOT_ALLOWED', 'A tunnel is opened by CONNECT over HTTP/1.1', { allow: ALLOWED });
    if (!METHOD.has(this.method)) return badRequest('The method is not known');
    if (pseudo.get(':scheme') !== 'https' || !pseudo.get(':path')) return badRequest('The scheme must be https, and a path must be there');
    const authority = pseudo.get(':authority');
    const host = this.headers.host;
    if (authority === undefined) return undefined; // then Host must be there, which is looked for with the other fields
    if (host !== undefined && host !== authority) return badRequest('Host is not what :authority says');
    if (host === undefined) this.rawHeaders.unshift('host', authority);
    return undefined;
  }

  /** A body without a length is sent on in chunks. */
  private frame(): undefined {
    if (!this.stream.endAfterHeaders && this.headers['content-length'] === undefined) this.rawHeaders.push('transfer-encoding', 'chunked');
  }

  private readTrailers(raw: readonly string[]): void {
    for (let i = 0; i < raw.length; i += 2) {
      const [name, value] = [raw[i]!, raw[i + 1]!];
      if (isFieldName(name) && isFieldValue(value)) this.rawTrailers.push(name, value);
    }
  }
}
