import { hash } from 'node:crypto';
import { ServerResponse, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Admission } from './admission.js';
import type { ClientConnection, UnderWay } from './client-connection.js';
import { UpstreamFailure } from './dial.js';
import { asFailure, Exchange, type ExchangeOptions } from './exchange.js';
import { responseHeaders } from './header-hygiene.js';
import { badRequest, type Refusal } from './problem.js';
import type { RequestTrail } from './record.js';
import type { ResponseHead } from './response-head.js';
import { splice } from './splice.js';
import type { ResponseSink, UpstreamConnection } from './upstream-connection.js';

const ACCEPT_SUFFIX = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const KEY = /^[A-Za-z0-9+/]{22}==$/;

/** Only a request that asks for exactly this is taken out of HTTP; every other Upgrade (h2c) is dropped and the request served as it is. */
export function asksForWebSocket(request: IncomingMessage): boolean {
  return request.headers.upgrade?.toLowerCase() === 'websocket';
}

/** Checks the opening handshake (RFC 6455 §4.2.1). */
export function checkWebSocketRequest(request: IncomingMessage, admission: Admission): Refusal | undefined {
  const { headers } = request;
  if (admission.method !== 'GET' || request.httpVersion !== '1.1') return badRequest('A WebSocket is opened by GET over HTTP/1.1');
  if (headers['sec-websocket-version'] !== '13') return badRequest('Only WebSocket version 13 is understood');
  if (!KEY.test(headers['sec-websocket-key'] ?? '')) return badRequest('Sec-WebSocket-Key is not valid');
  if (admission.head.body !== undefined) return badRequest('A WebSocket is opened without a body');
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

/** A WebSocket that is open. */
export interface OpenSocket {
  readonly trail: RequestTrail;
  close(): void;
}

/** What a client may send before its WebSocket is accepted, in bytes; it is not read further until then. */
const MAX_EARLY = 64 * 1024;

/**
 * One WebSocket: the request goes out on a connection of its own; a right 101 is passed on and from there bytes pass both ways,
 * frames unseen. Any other answer is an ordinary response, relayed as such, after which the connection ends.
 */
export class WebSocketExchange implements ResponseSink, UnderWay, OpenSocket {
  private connection: UpstreamConnection | undefined;
  private ordinary: Exchange | undefined;
  private over = false;
  private readonly early: Buffer[];
  private earlyLength: number;

  /** @param first what the client sent behind its request */
  constructor(
    private readonly request: IncomingMessage,
    private readonly socket: Socket,
    first: Buffer,
    private readonly client: ClientConnection,
    private readonly admission: Admission,
    readonly trail: RequestTrail,
    private readonly options: ExchangeOptions,
    private readonly open: Set<OpenSocket>,
  ) {
    this.early = first.length > 0 ? [first] : [];
    this.earlyLength = first.length;
  }

  async start(): Promise<void> {
    this.client.underWay.add(this);
    this.socket.on('data', this.readEarly).on('end', this.endedEarly);
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

  close(): void {
    this.socket.destroy();
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
    if (!this.isRightAnswer(head)) {
      return connection.fail(new UpstreamFailure('malformed', `${connection.address} answered 101 without accepting this WebSocket`));
    }
    const headers = responseHeaders(head.headers, head.listed, this.admission.to);
    let lines = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n';
    for (let i = 0; i < headers.length; i += 2) lines += `${headers[i]}: ${headers[i + 1]}\r\n`;
    this.socket.off('data', this.readEarly).off('end', this.endedEarly);
    this.socket.write(`${lines}x-request-id: ${this.trail.requestId}\r\n\r\n`, 'latin1');

    const { socket: upstream, first } = connection.detach();
    if (first) this.socket.write(first);
    for (const bytes of this.early) upstream.write(bytes);
    this.trail.bytesIn += this.earlyLength;
    this.trail.bytesOut += first?.length ?? 0;
    this.client.underWay.delete(this);
    this.open.add(this);
    splice(this.socket, upstream, this.trail, () => this.finish(101));
  }

  private readonly readEarly = (bytes: Buffer): void => {
    this.early.push(bytes);
    this.earlyLength += bytes.length;
    if (this.earlyLength > MAX_EARLY) this.socket.pause();
  };

  private readonly endedEarly = (): void => {
    this.socket.destroy();
  };

  private isRightAnswer(head: ResponseHead): boolean {
    const expected = hash('sha1', this.request.headers['sec-websocket-key'] + ACCEPT_SUFFIX, 'base64');
    return valueOf(head, 'upgrade')?.toLowerCase() === 'websocket' && valueOf(head, 'sec-websocket-accept') === expected;
  }

  private finish(status: number): void {
    this.over = true;
    this.open.delete(this);
    this.client.underWay.delete(this);
    this.trail.finish(status);
  }
}

function valueOf(head: ResponseHead, name: string): string | undefined {
  const at = head.headers.findIndex((text, i) => i % 2 === 0 && text.toLowerCase() === name);
  return at < 0 ? undefined : head.headers[at + 1];
}
