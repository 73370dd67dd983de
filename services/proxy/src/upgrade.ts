import { hash } from 'node:crypto';
import { ServerResponse, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Admission } from './admitted.js';
import type { ClientConnection, UnderWay } from './client-connection.js';
import { UpstreamFailure } from './dial.js';
import type { EarlyBytes } from './early-bytes.js';
import { asFailure, Exchange, type ExchangeOptions } from './exchange.js';
import { responseHeaders, type RequestHead } from './header-hygiene.js';
import type { OpenConnection } from './open-connection.js';
import { badRequest, type Refusal } from './problem.js';
import type { RequestTrail } from './record.js';
import type { ResponseHead } from './response-head.js';
import { Splice } from './splice.js';
import type { UpstreamConnection } from './upstream-connection.js';
import type { UpstreamPool } from './upstream-pool.js';
import type { ResponseSink } from './upstream.js';

export const ACCEPT_SUFFIX = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const KEY = /^[A-Za-z0-9+/]{22}==$/;

/** Only a request that asks for exactly this is taken out of HTTP; every other Upgrade (h2c) is dropped and the request served as it is. */
export function asksForWebSocket(request: IncomingMessage): boolean {
  return request.headers.upgrade?.toLowerCase() === 'websocket';
}

/** Checks the opening handshake (RFC 6455 §4.2.1). */
export function checkWebSocketRequest(request: IncomingMessage, head: RequestHead): Refusal | undefined {
  const { headers } = request;
  if (request.method !== 'GET' || request.httpVersion !== '1.1') return badRequest('A WebSocket is opened by GET over HTTP/1.1');
  if (headers['sec-websocket-version'] !== '13') return badRequest('Only WebSocket version 13 is understood');
  if (!KEY.test(headers['sec-websocket-key'] ?? '')) return badRequest('Sec-WebSocket-Key is not valid');
  if (head.body !== undefined) return badRequest('A WebSocket is opened without a body');
  return undefined;
}

/** An answer of node:http on a socket that node:http has given away; the connection ends with it. */
export function responseOn(request: IncomingMessage, socket: Socket): ServerResponse {
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket);
  response.once('finish', () => socket.destroySoon());
  return response;
}

export interface WebSocketOptions extends ExchangeOptions {
  pool: UpstreamPool;
  /** Milliseconds for which nothing may pass before it is closed; 0 for ever. */
  idleMs: number;
  open: Set<OpenConnection>;
}

/** Milliseconds that the second direction may stay open after the first has ended. */
const HALF_OPEN_MS = 10_000;

/**
 * One WebSocket: the request goes out on a connection of its own; a right 101 is passed on and from there bytes pass both ways,
 * frames unseen. Any other answer is an ordinary response, relayed as such, after which the connection ends.
 */
export class WebSocketExchange implements ResponseSink, UnderWay {
  private connection: UpstreamConnection | undefined;
  private ordinary: Exchange | undefined;
  private over = false;

  constructor(
    private readonly request: IncomingMessage,
    readonly socket: Socket,
    private readonly early: EarlyBytes,
    private readonly client: ClientConnection,
    private readonly admission: Admission,
    readonly trail: RequestTrail,
    private readonly options: WebSocketOptions,
  ) {}

  async start(): Promise<void> {
    this.client.underWay.add(this);
    try {
      const connection = await this.options.pool.dial(this.admission.address);
      if (this.over) return connection.destroy();
      this.connection = connection;
      const lines = `${this.admission.lines}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`;
      connection.sendUpgrade(lines, this, performance.now() + this.options.responseTimeoutMs);
    } catch (error) {
      this.onFailure(asFailure(error));
    }
  }

  /** Before it is open; afterwards the splice notices. */
  clientGone(): void {
    this.over = true;
    this.connection?.destroy();
    this.finish(499);
  }

  refuse(refusal: Refusal): void {
    if (this.over) return;
    this.relay().refuse(refusal);
    this.over = true; // a dial that is under way has nobody to come to
  }

  onContinue(): void {
    // Nobody asked for it; a WebSocket request has no body.
  }

  onHead(head: ResponseHead): void {
    if (head.status === 101) return this.upgrade(head);
    this.relay().onHead(head);
  }

  onBody(data: Buffer, last: boolean): void {
    this.ordinary?.onBody(data, last);
  }

  onWaiting(): void {
    this.ordinary?.onWaiting();
  }

  onEnd(trailers: string[]): void {
    this.ordinary?.onEnd(trailers);
  }

  onFailure(failure: UpstreamFailure): void {
    if (!this.over) this.relay().onFailure(failure);
  }

  /** From here on this is an ordinary exchange over the same connections. */
  private relay(): Exchange {
    if (this.ordinary) return this.ordinary;
    this.client.underWay.delete(this);
    const response = responseOn(this.request, this.socket);
    this.ordinary = new Exchange(this.request, response, this.client, this.admission, this.trail, this.options);
    this.ordinary.adopt(this.connection);
    return this.ordinary;
  }

  private upgrade(head: ResponseHead): void {
    const connection = this.connection!;
    this.trail.answeredAt = performance.now();
    if (!this.isRightAnswer(head)) {
      return connection.fail(new UpstreamFailure('malformed', `${connection.address} answered 101 without accepting this WebSocket`));
    }
    const headers = responseHeaders(head.headers, head.listed, this.admission.isolation);
    if (this.trail.limitHeaders) headers.push(...this.trail.limitHeaders);
    let lines = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n';
    for (let i = 0; i < headers.length; i += 2) lines += `${headers[i]}: ${headers[i + 1]}\r\n`;
    this.socket.write(`${lines}x-request-id: ${this.trail.requestId}\r\n\r\n`, 'latin1');

    const { socket: upstream, first } = connection.detach();
    this.client.underWay.delete(this);
    this.over = true; // from here on it is the splice's
    const { open, idleMs } = this.options;
    const splice = new Splice(this.socket, upstream, this.trail, { open, status: 101, frames: true, idleMs, halfOpenMs: HALF_OPEN_MS });
    splice.fromUpstream(first);
    splice.fromClient(this.early.take().bytes, false);
  }

  private isRightAnswer(head: ResponseHead): boolean {
    const expected = hash('sha1', this.request.headers['sec-websocket-key'] + ACCEPT_SUFFIX, 'base64');
    return valueOf(head, 'upgrade')?.toLowerCase() === 'websocket' && valueOf(head, 'sec-websocket-accept') === expected;
  }

  private finish(status: number): void {
    this.over = true;
    this.client.underWay.delete(this);
    this.trail.finish(status);
  }
}

function valueOf(head: ResponseHead, name: string): string | undefined {
  const at = head.headers.findIndex((text, i) => i % 2 === 0 && text.toLowerCase() === name);
  return at < 0 ? undefined : head.headers[at + 1];
}
