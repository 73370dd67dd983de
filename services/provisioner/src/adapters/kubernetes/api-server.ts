import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { isDeepStrictEqual } from 'node:util';
import { setTimeout as pause } from 'node:timers/promises';
import { backoff } from '@sandlot/consumers';
import type { Access, Credentials } from './access.js';
import { ClusterRefusal, refusalOf, retryAfterOf, unreachableApi, type Status } from './errors.js';
import { RateLimit } from './rate-limit.js';

export interface ApiServerOptions {
  /** Requests in the long run and at once; watches are not counted. Default 50 per second, 100 at once. */
  requestsPerSecond?: number;
  burst?: number;
  /** How long one request may take, in ms. Default 30,000. */
  deadlineMs?: number;
  /** Told of each request that was sent, for metrics. */
  onRequest?: (request: { method: string; path: string; status: number; tookMs: number }) => void;
}

export interface ApiRequest {
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  /** With its query. */
  path: string;
  body?: object;
  contentType?: string;
  deadlineMs?: number;
}

/** Largest that the server may make us wait inside one request; longer waits are the caller's. */
const longestWaitMs = 5_000;
/** Frames and lines of the API server are small; this only keeps a broken one from filling the memory. */
const largestLine = 16 * 1024 * 1024;

/**
 * Requests to one API server: within the rate, by a deadline, with the newest credentials. Does what 429 asks for, for all requests at once,
 * because the server counts them together. While nothing can be reached, only one request in a while finds that out.
 * Repeats nothing else: the next wake-up is the retry.
 */
export class ApiServer {
  private readonly limit: RateLimit;
  private readonly deadlineMs: number;
  private agents: { credentials: Credentials; pooled: HttpAgent; single: HttpAgent } | undefined;
  private readonly closing = new AbortController();
  /** Not before, because the server asked for it. */
  private pausedUntil = 0;
  private outage: { failures: number; until: number; error: ClusterRefusal } | undefined;

  constructor(
    private readonly access: Access,
    private readonly options: ApiServerOptions = {},
  ) {
    this.limit = new RateLimit(options.requestsPerSecond ?? 50, options.burst ?? 100);
    this.deadlineMs = options.deadlineMs ?? 30_000;
  }

  /** The parsed body of a success. Throws ClusterRefusal for everything else. */
  async request(request: ApiRequest): Promise<unknown> {
    const what = `${request.method} ${request.path.replace(/\?.*/, '')}`;
    this.refuseWhileDown();
    await this.limit.take(this.closing.signal).catch(closed(what));
    const deadline = performance.now() + (request.deadlineMs ?? this.deadlineMs);
    for (;;) {
      this.refuseWhileDown();
      await this.waitAsTold(what, deadline);
      const { status, headers, body } = await this.once(request, what, deadline);
      if (status < 300) return body;
      const retryAfterMs = retryAfterOf(headers['retry-after'], body as Status);
      if (status === 429) {
        this.pausedUntil = Math.max(this.pausedUntil, performance.now() + (retryAfterMs ?? 1_000));
        if (this.pausedUntil - performance.now() <= longestWaitMs && this.pausedUntil < deadline) continue;
      }
      throw refusalOf(what, status, (body ?? {}) as Status, retryAfterMs);
    }
  }

  /**
   * The lines of a response that does not end, until it does. Every line that comes, comes before `silentMs` is over, or it throws.
   * Throws ClusterRefusal when the request is refused.
   */
  async *lines(path: string, { silentMs, signal }: { silentMs: () => number; signal: AbortSignal }): AsyncGenerator<string> {
    const what = `WATCH ${path.replace(/\?.*/, '')}`;
    const started = performance.now();
    const abort = new AbortController();
    const any = AbortSignal.any([signal, this.closing.signal, abort.signal]);
    let timer: NodeJS.Timeout | undefined;
    const alive = () => {
      clearTimeout(timer);
      timer = setTimeout(() => abort.abort(new Error(`nothing was heard for ${silentMs()} ms`)), silentMs()).unref();
    };
    try {
      const response = await this.send({ method: 'GET', path }, any, true, this.deadlineMs);
      this.options.onRequest?.({ method: 'WATCH', path, status: response.statusCode!, tookMs: performance.now() - started });
      if (response.statusCode !== 200) {
        const body = await bodyOf(response);
        throw refusalOf(what, response.statusCode!, (body ?? {}) as Status, retryAfterOf(response.headers['retry-after'], body as Status));
      }
      this.outage = undefined;
      response.socket.setKeepAlive(true, 15_000);
      response.setEncoding('utf8');
      alive();
      let rest = '';
      for await (const chunk of response as AsyncIterable<string>) {
        alive();
        const lines = (rest + chunk).split('\n');
        rest = lines.pop()!;
        if (rest.length > largestLine) throw new Error('a line of the watch is too long');
        yield* lines.filter((line) => line !== '');
      }
    } catch (error) {
      if (error instanceof ClusterRefusal) throw error;
      throw unreachableApi(what, abort.signal.aborted ? abort.signal.reason : error);
    } finally {
      clearTimeout(timer);
      abort.abort();
    }
  }

