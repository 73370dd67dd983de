import { metrics } from '@opentelemetry/api';
import type { UserLimits } from '@sandlot/contracts';
import type { Caller } from './authentication.js';
import { Refusal } from './problem.js';
import type { Places, RequestTrail } from './record.js';
import { BURST_SECONDS, TokenBucket } from './token-bucket.js';

/** What everybody may, for whom nothing else is set. 0 is no limit. What is under way is counted in this process only, rates in all. */
export interface LimitOptions {
  /** Requests of one user under way at a time, those that are held included. Default 1000. */
  requestsPerUser?: number;
  /** WebSockets and tunnels of one user at a time. Default 1000. */
  connectionsPerUser?: number;
  /** Requests that one key may begin per second, over time; twice as many at once after a pause. Default 0. */
  requestsPerSecondPerKey?: number;
  /** The same for all keys of a user together. Default 0. */
  requestsPerSecondPerUser?: number;
  /** The same for each sandbox, whoever asks. Default 0. */
  requestsPerSecondPerSandbox?: number;
}

type EffectiveLimits = Required<UserLimits>;

interface UserUsage {
  /** As the user's record has them: another object is another record. */
  overrides: UserLimits | undefined;
  limits: EffectiveLimits;
  requests: Places;
  connections: Places;
  bucket: TokenBucket;
  lastAt: number;
}

interface KeyUsage {
  user: UserUsage;
  bucket: TokenBucket;
  lastAt: number;
}

interface SandboxUsage {
  bucket: TokenBucket;
  lastAt: number;
}

type Limited = Pick<Caller, 'keyId' | 'userId' | 'limits'>;

const FORGET_AFTER_MS = 60_000;

/**
 * A fair share for everybody: what one user may have under way, and how fast a key, a user and a sandbox may be asked for. On the hot path, so
 * all of it is counting, and nobody is asked. What passed is told to the other proxies a few times a second (`untold`), and what passed
 * there is taken away here (`spend`): together they let through what one would, but for what passes between two tellings.
 */
export class Limits {
  private readonly defaults: EffectiveLimits;
  private readonly keys = new Map<string, KeyUsage>();
  private readonly users = new Map<string, UserUsage>();
  private readonly sandboxes = new Map<string, SandboxUsage>();
  private spent: TokenBucket[] = [];
  private readonly elsewhere = new PassedElsewhere();
  private readonly decisions = new Decisions();
  private readonly timer: NodeJS.Timeout;

  constructor(options: LimitOptions = {}) {
    this.defaults = {
      requestsUnderWay: options.requestsPerUser ?? 1000,
      connections: options.connectionsPerUser ?? 1000,
      requestsPerSecondPerKey: options.requestsPerSecondPerKey ?? 0,
      requestsPerSecond: options.requestsPerSecondPerUser ?? 0,
      requestsPerSecondPerSandbox: options.requestsPerSecondPerSandbox ?? 0,
    };
    this.timer = setInterval(() => this.forget(performance.now() - FORGET_AFTER_MS), FORGET_AFTER_MS).unref();
  }

  /** Takes a place for the request, and a token of each of its buckets; the refusal when there is none. */
  take(caller: Limited, trail: RequestTrail): Refusal | undefined {
    const usage = this.usageOf(caller, trail.started);
    const refusal = this.refusalOf(usage, trail);
    if (refusal) {
      for (const policy of refusal.extras.violated!) this.decisions.count(policy, 'refused');
      return refusal;
    }
    const { user, bucket } = usage;
    if (user.limits.requestsPerSecondPerKey > 0) this.spendHere(bucket, trail);
    if (user.limits.requestsPerSecond > 0) this.spendHere(user.bucket, trail);
    const sandbox = this.sandboxBucket(user, trail);
    if (sandbox) this.spendHere(sandbox, trail);
    const places = placesOf(user, trail);
    places.taken++;
    trail.place = places;
    return undefined;
  }

  /** Why the request would be refused, without taking anything. */
  refusal(caller: Limited, trail: RequestTrail): Refusal | undefined {
    return this.refusalOf(this.usageOf(caller, trail.started), trail);
  }

  /** What holds for a user with these overrides. */
  inForce(overrides: UserLimits | undefined): EffectiveLimits {
    return { ...this.defaults, ...overrides };
  }

