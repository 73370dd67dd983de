import { STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http';
import type { ServerHttp2Session } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { TLSSocket } from 'node:tls';
import { Admissions, DEFAULT_API_BODY_LIMIT, type AdmissionOptions } from './admission.js';
import type { Admission } from './admitted.js';
import { answerRefusal } from './answer.js';
import { ClientConnection } from './client-connection.js';
import type { TrustedProxies } from './client-origin.js';
import type { ClientRequest, ClientResponse } from './client-message.js';
import { ClientStream } from './client-stream.js';
import type { DialOptions } from './dial.js';
import { EarlyBytes } from './early-bytes.js';
import { Endings } from './endings.js';
import { Exchange, type ExchangeOptions } from './exchange.js';
import { Explanations } from './explanations.js';
import { H2cPool, type H2cPoolOptions } from './h2c-pool.js';
import { Http2Request } from './http2-request.js';
import { Http2Response } from './http2-response.js';
import type { Limits } from './limits.js';
import { LimitsOfUsers } from './limits-of-users.js';
import type { OpenConnection } from './open-connection.js';
import { OpenedLink } from './preview-admission.js';
import { badRequest, Refusal, renderProblem } from './problem.js';
import { publicServer, type PublicServer, type PublicServerOptions } from './public-server.js';
import { RequestTrail, type Recorder } from './record.js';
import { Revocations } from './revocations.js';
import { Tunnel } from './tunnel.js';
import { isTunnelPath } from './tunnel-target.js';
import { checkWebSocketRequest, responseOn, WebSocketExchange } from './upgrade.js';
import { UpstreamPool, type UpstreamPoolOptions } from './upstream-pool.js';
import type { UpstreamSource } from './upstream.js';
import { WebSocketTunnel } from './websocket-tunnel.js';

export interface DataPlaneOptions extends AdmissionOptions, PublicServerOptions {
  recorder: Recorder;
  /** Connections to sandboxes. `allowLoopback` only for the process runtime. */
  sandboxes?: UpstreamPoolOptions;
  /** Connections to ports of sandboxes that speak HTTP/2; who may be dialled is said by `sandboxes`. */
  h2c?: Omit<H2cPoolOptions, keyof DialOptions>;
  /** Connections to the gateway, which may be on this machine. */
  gateway?: UpstreamPoolOptions;
  /** Who stands in front and is believed when it says where a request comes from. Default: nobody. */
  trustedProxies?: TrustedProxies | undefined;
  /** Milliseconds that a sandbox may take until its response begins. Default 3,600,000: a command may run that long. */
  responseTimeoutMs?: number;
  /** Milliseconds for which nothing may pass in a tunnel before it is closed. Default 3,600,000. */
  tunnelIdleMs?: number;
  /** Milliseconds between pings in tunnels over WebSocket. Default 30,000. */
  tunnelPingMs?: number;
  /** Milliseconds for which nothing may pass in a WebSocket, pings included, before it is closed. Default 0: no limit. */
  webSocketIdleMs?: number;
  /** Told of errors that are ours: a bug, answered 500. */
  onError?: (error: unknown, requestId: string) => void;
}

const DEFAULT_KEEP_ALIVE_MS = 65_000;
const DRAIN_CHECK_MS = 50;
const DEFAULT_TUNNEL_IDLE_MS = 3_600_000;

/**
 * The public port. Every request is admitted (or refused) first and then forwarded; whatever happens to it leaves one record.
 * It needs nothing but memory for what it knows, and asks the directory for the rest.
 */
export class DataPlane {
  readonly server: PublicServer;
  /** WebSockets and tunnels that are open. */
  readonly open = new Set<OpenConnection>();
  private readonly admissions: Admissions;
  private readonly pools: Record<Admission['to'], UpstreamPool>;
  private readonly h2c: H2cPool;
  private readonly exchanges: Record<Admission['to'] | 'h2c', ExchangeOptions>;
  private readonly sockets = new Set<Socket>();
  private readonly clients = new Set<ClientConnection>();
  private readonly revocations: Revocations;
  private readonly endings: Endings;
  /** What would become of a request, and why. */
  readonly explanations: Explanations;
  /** What each user may ask. */
  readonly limitsOfUsers: LimitsOfUsers;
  private draining = false;
  /** What was under way has been cut off. */
  private ended = false;

  constructor(private readonly options: DataPlaneOptions) {
    this.admissions = new Admissions(options);
    this.explanations = new Explanations(options, this.admissions.limits);
    this.limitsOfUsers = new LimitsOfUsers(options.directory, this.admissions.limits, options.apiBodyLimit ?? DEFAULT_API_BODY_LIMIT);
    this.pools = {
      sandbox: new UpstreamPool(options.sandboxes),
      gateway: new UpstreamPool({ allowLoopback: true, ...options.gateway }),
    };
    this.h2c = new H2cPool({ ...dialOptions(options.sandboxes), ...options.h2c });
    const exchange = (pool: UpstreamSource): ExchangeOptions => {
      return { pool, responseTimeoutMs: options.responseTimeoutMs ?? 3_600_000, draining: () => this.draining };
    };
    this.exchanges = { sandbox: exchange(this.pools.sandbox), gateway: exchange(this.pools.gateway), h2c: exchange(this.h2c) };
    this.revocations = new Revocations(options.directory, this.clients, this.open, options.now, this.admissions.previews?.guests);
    this.endings = new Endings(options.directory, this.clients, this.open);
    this.server = publicServer(options);
    this.attach();
  }

  private attach(): void {
    const serve = (request: IncomingMessage, response: ServerResponse) =>
      void this.serve(request, response, ClientConnection.of(request.socket));
    this.server.on('request', serve).on('checkContinue', serve).on('checkExpectation', serve);
    this.server.on('upgrade', (request, socket, first) => void this.upgrade(request, socket as Socket, first));
    this.server.on('connect', (request, socket, first) => void this.tunnel(request, socket as Socket, first));
    this.server.on('clientError', (error: NodeJS.ErrnoException, socket) => this.malformed(error, socket as Socket));
    this.server.on('session', (session: ServerHttp2Session) => this.multiplex(session));
    this.server.on(this.options.tls ? 'secureConnection' : 'connection', (socket: Socket) => this.connected(socket));
  }

  private connected(socket: Socket): void {
    if (this.ended) return void socket.destroy(); // its handshake took longer than the proxy had left
    const client = this.clientOf(socket);
    this.sockets.add(socket);
    this.clients.add(client);
    socket.once('close', () => {
      this.sockets.delete(socket);
      this.clients.delete(client);
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
    this.admissions.wakeUps?.drain();
    const closed = new Promise<void>((done) => this.server.close(() => done()));
    const idle = setInterval(() => this.server.closeIdleConnections(), DRAIN_CHECK_MS);
    const deadline = setTimeout(() => this.endAll(), graceMs);
    await closed;
    this.revocations.close();
    this.endings.close();
    clearInterval(idle);
    clearTimeout(deadline);
    this.admissions.wakeUps?.close();
    this.admissions.limits.close();
    this.pools.sandbox.close();
    this.pools.gateway.close();
    this.h2c.close();
    while (this.open.size > 0) await pause(DRAIN_CHECK_MS); // until the last has left its record
  }

  /** WebSockets are told, and given a moment to hear it; what is a request is over. */
  private endAll(): void {
    this.ended = true;
    const leaving = new Set([...this.open].map(({ socket }) => socket));
    for (const connection of this.open) connection.leave('going away', 'the proxy is stopping');
    for (const socket of this.sockets) if (!leaving.has(socket)) socket.destroy();
  }

  get limits(): Limits {
    return this.admissions.limits;
  }

  /** What is held right now, for metrics and tests. */
  get held(): { clients: number; upstreams: number; openConnections: number; waiting: number; places: number } {
    return {
      clients: this.sockets.size,
      upstreams: this.pools.sandbox.openConnections + this.pools.gateway.openConnections + this.h2c.openConnections,
      openConnections: this.open.size,
      places: this.admissions.limits.taken,
      waiting: this.admissions.wakeUps?.held ?? 0,
    };
  }

  private clientOf(socket: Socket): ClientConnection {
    const client = ClientConnection.of(socket);
    client.trusted = this.options.trustedProxies?.trusts(client.ip) ?? false;
    if (socket instanceof TLSSocket) client.certificate = this.options.tls?.clients?.read(socket);
    return client;
  }

  /** HTTP/2: each stream is served as a request of HTTP/1.1 would be, and ends alone. */
  private multiplex(session: ServerHttp2Session): void {
    const connection = this.clientOf(session.socket as TLSSocket);
    session.setTimeout(this.options.keepAliveTimeoutMs ?? DEFAULT_KEEP_ALIVE_MS, () => idle());
    session.socket.once('end', () => session.close());
    let streams = 0;
    const idle = () => streams === 0 && session.close();
    session.on('stream', (stream, headers, _, raw) => {
      const client = new ClientStream(stream, connection);
      this.clients.add(client);
      streams++;
      stream.once('close', () => {
        this.clients.delete(client);
        streams--;
      });
      void this.serve(new Http2Request(stream, headers, raw), new Http2Response(stream, headers[':method'] === 'HEAD'), client);
    });
  }

  private async serve(request: ClientRequest, response: ClientResponse, client: ClientConnection): Promise<void> {
    const trail = this.trail(client, request);
    try {
      if (this.options.recorder.refusing) return this.refuse(request, response, unrecorded(), trail);
      if (request instanceof Http2Request && request.malformed) return this.refuse(request, response, request.malformed, trail);
      const admission = await this.admit(client, trail, this.admissions.admit(request, client, trail));
      if (!admission) return;
      if (admission instanceof Refusal) return this.refuse(request, response, admission, trail);
      if (admission instanceof OpenedLink) return this.openLink(response, admission, trail);
      new Exchange(request, response, client, admission, trail, this.exchangeOptions(admission)).start();
    } catch (error) {
      this.internal(error, request, response, client, trail);
    }
  }

  private async upgrade(request: IncomingMessage, socket: Socket, first: Buffer): Promise<void> {
    // On a preview's own host any path is its sandbox's.
    if (isTunnelPath(request.url!) && !this.admissions.previews?.domain.hostOf(request.rawHeaders))
      return this.tunnel(request, socket, first);
    socket.on('error', () => socket.destroy()); // node:http has taken its own listener away
    const early = new EarlyBytes(socket, first, false);
    const client = ClientConnection.of(socket);
    const trail = this.trail(client, request);
    trail.kind = 'websocket';
    try {
      if (this.options.recorder.refusing) {
        early.ignore();
        return this.refuse(request, responseOn(request, socket), unrecorded(), trail);
      }
      const admission = await this.admit(client, trail, this.admissions.admit(request, client, trail));
      if (!admission || admission instanceof OpenedLink) return; // links are opened by plain requests only
      const refusal = admission instanceof Refusal ? admission : (checkWebSocketRequest(request, admission.head) ?? notOverH2c(admission));
      if (refusal) {
        early.ignore();
        return this.refuse(request, responseOn(request, socket), refusal, trail);
      }
      const idleMs = this.options.webSocketIdleMs ?? 0;
      const pool = this.pools[(admission as Admission).to];
      const options = { ...this.exchangeOptions(admission as Admission), pool, idleMs, open: this.open };
      await new WebSocketExchange(request, socket, early, client, admission as Admission, trail, options).start();
    } catch (error) {
      this.internal(error, request, responseOn(request, socket), client, trail);
    }
  }

  /** @returns undefined when there is nobody left to answer */
  private async admit<Admitted>(
    client: ClientConnection,
    trail: RequestTrail,
    admitting: Promise<Admitted | Refusal>,
  ): Promise<Admitted | Refusal | undefined> {
    client.admitting++;
    let admission: Admitted | Refusal;
    try {
      admission = await admitting;
    } finally {
      client.admitting--;
    }
    if (!client.broken && !client.gone) return this.revocations.since(client, trail) ?? admission;
    const { status, code, reason } = client.departure;
    trail.code = code;
    trail.reason = reason;
    trail.finish(status);
    return undefined;
  }

  /** A CONNECT, or a WebSocket that asks for a tunnel. */
  private async tunnel(request: IncomingMessage, socket: Socket, first: Buffer): Promise<void> {
    const overWebSocket = request.method !== 'CONNECT';
    socket.on('error', () => socket.destroy());
    const early = new EarlyBytes(socket, first, !overWebSocket);
    const client = ClientConnection.of(socket);
    const trail = this.trail(client, request);
    trail.kind = 'tunnel';
    try {
      if (this.options.recorder.refusing) {
        early.ignore();
        return this.refuse(request, responseOn(request, socket), unrecorded(), trail);
      }
      const admission = await this.admit(client, trail, this.admissions.admitTunnel(request, client, trail));
      if (!admission) return;
      const handshake = overWebSocket && !(admission instanceof Refusal) ? checkWebSocketRequest(request, admission.head) : undefined;
      if (admission instanceof Refusal || handshake) {
        early.ignore();
        return this.refuse(request, responseOn(request, socket), handshake ?? (admission as Refusal), trail);
      }
      const { tunnelIdleMs: idleMs = DEFAULT_TUNNEL_IDLE_MS, tunnelPingMs: pingMs } = this.options;
      const options = { pool: this.pools.sandbox, idleMs, pingMs, open: this.open };
      const Kind = overWebSocket ? WebSocketTunnel : Tunnel;
      await new Kind(request, socket, early, client, admission.address, trail, options).start();
    } catch (error) {
      this.internal(error, request, responseOn(request, socket), client, trail);
    }
  }

  /** What node:http could not read as a request, or not in time. */
  private malformed(error: NodeJS.ErrnoException, socket: Socket): void {
    const client = ClientConnection.of(socket);
    const gone = error.code === 'ECONNRESET' || error.code === 'HPE_INVALID_EOF_STATE' || !socket.writable;
    const refusal = refusalOfParseError(error.code);
    if (!gone) client.broken = refusal;
    // In the middle of a body there is no answering: the upstream has part of it. Whoever is under way is told by the close.
    if (gone || client.underWay.size > 0) return void socket.destroy();
    const trail = new RequestTrail(client, this.options.recorder);
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

  private openLink(response: ClientResponse, { location, cookie }: OpenedLink, trail: RequestTrail): void {
    if (this.draining) response.shouldKeepAlive = false;
    response.writeHead(OpenedLink.status, [
      'location', location, 'set-cookie', cookie, 'cache-control', 'no-store', 'referrer-policy', 'no-referrer', 'content-length', '0',
      'x-request-id', trail.requestId,
    ]); // prettier-ignore
    response.end();
    trail.finish(OpenedLink.status);
  }

  private trail(client: ClientConnection, request: ClientRequest): RequestTrail {
    const origin = client.trusted ? this.options.trustedProxies!.originOf(request.rawHeaders, client, client.proto) : client;
    const trail = new RequestTrail(origin, this.options.recorder);
    trail.method = request.method ?? '-';
    return trail;
  }

  private refuse(request: ClientRequest, response: ClientResponse, refusal: Refusal, trail: RequestTrail): void {
    trail.code = refusal.code;
    trail.reason ??= refusal.extras.reason ?? refusal.extras.state;
    if (this.draining) response.shouldKeepAlive = false;
    answerRefusal(request, response, refusal, trail);
    trail.finish(refusal.status);
  }

  private internal(error: unknown, request: ClientRequest, response: ClientResponse, client: ClientConnection, trail: RequestTrail): void {
    this.options.onError?.(error, trail.requestId);
    if (response.headersSent) client.breakOff();
    else this.refuse(request, response, new Refusal('INTERNAL', 'The proxy failed to handle this request'), trail);
  }

  private exchangeOptions({ to, protocol }: Admission): ExchangeOptions {
    return this.exchanges[protocol === 'h2c' ? 'h2c' : to];
  }
}

/** Where nothing may pass unrecorded. Not even who asks is looked at: that, too, would have to be recorded. */
function unrecorded(): Refusal {
  return new Refusal('UNAVAILABLE', 'Requests cannot be recorded right now, and none may pass unrecorded', { retryAfter: 5 });
}

function dialOptions({ allowLoopback = false, connectTimeoutMs, resolve }: DialOptions = {}): DialOptions {
  return { allowLoopback, ...(connectTimeoutMs !== undefined && { connectTimeoutMs }), ...(resolve && { resolve }) };
}

function notOverH2c({ protocol }: Admission): Refusal | undefined {
  return protocol === 'h2c' ? badRequest('The port is declared as h2c, and takes no WebSockets; declare another port for them') : undefined;
}

function refusalOfParseError(code: string | undefined): Refusal {
  if (code === 'HPE_HEADER_OVERFLOW') return new Refusal('HEADERS_TOO_LARGE', 'The request head is larger than 16 KiB');
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return new Refusal('MALFORMED_REQUEST', 'The request head did not arrive in time', { status: 408 });
  return badRequest('This is not a well-formed HTTP/1.1 request');
}