  /** Why it could not be reached lately; asks again before it says so. */
  async trouble(): Promise<string | undefined> {
    if (!this.outage) return undefined;
    await this.request({ method: 'GET', path: '/version', deadlineMs: 400 }).catch(() => undefined); // every answer ends the outage
    return this.outage?.error.message;
  }

  close(): void {
    this.closing.abort();
    this.agents?.pooled.destroy();
    this.agents?.single.destroy();
  }

  private async once(request: ApiRequest, what: string, deadline: number) {
    const started = performance.now();
    const signal = AbortSignal.any([this.closing.signal, AbortSignal.timeout(Math.max(1, Math.ceil(deadline - started)))]);
    try {
      const response = await this.send(request, signal, false);
      const body = await bodyOf(response);
      this.outage = undefined;
      const status = response.statusCode!;
      this.options.onRequest?.({ method: request.method, path: request.path, status, tookMs: performance.now() - started });
      return { status, headers: response.headers, body };
    } catch (error) {
      this.options.onRequest?.({ method: request.method, path: request.path, status: 0, tookMs: performance.now() - started });
      if (this.closing.signal.aborted) throw unreachableApi(what, 'Sandlot is stopping');
      const known = this.outage;
      if (known && performance.now() < known.until) throw known.error; // of those that were under way together, the first one counts
      const failures = (known?.failures ?? 0) + 1;
      const pauseMs = backoff(failures, { firstMs: 100, maxMs: 5_000 });
      const refusal = unreachableApi(what, error, pauseMs);
      this.outage = { failures, until: performance.now() + pauseMs, error: refusal };
      throw refusal;
    }
  }

  private async send(request: ApiRequest, signal: AbortSignal, single: boolean, answerWithinMs?: number): Promise<IncomingMessage> {
    const credentials = await this.access.credentials();
    const agent = this.agentFor(credentials)[single ? 'single' : 'pooled'];
    const url = new URL(request.path, this.access.server);
    const payload = request.body === undefined ? undefined : Buffer.from(JSON.stringify(request.body));
    const headers = {
      ...credentials.headers,
      accept: 'application/json',
      'user-agent': 'sandlot',
      ...(payload && { 'content-type': request.contentType ?? 'application/json', 'content-length': payload.length }),
    };
    return new Promise((resolve, reject) => {
      const send = url.protocol === 'http:' ? httpRequest : httpsRequest;
      const sent = send(url, { method: request.method, headers, agent, signal }, resolve);
      if (answerWithinMs !== undefined) {
        const timer = setTimeout(() => sent.destroy(new Error(`no answer within ${answerWithinMs} ms`)), answerWithinMs).unref();
        sent.once('response', () => clearTimeout(timer)).once('close', () => clearTimeout(timer));
      }
      sent.once('error', (error: NodeJS.ErrnoException) => {
        // The server closed a kept connection in the moment in which we used it again. What it has made all the same is not to be made twice.
        if (sent.reusedSocket && request.method !== 'POST' && error.code === 'ECONNRESET' && !signal.aborted)
          resolve(this.send(request, signal, single, answerWithinMs));
        else reject(error);
      });
      sent.end(payload);
    });
  }

  /** Connections are kept as long as the credentials are the same; those of watches are never shared with requests. */
  private agentFor(credentials: Credentials) {
    const { agents } = this;
    if (agents && (agents.credentials === credentials || isDeepStrictEqual(agents.credentials.tls, credentials.tls))) return agents;
    const make = (maxSockets: number): HttpAgent => {
      if (credentials.agent) return credentials.agent;
      const options = { keepAlive: maxSockets !== Infinity, keepAliveMsecs: 15_000, maxSockets, timeout: 0 };
      return this.access.server.protocol === 'http:' ? new HttpAgent(options) : new HttpsAgent({ ...options, ...credentials.tls });
    };
    this.agents = { credentials, pooled: make(16), single: make(Infinity) };
    return this.agents;
  }

  private refuseWhileDown(): void {
    const { outage } = this;
    if (outage && performance.now() < outage.until) throw outage.error;
  }

  private async waitAsTold(what: string, deadline: number): Promise<void> {
    for (let left = 0; (left = this.pausedUntil - performance.now()) > 0;) {
      if (left > longestWaitMs || performance.now() + left > deadline)
        throw new ClusterRefusal('UNAVAILABLE', 'CLUSTER_UNAVAILABLE', 429, `${what}: the Kubernetes API asked to wait`, Math.ceil(left));
      await pause(left, undefined, { signal: this.closing.signal }).catch(closed(what));
    }
  }
}

const closed = (what: string) => () => {
  throw unreachableApi(what, 'Sandlot is stopping');
};

async function bodyOf(response: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString('utf8');
  if (text === '') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return { message: text.slice(0, 500) };
  }
}
