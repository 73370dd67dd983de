import { constants, type ServerHttp2Stream } from 'node:http2';
import { ClientConnection } from './client-connection.js';

/** Milliseconds that a client is given to stop sending a body after it has been answered. */
const LINGER_MS = 1000;

/** A stream of HTTP/2: to what is under way on it, what a connection is to a request of HTTP/1.1. It goes alone; the others stay. */
export class ClientStream extends ClientConnection {
  constructor(
    private readonly stream: ServerHttp2Stream,
    connection: ClientConnection,
  ) {
    super(connection.socket, stream, connection);
    this.certificate = connection.certificate;
    stream.on('error', () => undefined); // it closes all the same
    stream.once('finish', () => this.letBodyEnd());
  }

  override get gone(): boolean {
    return this.stream.destroyed || this.stream.closed;
  }

  override breakOff(resetCode: number = constants.NGHTTP2_INTERNAL_ERROR): void {
    this.stream.close(resetCode);
  }

  private letBodyEnd(): void {
    if (this.gone || this.stream.readableEnded) return;
    const timer = setTimeout(() => this.stream.close(constants.NGHTTP2_NO_ERROR), LINGER_MS);
    this.stream.once('close', () => clearTimeout(timer));
    this.stream.removeAllListeners('data').resume();
  }
}
