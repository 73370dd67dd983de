import type { Socket } from 'node:net';
import type { Refusal } from './problem.js';

/** Something under way for a client that must stop when the client's connection is gone. */
export interface UnderWay {
  /** The client has gone: stop at once and free what is held. */
  clientGone(): void;
}

/**
 * A connection from a client. One listener per connection tells everything under way on it (several requests, when a client
 * pipelines) that the client has gone; node:http tells only the request whose turn it is to be answered.
 */
export class ClientConnection {
  readonly ip: string;
  /** The header lines that say where the request came from; the same for every request on the connection. */
  readonly forwardedLines: string;
  readonly underWay = new Set<UnderWay>();
  /** Requests that are being admitted. */
  admitting = 0;
  /** Set once node:http could not read on: nothing that arrived before and is not under way yet may be forwarded. */
  broken: Refusal | undefined;

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

  private constructor(readonly socket: Socket) {
    this.ip = (socket.remoteAddress ?? 'unknown').replace(/^::ffff:(?=\d+\.)/, '');
    const proto = 'encrypted' in socket ? 'https' : 'http';
    this.forwardedLines = `x-forwarded-for: ${this.ip}\r\nx-forwarded-proto: ${proto}\r\n`;
    socket.once('close', () => {
      for (const exchange of this.underWay) exchange.clientGone();
      this.underWay.clear();
    });
  }
}