  /** What passed here since it was last asked: id and number, one after the other. */
  untold(): [id: string, count: number][] {
    const told = this.spent.map(({ id, untold }): [string, number] => [id, untold]);
    for (const bucket of this.spent) bucket.untold = 0;
    this.spent = [];
    return told;
  }

  /** Takes away what passed in another proxy. */
  spend(id: string, count: number, now = performance.now()): void {
    const bucket = this.bucketOf(id);
    if (bucket && bucket.rate > 0) bucket.spend(count, now);
    else this.elsewhere.note(id, count, now);
  }

  /** Everything that is counted as under way. */
  get taken(): number {
    let taken = 0;
    for (const { requests, connections } of this.users.values()) taken += requests.taken + connections.taken;
    return taken;
  }

  get known(): number {
    return this.keys.size;
  }

  /** Forgets who has not been seen since then and has nothing under way. */
  forget(before: number): void {
    for (const [userId, { requests, connections, lastAt }] of this.users) {
      if (lastAt < before && requests.taken + connections.taken === 0) this.users.delete(userId);
    }
    for (const [keyId, { user, lastAt }] of this.keys) {
      if (lastAt < before && user.lastAt < before && user.requests.taken + user.connections.taken === 0) this.keys.delete(keyId);
    }
    for (const [sandboxId, { lastAt }] of this.sandboxes) if (lastAt < before) this.sandboxes.delete(sandboxId);
  }

  close(): void {
    clearInterval(this.timer);
    this.decisions.close();
  }

  private refusalOf({ user, bucket }: KeyUsage, trail: RequestTrail): Refusal | undefined {
    const { limits } = user;
    const connection = isConnection(trail);
    const most = connection ? limits.connections : limits.requestsUnderWay;
    if (most > 0 && placesOf(user, trail).taken >= most) return full(connection ? 'connections' : 'requests', most);
    return (
      tooFast(bucket, limits.requestsPerSecondPerKey, trail.started, 'This key may begin') ??
      tooFast(user.bucket, limits.requestsPerSecond, trail.started, 'You may begin') ??
      this.tooFastFor(user, trail)
    );
  }

  private usageOf({ keyId, userId, limits }: Limited, now: number): KeyUsage {
    let usage = this.keys.get(keyId);
    if (!usage) this.keys.set(keyId, (usage = { user: this.userOf(userId, now), bucket: new TokenBucket('key', keyId), lastAt: now }));
    const { user } = usage;
    if (user.overrides !== limits) {
      user.overrides = limits;
      user.limits = this.inForce(limits);
    }
    this.limitTo(usage.bucket, user.limits.requestsPerSecondPerKey, now);
    this.limitTo(user.bucket, user.limits.requestsPerSecond, now);
    usage.lastAt = user.lastAt = now;
    return usage;
  }

  private userOf(userId: string, now: number): UserUsage {
    const known = this.users.get(userId);
    if (known) return known;
    const [requests, connections] = [{ taken: 0 }, { taken: 0 }];
    const bucket = new TokenBucket('user', userId);
    const user = { overrides: undefined, limits: this.defaults, requests, connections, bucket, lastAt: now };
    this.users.set(userId, user);
    return user;
  }

  /** A bucket that begins here may have been in use elsewhere. */
  private limitTo(bucket: TokenBucket, rate: number, now: number): void {
    if (rate === bucket.rate) return;
    const fresh = bucket.rate === 0;
    bucket.limitTo(rate, now);
    if (fresh) bucket.spend(Math.min(bucket.tokens, this.elsewhere.recent(bucket.id, now)), now);
  }

  private tooFastFor(user: UserUsage, trail: RequestTrail): Refusal | undefined {
    const bucket = this.sandboxBucket(user, trail);
    return bucket && tooFast(bucket, bucket.rate, trail.started, 'This sandbox may be sent');
  }

  /** Its owner's limit counts, also for an administrator who reaches in, where it is known here; else the default. */
  private sandboxBucket({ limits }: UserUsage, { sandboxId, crossing, started }: RequestTrail): TokenBucket | undefined {
    if (sandboxId === undefined) return undefined;
    let usage = this.sandboxes.get(sandboxId);
    const rate = crossing ? (usage?.bucket.rate ?? this.defaults.requestsPerSecondPerSandbox) : limits.requestsPerSecondPerSandbox;
    if (rate === 0 && !usage) return undefined;
    if (!usage) this.sandboxes.set(sandboxId, (usage = { bucket: new TokenBucket('sandbox', sandboxId), lastAt: started }));
    usage.lastAt = started;
    this.limitTo(usage.bucket, rate, started);
    return rate > 0 ? usage.bucket : undefined;
  }

