import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';

export interface RawServer {
  address: string;
  port: number;
  /** Sockets that are open. */
  sockets: Set<Socket>;
  /** Everything that was received, per connection, in the order of the connections. */
  received: string[];
  close(): Promise<void>;
}

/** A TCP server that does what it is told with what it gets. `text` is all that the connection has received so far. */
export async function rawUpstream(onText: (socket: Socket, text: string, connection: number) => void): Promise<RawServer> {
  const sockets = new Set<Socket>();
  const received: string[] = [];
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const connection = received.push('') - 1;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.on('end', () => socket.end());
    socket.on('data', (bytes: Buffer) => {
      received[connection] += bytes.toString('latin1');
      onText(socket, received[connection]!, connection);
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  const close = () =>
    new Promise<void>((done) => {
      server.close(() => done());
      for (const socket of sockets) socket.destroy();
    });
  return { address: `127.0.0.1:${port}`, port, sockets, received, close };
}

/** Answers every complete head with the same bytes. */
export const answering = (answer: string) => (socket: Socket, text: string) => {
  if (text.endsWith('\r\n\r\n')) socket.write(answer, 'latin1');
};

export interface HttpServer {
  address: string;
  port: number;
  requests: IncomingMessage[];
  close(): Promise<void>;
}

/** A node:http server. */
export async function httpUpstream(handle: (request: IncomingMessage, response: ServerResponse) => void): Promise<HttpServer> {
  const requests: IncomingMessage[] = [];
  const server = createHttpServer((request, response) => {
    requests.push(request);
    handle(request, response);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  const close = () =>
    new Promise<void>((done) => {
      server.close(() => done());
      server.closeAllConnections();
    });
  return { address: `127.0.0.1:${port}`, port, requests, close };
}

export interface RawAnswer {
  text: string;
  /** 0 when nothing like a response came. */
  status: number;
  /** How the connection ended. */
  ended: 'end' | 'reset';
}

/** Sends bytes as they are and returns all that comes until the proxy closes the connection (or `until` is satisfied). */
export function sendRaw(port: number, bytes: string | Buffer, until: (text: string) => boolean = () => false): Promise<RawAnswer> {
  return new Promise((done) => {
    const socket = connect(port, '127.0.0.1');
    let text = '';
    let ended: RawAnswer['ended'] = 'end';
    socket.on('data', (data: Buffer) => {
      text += data.toString('latin1');
      if (until(text)) socket.destroy();
    });
    socket.on('error', () => (ended = 'reset'));
    socket.on('close', () => done({ text, status: Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0), ended }));
    socket.write(bytes);
  });
}

/** True once a response with Content-Length, or to HEAD, is complete. */
export function isWholeResponse(text: string): boolean {
  const end = text.indexOf('\r\n\r\n');
  if (end < 0) return false;
  const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? NaN);
  return Number.isNaN(length) ? text.endsWith('0\r\n\r\n') : text.length >= end + 4 + length;
}
