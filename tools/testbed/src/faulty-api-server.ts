import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Agent, request } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { buffer } from 'node:stream/consumers';
import { atEnd } from '@sandlot/testing';
import { apiCall, matches, type ApiCall, type CallMatch } from './api-call.js';
import type { ApiAccess } from './api-client.js';
import { writeKubeconfig } from './kubeconfig.js';
import { WatchStream } from './watch-stream.js';

export type Fault =
  /** The API server hears nothing of it. */
  | Refusal
  /** Done, but this much later. */
  | { delayMs: number }
  /** The connection breaks: `before` the request reaches the API server, or `after` it did what was asked and before it could say so. */
  | { cut: 'before' | 'after' }
  /** The connection stays and nothing more comes: half open. Watches that are open already fall silent too, and stay so. */
  | { silent: true }
  /** For watches, those that are open too: the event that tells 410 Gone, and the end. */
  | { expire: true };

/** Answered with a `Status`. */
export interface Refusal {
  answer: number;
  /** As in `Status`. Default: what goes with the number, `Conflict` for 409. */
  reason?: string;
  message?: string;
  retryAfterS?: number;
}

export interface FaultRule {
  /** How often it has been applied. */
  readonly hits: number;
  lift(): void;
}

export interface FaultyApiServer {
  /** Plain HTTP/1.1. Without credentials of its own a client is the administrator; kubectl never sends a token over plain HTTP. */
  url: string;
  kubeconfigPath: string;
  /** From now on, for calls that match, at most `times` times. Of several rules the newest that matches counts. */
  fault(match: CallMatch, fault: Fault, times?: number): FaultRule;
  /** Lifts every rule. */
  heal(): void;
  /** What was asked since the start or `forget`, in order; refused or not. */
  calls(match?: CallMatch): ApiCall[];
  forget(): void;
  openWatches(match?: CallMatch): ApiCall[];
  /** Ends open watches as an API server does when their time is over. */
  endWatches(match?: CallMatch): void;
  /** Breaks all connections; new ones are taken. */
  cut(): void;
  close(): Promise<void>;
}

interface Rule extends FaultRule {
  match: CallMatch;
  fault: Fault;
  hits: number;
  times: number;
}

const REASONS: Record<number, string> = {
  403: 'Forbidden',
  404: 'NotFound',
  409: 'Conflict',
  410: 'Expired',
  422: 'Invalid',
  429: 'TooManyRequests',
  500: 'InternalError',
  503: 'ServiceUnavailable',
  504: 'Timeout',
};

/**
 * A front of the API server that causes on demand what API servers and networks do to their clients, and counts the calls. What a
 * client connection meets it meets on a connection of its own to the API server, so that the one's end is the other's. No upgrades:
 * `kubectl exec` and `port-forward` need the API server itself.
 */
