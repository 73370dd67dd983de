import { once } from 'node:events';
import type { ClientRequest } from 'node:http';
import { Agent, get, request } from 'node:https';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';

/** Where an API server is, and as whom to speak to it. All but the URL is PEM. */
export interface ApiAccess {
  url: string;
  authority: string;
  certificate: string;
  key: string;
}

/** The API server's refusal: what it answers is a `Status` object. */
export class ApiError extends Error {
  readonly status: number;
  readonly body: unknown;

  constructor(what: string, status: number, body: unknown) {
    super(`${what} was answered ${status}: ${(body as { message?: string }).message ?? JSON.stringify(body)}`);
    this.status = status;
    this.body = body;
  }
}

export interface ApiClient {
  /** Sends an object as JSON (a patch: as server-side apply, merge or JSON patch, by `contentType`) and answers the object that comes back. */
  request<T = KubernetesObject>(method: string, path: string, body?: object, contentType?: string): Promise<T>;
  /** Calls back for every object of a collection, and again when it changes, until `stop`; begins anew whenever the connection ends. */
  follow(path: string, changed: (object: KubernetesObject, event: 'present' | 'gone') => unknown): { stop(): void };
  close(): void;
}

/** As much of an object as most tests look at. */
export interface KubernetesObject {
  apiVersion?: string;
  kind?: string;
  metadata: {
    name: string;
    namespace?: string;
    uid: string;
    resourceVersion: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
    deletionTimestamp?: string;
  };
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- tests look into objects of any kind
  [field: string]: any;
}

export function apiClient({ url, authority, certificate, key }: ApiAccess): ApiClient {
  const agent = new Agent({ ca: authority, cert: certificate, key, keepAlive: true });
  const client: ApiClient = {
    async request<T>(method: string, path: string, body?: object, contentType = 'application/json'): Promise<T> {
      const payload = body ? JSON.stringify(body) : '';
      // With its length: Node does not frame the body of a DELETE by itself, and the server would not see it.
      const headers = body ? { 'content-type': contentType, 'content-length': Buffer.byteLength(payload) } : {};
      const sent = request(new URL(path, url), { method, agent, headers, timeout: 30_000 });
      sent.on('timeout', () => sent.destroy(new Error(`${method} ${path} had no answer within 30 s`)));
      sent.end(payload);
      const [response] = await once(sent, 'response');
      const answer = await text(response);
      const parsed: unknown = response.headers['content-type']?.includes('json') ? JSON.parse(answer) : answer;
      if (response.statusCode >= 400) throw new ApiError(`${method} ${path}`, response.statusCode, parsed);
      return parsed as T;
    },
    follow(path, changed) {
      const stopped = new AbortController();
      void followUntil(
        stopped.signal,
        client,
        (watchPath) => get(new URL(watchPath, url), { agent, signal: stopped.signal }),
        path,
        changed,
      );
      return { stop: () => stopped.abort() };
    },
    close: () => agent.destroy(),
  };
  return client;
}

/** As simple as a test needs it: every end and every fault is answered by listing anew. */
async function followUntil(
  stopped: AbortSignal,
  client: ApiClient,
  open: (path: string) => ClientRequest,
  path: string,
  changed: (object: KubernetesObject, event: 'present' | 'gone') => unknown,
): Promise<void> {
  while (!stopped.aborted) {
    try {
      const { items, metadata } = await client.request('GET', path);
      for (const item of items) changed(item, 'present');
      const [response] = await once(open(`${path}?watch=true&resourceVersion=${metadata.resourceVersion}`), 'response');
      for await (const line of createInterface(response)) {
        const { type, object } = JSON.parse(line) as { type: string; object: KubernetesObject };
        if (type === 'ERROR') break;
        changed(object, type === 'DELETED' ? 'gone' : 'present');
      }
      response.destroy();
    } catch {
      await pause(100, undefined, { ref: false });
    }
  }
}
