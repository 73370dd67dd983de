import { createServer, STATUS_CODES, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { Admissions, ALLOWED, type Admission, type AdmissionOptions } from './admission.js';
import { answerRefusal } from './answer.js';
import { ClientConnection } from './client-connection.js';
import { Exchange, type ExchangeOptions } from './exchange.js';
import { badRequest, Refusal, renderProblem } from './problem.js';
import { RequestTrail, type Recorder } from './record.js';
import { asksForWebSocket, checkWebSocketRequest, responseOn, WebSocketExchange, type OpenSocket } from './upgrade.js';
import { UpstreamPool, type UpstreamPoolOptions } from './upstream-pool.js';

export interface DataPlaneOptions extends AdmissionOptions {
  recorder: Recorder;
  /** Connections to sandboxes. `allowLoopback` only for the process runtime. */
  sandboxes?: UpstreamPoolOptions;
  /** Connections to the gateway, which may be on this machine. */
  gateway?: UpstreamPoolOptions;
  /** Milliseconds that a sandbox may take until its response begins. Default 3,600,000: a command may run that long. */
  responseTimeoutMs?: number;
  /** Milliseconds that a client may take to send a request's head. Default 10,000. */
  headersTimeoutMs?: number;
  /** Milliseconds between looks for clients that are too slow. Default 1000. */
  checkIntervalMs?: number;
  /** Milliseconds that a client's idle connection is kept. Default 65,000. */
  keepAliveTimeoutMs?: number;
  /** Connections from clients at a time; further ones are closed at once. Default 10,000. */
  maxConnections?: number;
  /** Told of errors that are ours: a bug, answered 500. */
  onError?: (error: unknown, requestId: string) => void;
}

const MAX_HEAD_BYTES = 16 * 1024;
const DRAIN_CHECK_MS = 50;

/**
 * The public port. Every request is admitted (or refused) first and then forwarded; whatever happens to it leaves one record.
 * It needs nothing but memory for what it knows, and asks the directory for the rest.
 */
export class DataPlane {
  readonly server: Server;
  /** WebSockets that are open. */
  readonly open = new Set<OpenSocket>();
  private readonly admissions: Admissions;
  private readonly pools: Record<Admission['to'], UpstreamPool>;
  private readonly sockets = new Set<Socket>();
  private draining = false;

  constructor(private readonly options: DataPlaneOptions) {
    this.admissions = new Admissions(options);
    this.pools = {
      sandbox: new UpstreamPool(options.sandboxes),
      gateway: new UpstreamPool({ allowLoopback: true, ...options.gateway }),
    };
    this.server = createServer({
      maxHeaderSize: MAX_HEAD_BYTES,
      requireHostHeader: false, // checked in header-hygiene.ts, which answers problem+json
      headersTimeout: options.headersTimeoutMs ?? 10_000,
      requestTimeout: 0, // a body may take as long as its sandbox likes
      connectionsCheckingInterval: options.checkIntervalMs ?? 1000,
      keepAliveTimeout: options.keepAliveTimeoutMs ?? 65_000,
      keepAlive: true,
      keepAliveInitialDelay: 30_000,
      noDelay: true,
      optimizeEmptyRequests: true,
      shouldUpgradeCallback: asksForWebSocket,
    });
    this.server.maxHeadersCount = 0; // node:http would cut the list silently; header-hygiene.ts counts
    this.server.maxConnections = options.maxConnections ?? 10_000;
    this.attach();
  }

  private attach(): void {
    const serve = (request: IncomingMessage, response: ServerResponse) => void this.serve(request, response);
    this.server.on('request', serve).on('checkContinue', serve).on('checkExpectation', serve);
    this.server.on('upgrade', (request, socket, first) => void this.upgrade(request, socket as Socket, first));
    this.server.on('connect', (request, socket) => this.connect(request, socket as Socket));
    this.server.on('clientError', (error: NodeJS.ErrnoException, socket) => this.malformed(error, socket as Socket));
    this.server.on('connection', (socket) => {
      this.sockets.add(socket);
      socket.once('close', () => this.sockets.delete(socket));
    });
  }

  async listen(port: number, host?: string): Promise<AddressInfo> {
    await new Promise<void>((done, failed) => {
      this.server.once('error', failed).listen({ port, host, backlog: 4096 }, () => {
        this.server.off('error', failed);
        done();
      });
    });
    return this.server.address() as AddressInfo;
  }

  /**
   * Stops taking connections, tells kept ones to go, and lets what is under way finish for `graceMs` milliseconds, open WebSockets
   * included; then closes what is left.
   */
  async close({ graceMs }: { graceMs: number }): Promise<void> {
    this.draining = true;
    const closed = new Promise<void>((done) => this.server.close(() => done()));
    const idle = setInterval(() => this.server.closeIdleConnections(), DRAIN_CHECK_MS);
    const deadline = setTimeout(() => this.sockets.forEach((socket) => socket.destroy()), graceMs);
    await closed;
    clearInterval(idle);
    clearTimeout(deadline);
    this.pools.sandbox.close();
    this.pools.gateway.close();
    while (this.open.size > 0) await pause(DRAIN_CHECK_MS); // until the last has left its record
  }

  /** What is held right now, for metrics and tests. */
  get held(): { clients: number; upstreams: number; webSockets: number } {
    return {
      clients: this.sockets.size,
      upstreams: this.pools.sandbox.openConnections + this.pools.gateway.openConnections,
      webSockets: this.open.size,
    };
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const client = ClientConnection.of(request.socket);
    const trail = this.trail(client, request);
    try {
      const admission = await this.admit(request, client, trail);
      if (!admission) return;
      if (admission instanceof Refusal) return this.refuse(request, response, admission, trail);
      new Exchange(request, response, client, admission, trail, this.exchangeOptions(admission)).start();
    } catch (error) {
      this.internal(error, request, response, trail);
    }
  }

  private async upgrade(request: IncomingMessage, socket: Socket, first: Buffer): Promise<void> {
    socket.on('error', () => socket.destroy()); // node:http has taken its own listener away
    const client = ClientConnection.of(socket);
    const trail = this.trail(client, request);
    trail.kind = 'websocket';
    try {
      const admission = await this.admit(request, client, trail);
      if (!admission) return;
      const refusal = admission instanceof Refusal ? admission : checkWebSocketRequest(request, admission);
      if (refusal) return this.refuse(request, responseOn(request, socket), refusal, trail);
      const options = this.exchangeOptions(admission as Admission);
      await new WebSocketExchange(request, socket, first, client, admission as Admission, trail, options, this.open).start();
    } catch (error) {
      this.internal(error, request, responseOn(request, socket), trail);
    }
  }

  /** @returns undefined when there is nobody left to answer */
  private async admit(request: IncomingMessage, client: ClientConnection, trail: RequestTrail): Promise<Admission | Refusal | undefined> {
    client.admitting++;
    const admission = await this.admissions.admit(request, client, trail).finally(() => client.admitting--);
    if (!client.broken && !client.socket.destroyed) return admission;
    const { status, code, reason } = client.departure;
    trail.code = code;
    trail.reason = reason;
    trail.finish(status);
    return undefined;
  }

  /** Tunnels are not served yet. */
  private connect(request: IncomingMessage, socket: Socket): void {
    socket.on('error', () => socket.destroy());
    const refusal = new Refusal('METHOD_NOT_ALLOWED', 'CONNECT is not allowed', { allow: ALLOWED });
    this.refuse(request, responseOn(request, socket), refusal, this.trail(ClientConnection.of(socket), request));
  }

  /** What node:http could not read as a request, or not in time. */
  private malformed(error: NodeJS.ErrnoException, socket: Socket): void {
    const client = ClientConnection.of(socket);
    const gone = error.code === 'ECONNRESET' || error.code === 'HPE_INVALID_EOF_STATE' || !socket.writable;
    const refusal = refusalOfParseError(error.code);
    if (!gone) client.broken = refusal;
    // In the middle of a body there is no answering: the upstream has part of it. Whoever is under way is told by the close.
    if (gone || client.underWay.size > 0) return void socket.destroy();
    const trail = new RequestTrail(client.ip, this.options.recorder);
    const { body, headers } = renderProblem(refusal, trail.requestId);
    let head = `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status]}\r\n`;
    for (let i = 0; i < headers.length; i += 2) head += `${headers[i]}: ${headers[i + 1]}\r\n`;
    socket.end(`${head}connection: close\r\n\r\n${body}`, () => socket.destroy());
    if (client.admitting > 0) return; // it is the body of a request that has a record of its own
    trail.method = trail.path = '-';
    trail.code = refusal.code;
    trail.reason = error.code;
    trail.finish(refusal.status);
  }

  private trail(client: ClientConnection, request: IncomingMessage): RequestTrail {
    const trail = new RequestTrail(client.ip, this.options.recorder);
    trail.method = request.method ?? '-';
    return trail;
  }

  private refuse(request: IncomingMessage, response: ServerResponse, refusal: Refusal, trail: RequestTrail): void {
    trail.code = refusal.code;
    trail.reason ??= refusal.extras.reason ?? refusal.extras.state;
    if (this.draining) response.shouldKeepAlive = false;
    answerRefusal(request, response, refusal, trail.requestId);
    trail.finish(refusal.status);
  }

  private internal(error: unknown, request: IncomingMessage, response: ServerResponse, trail: RequestTrail): void {
    this.options.onError?.(error, trail.requestId);
    if (response.headersSent) request.socket.destroy();
    else this.refuse(request, response, new Refusal('INTERNAL', 'The proxy failed to handle this request'), trail);
  }

  private exchangeOptions({ to }: Admission): ExchangeOptions {
    return {
      pool: this.pools[to],
      responseTimeoutMs: this.options.responseTimeoutMs ?? 3_600_000,
      draining: () => this.draining,
    };
  }
}

function refusalOfParseError(code: string | undefined): Refusal {
  if (code === 'HPE_HEADER_OVERFLOW') return new Refusal('HEADERS_TOO_LARGE', 'The request head is larger than 16 KiB');
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return new Refusal('MALFORMED_REQUEST', 'The request head did not arrive in time', { status: 408 });
  return badRequest('This is not a well-formed HTTP/1.1 request');
}
