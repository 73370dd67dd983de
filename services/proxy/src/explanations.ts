import type { DiscoveredRoute, RequestOf, ReplyOf, proxyMessages, RouteRecord, UserRecord } from '@sandlot/contracts';
import { formatApiKey, hashApiKey, newId, type UserId } from '@sandlot/kernel';
import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { hostname } from 'node:os';
import { Admissions, type AdmissionOptions } from './admission.js';
import type { Admission } from './admitted.js';
import { ClientConnection } from './client-connection.js';
import { DirectoryUnavailable, whenKnown, type Answer, type Directory } from './directory.js';
import type { Limits } from './limits.js';
import { OpenedLink } from './preview-admission.js';
import { Refusal } from './problem.js';
import { RequestTrail } from './record.js';
import type { Route } from './routing.js';

type Question = Omit<Required<RequestOf<typeof proxyMessages.ExplainRouting>>, 'host'> & { host?: string | undefined };
type Explanation = ReplyOf<typeof proxyMessages.ExplainRouting>;

/**
 * Says what would become of a request, and why. A request is made up with a key that only this question knows, and goes through the same
 * admission as all others, with a directory that remembers which route it gave, no limits and nobody to wake; the limits are looked
 * at afterwards, without taking anything.
 */
export class Explanations {
  constructor(
    private readonly options: AdmissionOptions,
    private readonly limits: Limits,
  ) {}

  async explain({ userId, method, path, host = 'localhost' }: Question): Promise<Explanation> {
    const key = formatApiKey(randomBytes(32));
    const directory = new DirectoryInQuestion(this.options.directory, hashApiKey(key), userId as UserId);
    const admissions = new Admissions({ ...this.options, directory, limits: WITHOUT_LIMITS, ...WITHOUT_EFFECT });
    const client = ClientConnection.of(new Socket());
    const trail = new RequestTrail(client, { record: () => undefined });
    trail.method = method;
    try {
      const tunnel = method === 'CONNECT';
      if (tunnel) trail.kind = 'tunnel';
      const request = requestOf(method, path, host, key);
      const admitted = await (tunnel ? admissions.admitTunnel(request, client, trail) : admissions.admit(request, client, trail));
      const wakes = admitted instanceof Refusal && this.wouldWake(directory.given);
      const refusal = admitted instanceof Refusal ? admitted : this.limited(directory.asking, trail);
      const passes = refusal || admitted instanceof Refusal || admitted instanceof OpenedLink ? undefined : admitted;
      return {
        decision: passes ? 'forwarded' : 'refused',
        to: passes ? (tunnel ? 'sandbox' : (passes as Admission).to) : null,
        address: passes?.address ?? null,
        status: refusal?.status ?? (admitted instanceof OpenedLink ? OpenedLink.status : null),
        code: refusal?.code ?? null,
        detail: refusal?.detail ?? null,
        reason: (refusal && (trail.reason ?? refusal.extras.reason)) ?? null,
        kind: trail.kind,
        canonicalPath: trail.path,
        sandboxId: trail.sandboxId ?? null,
        sandbox: trail.sandbox ?? null,
        port: trail.port ?? null,
        state: directory.given?.state ?? null,
        wakes,
        proxy: hostname(),
      };
    } finally {
      admissions.limits.close();
      client.socket.destroy();
    }
  }

  private limited(user: UserRecord | undefined, trail: RequestTrail): Refusal | undefined {
    // Rates of single keys are not looked at: it is not said with which one would ask.
    return user && this.limits.refusal({ userId: user.userId, keyId: `question:${user.userId}`, limits: user.limits }, trail);
  }

  private wouldWake(route: Route | undefined): boolean {
    const { wake } = this.options;
    const ours = route !== undefined && 'sandboxId' in route;
    return ours && wake !== undefined && wake.timeoutMs !== 0 && ['paused', 'pausing', 'starting', 'resuming'].includes(route.state);
  }
}

/** Whatever is told of requests, or does something for them. */
const WITHOUT_EFFECT = { wake: undefined, activity: undefined, spans: undefined };
const WITHOUT_LIMITS = { requestsPerUser: 0, connectionsPerUser: 0 };

/** The platform's own, but for one key that is the user's. */
class DirectoryInQuestion implements Directory {
  /** The last route that it gave. */
  given: Route | undefined;
  asking: UserRecord | undefined;
  private readonly keyId = newId('key');

  constructor(
    private readonly directory: Directory,
    private readonly hash: string,
    private readonly userId: UserId,
  ) {}

  key(hash: string) {
    return hash === this.hash ? { keyId: this.keyId, userId: this.userId, status: 'active' as const, expiresAt: null } : undefined;
  }

  user(userId: string): Answer<UserRecord> {
    return this.noting(this.directory.user(userId), (user) => (this.asking = user));
  }

  /** By which tokens and certificates name a user; this asks with a key. */
  username(): undefined {
    return undefined;
  }

  route(username: string, sandbox: string): Answer<RouteRecord> {
    return this.noting(this.directory.route(username, sandbox), (route) => (this.given = route));
  }

  discovered(username: string, sandbox: string): Answer<DiscoveredRoute> {
    return this.noting(this.directory.discovered(username, sandbox), (route) => (this.given = route));
  }

  async freshRoute(username: string, sandbox: string): Promise<RouteRecord | undefined> {
    const route = await this.directory.freshRoute(username, sandbox);
    this.given = route;
    return route;
  }

  watchRoute = (): never => {
    throw new DirectoryUnavailable('a question waits for nothing');
  };

  watchRoutes = () => () => undefined;

  watchCredentials = () => () => undefined;

  private noting<T>(answer: Answer<T>, note: (found: T | undefined) => void): Answer<T> {
    return whenKnown(answer, (found) => {
      note(found);
      return found;
    });
  }
}

/** As node:http would have read it. */
function requestOf(method: string, url: string, host: string, key: string): IncomingMessage {
  const headers = { host, 'x-api-key': key };
  return { method, url, httpVersion: '1.1', headers, rawHeaders: Object.entries(headers).flat() } as unknown as IncomingMessage;
}