  private spendHere(bucket: TokenBucket, trail: RequestTrail): void {
    bucket.tokens--;
    if (bucket.untold++ === 0) this.spent.push(bucket);
    this.decisions.count(bucket.name, 'allowed');
    const { limitHeaders } = trail;
    if (limitHeaders) {
      limitHeaders[1] += `, ${bucket.policy}`;
      limitHeaders[3] += `, ${bucket.state}`;
    } else {
      trail.limitHeaders = ['ratelimit-policy', bucket.policy, 'ratelimit', bucket.state];
    }
  }

  private bucketOf(id: string): TokenBucket | undefined {
    return (this.keys.get(id) ?? this.users.get(id) ?? this.sandboxes.get(id))?.bucket;
  }
}

/** What passed in other proxies for whom nobody has asked here, for as long as it matters to a bucket that would be full. */
class PassedElsewhere {
  private current = new Map<string, number>();
  private previous = new Map<string, number>();
  private turnedAt = 0;

  note(id: string, count: number, now: number): void {
    this.turn(now);
    this.current.set(id, (this.current.get(id) ?? 0) + count);
  }

  recent(id: string, now: number): number {
    this.turn(now);
    return (this.current.get(id) ?? 0) + (this.previous.get(id) ?? 0);
  }

  private turn(now: number): void {
    const turns = Math.floor(((now - this.turnedAt) / BURST_SECONDS / 1000) * 2);
    if (turns < 1) return;
    this.previous = turns === 1 ? this.current : new Map();
    this.current = new Map();
    this.turnedAt = now;
  }
}

/** Counted here and shown when asked for: a counter with labels costs more than the decision. */
class Decisions {
  private readonly counts = { allowed: new Map<string, number>(), refused: new Map<string, number>() };
  private readonly counter = metrics.getMeter('@sandlot/proxy').createObservableCounter('sandlot_ratelimit_decisions_total', {
    description: 'Requests by limit and whether it let them through; limits of what is under way count refusals only',
  });
  private readonly observe = (result: { observe(value: number, attributes: Record<string, string>): void }) => {
    for (const [decision, counts] of Object.entries(this.counts))
      for (const [policy, count] of counts) result.observe(count, { policy, decision });
  };

  constructor() {
    this.counter.addCallback(this.observe);
  }

  count(policy: string, decision: 'allowed' | 'refused'): void {
    const counts = this.counts[decision];
    counts.set(policy, (counts.get(policy) ?? 0) + 1);
  }

  close(): void {
    this.counter.removeCallback(this.observe);
  }
}

const isConnection = ({ kind }: RequestTrail): boolean => kind === 'websocket' || kind === 'tunnel';

const placesOf = ({ requests, connections }: UserUsage, trail: RequestTrail): Places => (isConnection(trail) ? connections : requests);

function full(what: 'requests' | 'connections', limit: number): Refusal {
  const detail =
    what === 'requests'
      ? `More than ${limit} requests of yours are under way`
      : `More than ${limit} of your WebSockets and tunnels are open`;
  const policy = `user-${what}`;
  return refusal(detail, 1, policy, `"${policy}";q=${limit};qu="concurrent-requests"`, `"${policy}";r=0`);
}

function tooFast(bucket: TokenBucket, rate: number, now: number, whoMay: string): Refusal | undefined {
  if (rate === 0) return undefined;
  bucket.fill(now);
  if (bucket.tokens >= 1) return undefined;
  return refusal(`${whoMay} ${rate} requests per second`, bucket.secondsToNext, bucket.name, bucket.policy, bucket.state);
}

/** The two fields of draft-ietf-httpapi-ratelimit-headers, and its problem. */
function refusal(detail: string, retryAfter: number, violated: string, policy: string, state: string): Refusal {
  const headers = ['ratelimit-policy', policy, 'ratelimit', state];
  return new Refusal('RATE_LIMITED', detail, { retryAfter, headers, violated: [violated] });
}
