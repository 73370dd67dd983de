import type { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import type { ClientCertificate } from './client-certificate.js';
import { clientOrigin, type ClientOrigin } from './client-origin.js';
import type { Refusal } from './problem.js';
import type { RequestTrail } from './record.js';
import { reset } from './reset.js';

/** Something under way for a client that must stop when the client's connection is gone. */
export interface UnderWay {
  readonly trail: RequestTrail;
  /** The client has gone: stop at once and free what is held. */
  clientGone(): void;
  /** Stop, and answer with this instead, or break off the answer that has begun. */
  refuse(refusal: Refusal): void;
  /** It waits for the API's answer, and may itself be what revokes its key: that answer is still its client's. */
  readonly asksApi?: boolean;
}

/** A request that is held before it is admitted. */
export interface Held {
  readonly trail: RequestTrail;
  /** Ends the wait, with the refusal or because the client has gone. */
  letGo(refusal?: Refusal): void;
}

/**
 * A connection from a client. One listener per connection tells everything under way on it (several requests, when a client
 * pipelines) that the client has gone; node:http tells only the request whose turn it is to be answered.
 */
export class ClientConnection implements ClientOrigin {
  readonly ip: string;
  readonly forwardedLines: string;
  /** What is spoken on it. */
  readonly proto: 'http' | 'https';
  /** It is from one of the proxies that are believed, and its requests may come from anywhere. */
  trusted = false;
  readonly underWay = new Set<UnderWay>();
  /** Requests that wait for their sandbox to wake. */
  readonly held = new Set<Held>();
  /** Requests that are being admitted. */
  admitting = 0;
  /** A key or user has changed meanwhile: who was let in just before must not pass just after. */
  doubtful = false;
  /** Set once node:http could not read on: nothing that arrived before and is not under way yet may be forwarded. */
  broken: Refusal | undefined;
  /** That it has shown in the handshake, and that the authority has signed. */
  certificate: ClientCertificate | undefined;

  /** Whether there is nobody left to answer. */
  get gone(): boolean {
    return this.socket.destroyed;
  }

  /** Cuts off an answer that has begun. @param _resetCode why, where the client speaks HTTP/2 */
  breakOff(_resetCode?: number): void {
    reset(this.socket);
  }

  /** How a request ends, in its record, whose client has gone or stopped making sense before there was an answer. */
  get departure(): { status: number; code: Refusal['code'] | undefined; reason: string } {
    const { broken } = this;
    if (broken) return { status: broken.status, code: broken.code, reason: 'the body is malformed' };
    return { status: 499, code: undefined, reason: 'the client closed the connection' };
  }

  private static readonly bySocket = new WeakMap<Socket, ClientConnection>();

  static of(socket: Socket): ClientConnection {
    let connection = ClientConnection.bySocket.get(socket);
    if (!connection) ClientConnection.bySocket.set(socket, (connection = new ClientConnection(socket)));
    return connection;
  }

  /**
   * @param ending whose close is the end of everything under way
   * @param origin of which this is a part
   */
  protected constructor(
    readonly socket: Socket,
    ending: EventEmitter = socket,
    origin?: ClientConnection,
  ) {
    this.ip = origin?.ip ?? (socket.remoteAddress ?? 'unknown').replace(/^::ffff:(?=\d+\.)/, '');
    this.proto = 'encrypted' in socket ? 'https' : 'http';
    this.forwardedLines = origin?.forwardedLines ?? clientOrigin(this.ip, this.proto).forwardedLines;
    this.trusted = origin?.trusted ?? false;
    ending.once('close', () => {
      for (const exchange of this.underWay) exchange.clientGone();
      this.underWay.clear();
      for (const held of this.held) held.letGo();
    });
  }
}
