import { request, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http';

export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Buffer;
  readonly text: string;
  /** The body as JSON; the caller says of what shape. Throws when it is none. */
  json<T = Record<string, unknown>>(): T;
}

export interface Ask {
  /** Text and bytes go as they are, anything else as JSON. */
  readonly body?: unknown;
  readonly headers?: OutgoingHttpHeaders;
  /** Milliseconds until a request without a complete answer fails: nothing may hang. Default 20,000. */
  readonly withinMs?: number;
}

/** What a user of the platform has: its address and a key. Nothing is retried, followed or interpreted. */
export class Client {
  constructor(
    readonly url: string,
    readonly key?: string,
  ) {}

  as(key: string | undefined): Client {
    return new Client(this.url, key);
  }

  get(path: string, headers: OutgoingHttpHeaders = {}): Promise<Reply> {
    return this.send('GET', path, { headers });
  }

  post(path: string, body?: unknown, headers: OutgoingHttpHeaders = {}): Promise<Reply> {
    return this.send('POST', path, { body, headers });
  }

  put(path: string, body?: unknown, headers: OutgoingHttpHeaders = {}): Promise<Reply> {
    return this.send('PUT', path, { body, headers });
  }

  patch(path: string, body?: unknown, headers: OutgoingHttpHeaders = {}): Promise<Reply> {
    return this.send('PATCH', path, { body, headers });
  }

  delete(path: string, headers: OutgoingHttpHeaders = {}): Promise<Reply> {
    return this.send('DELETE', path, { headers });
  }

  send(method: string, path: string, { body, headers = {}, withinMs = 20_000 }: Ask = {}): Promise<Reply> {
    const raw = typeof body === 'string' || Buffer.isBuffer(body);
    const payload = body === undefined ? undefined : raw ? (body as string | Buffer) : JSON.stringify(body);
    const { hostname, port } = new URL(this.url);
    return new Promise((resolve, reject) => {
      const outgoing = request({
        hostname,
        port,
        method,
        path,
        agent: false,
        headers: {
          ...(this.key !== undefined && { authorization: `Bearer ${this.key}` }),
          ...(payload !== undefined && { 'content-length': Buffer.byteLength(payload) }),
          ...(payload !== undefined && !raw && { 'content-type': 'application/json' }),
          ...headers,
        },
      });
      const late = setTimeout(
        () => outgoing.destroy(new Error(`${method} ${path.slice(0, 100)} had no answer after ${withinMs} ms`)),
        withinMs,
      );
      const fail = (error: Error) => {
        clearTimeout(late);
        reject(error);
      };
      outgoing.on('error', fail).on('response', (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
        incoming.on('error', fail).on('end', () => {
          clearTimeout(late);
          resolve(replyOf(incoming.statusCode!, incoming.headers, Buffer.concat(chunks)));
        });
      });
      outgoing.end(payload);
    });
  }
}

function replyOf(status: number, headers: IncomingHttpHeaders, bytes: Buffer): Reply {
  const text = bytes.toString('utf8');
  return { status, headers, bytes, text, json: <T>() => JSON.parse(text) as T };
}