export async function faultyApiServer(cluster: { access: ApiAccess; kubeconfigPath: string }): Promise<FaultyApiServer> {
  let rules: Rule[] = [];
  let calls: ApiCall[] = [];
  const watches = new Set<WatchStream>();
  const sockets = new Set<Socket>();
  const forward = forwarder(cluster.access);

  const server = createServer({ requestTimeout: 0, keepAliveTimeout: 0 }, (req, res) => {
    const call = apiCall(req.method ?? 'GET', req.url ?? '/');
    calls.push(call);
    handle(call, req, res, faultFor(call)).catch(() => req.socket.destroy());
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
  });
  server.on('clientError', (_, socket) => socket.destroy());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;

  function faultFor(call: ApiCall, among: (fault: Fault) => boolean = () => true): Fault | undefined {
    const rule = rules.find(({ match, fault, hits, times }) => hits < times && among(fault) && matches(call, match));
    if (rule) rule.hits++;
    return rule?.fault;
  }

  async function handle(call: ApiCall, req: IncomingMessage, res: ServerResponse, fault: Fault | undefined): Promise<void> {
    const body = await buffer(req);
    if (fault && 'answer' in fault) return refuse(res, fault);
    if (fault && 'silent' in fault) return;
    if (fault && 'cut' in fault && fault.cut === 'before') return void req.socket.resetAndDestroy();
    if (fault && 'delayMs' in fault) await pause(fault.delayMs, undefined, { ref: false });
    if (req.socket.destroyed) return;
    const answer = await forward(call, req, res, body);
    if (fault && 'cut' in fault) {
      await buffer(answer);
      return void req.socket.resetAndDestroy();
    }
    res.writeHead(answer.statusCode ?? 502, answer.headers);
    if (call.verb !== 'watch' || answer.statusCode !== 200) return void answer.on('error', () => req.socket.destroy()).pipe(res);
    const watch = new WatchStream(call, answer, res);
    watches.add(watch);
    res.on('close', () => watches.delete(watch));
    // One that was still being opened when the rule was made counts as open.
    apply(fault ?? faultFor(call, reachesOpenWatches), watch);
  }

  const open = (match: CallMatch = {}) => [...watches].filter((watch) => matches(watch.call, match));
  const front: FaultyApiServer = {
    url,
    kubeconfigPath: join(dirname(cluster.kubeconfigPath), `faulty-${port}.kubeconfig`),
    fault(match, fault, times = Infinity) {
      const rule: Rule = { match, fault, hits: 0, times, lift: () => (rules = rules.filter((one) => one !== rule)) };
      rules.unshift(rule);
      for (const watch of open({ verb: 'watch', ...match })) {
        if (rule.hits === rule.times || !reachesOpenWatches(fault)) break;
        rule.hits++;
        apply(fault, watch);
      }
      return rule;
    },
    heal: () => (rules = []),
    calls: (match = {}) => calls.filter((call) => matches(call, match)),
    forget: () => (calls = []),
    openWatches: (match) => open(match).map(({ call }) => call),
    endWatches: (match) => open(match).forEach((watch) => watch.end()),
    cut: () => sockets.forEach((socket) => socket.resetAndDestroy()),
    async close() {
      server.close();
      front.cut();
      await once(server, 'close');
    },
  };
  await writeKubeconfig(front.kubeconfigPath, url, undefined, undefined);
  atEnd(() => (server.listening ? front.close() : undefined));
  return front;
}

function reachesOpenWatches(fault: Fault): boolean {
  return 'silent' in fault || 'expire' in fault;
}

function apply(fault: Fault | undefined, watch: WatchStream): void {
  if (fault && 'silent' in fault) watch.silence();
  if (fault && 'expire' in fault) watch.expire();
}

function refuse(res: ServerResponse, { answer, reason, message, retryAfterS }: Refusal): void {
  const status = {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: message ?? `a fault of the testbed's: ${answer}`,
    reason: reason ?? REASONS[answer] ?? 'Unknown',
    ...(retryAfterS !== undefined && { details: { retryAfterSeconds: retryAfterS } }),
    code: answer,
  };
  if (retryAfterS !== undefined) res.setHeader('retry-after', retryAfterS);
  res.writeHead(answer, { 'content-type': 'application/json' });
  res.end(JSON.stringify(status));
}

/** Sends a request on over the connection that belongs to its client's, as the administrator unless the client is somebody already. */
function forwarder({ url, authority, certificate, key }: ApiAccess) {
  const agents = new WeakMap<Socket, Agent>();
  return async (call: ApiCall, req: IncomingMessage, res: ServerResponse, body: Buffer): Promise<IncomingMessage> => {
    const { host: _host, connection: _connection, 'transfer-encoding': _encoding, ...headers } = req.headers;
    const tls = { ca: authority, ...(!headers.authorization && { cert: certificate, key }) };
    // The end of a watch is the end of its connection, and must not be taken for the end of the client's.
    const agent = call.verb === 'watch' ? false : (agents.get(req.socket) ?? agentFor(req.socket));
    if (agent) agents.set(req.socket, agent);
    const sent = request(new URL(call.path, url), {
      ...tls,
      method: req.method,
      agent,
      headers: { ...headers, ...(body.length > 0 && { 'content-length': body.length }) },
    });
    res.once('close', () => res.writableFinished || sent.destroy());
    sent.end(body);
    const [answer] = (await once(sent, 'response')) as [IncomingMessage];
    sent.on('error', () => req.socket.destroy());
    return answer;
  };
}

function agentFor(client: Socket): Agent {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const known = new WeakSet<object>();
  agent.on('free', (socket: Socket) => {
    if (!known.has(socket)) socket.once('close', () => client.destroy());
    known.add(socket);
  });
  client.once('close', () => agent.destroy());
  return agent;
}
