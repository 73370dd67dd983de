import type { RouteRecord } from '@sandlot/contracts';
import { DomainError } from '@sandlot/kernel';
import { metrics } from '@opentelemetry/api';
import type { Caller } from './authentication.js';
import type { ClientConnection, Held } from './client-connection.js';
import type { Directory } from './directory.js';
import { Refusal } from './problem.js';
import type { RequestTrail } from './record.js';
import { notFound, notReady, over } from './routing.js';

/** Asks for a sandbox to be resumed. Asking again for one that is on its way changes nothing. */
export interface Waker {
  /** Returns when it is in the log. @throws DomainError, OUTCOME_UNKNOWN when it may be */
  wake(route: RouteRecord, attempt: WakeAttempt): Promise<void>;
}

/** Who woke it and by which request: stands in the log beside the resumption. */
export interface WakeAttempt {
  caller: Caller;
  ip: string;
  requestId: string;
  traceparent: string | undefined;
}

export interface WakeOptions {
  waker: Waker;
  /** Milliseconds that a request is held at most. Default 30,000. */
  timeoutMs?: number;
  /** Requests held at a time; further ones are told to come again. Default 1000. */
  maxHeld?: number;
  /** The same, per sandbox. Default 100. */
  maxHeldPerSandbox?: number;
  /** Told when waking failed for a reason that is ours. */
  onProblem?: (problem: unknown) => void;
}

/** A request for a sandbox that is not running. */
export interface Sleeper {
  caller: Caller;
  client: ClientConnection;
  trail: RequestTrail;
  traceparent: string | undefined;
  /** The request's Prefer field. */
  prefer: string | undefined;
}

type Outcome = RouteRecord | Refusal;

/** Asked to resume; those that start or resume already are waited for only. */
const ASLEEP = new Set<RouteRecord['state']>(['paused', 'pausing']);
const ON_ITS_WAY = new Set<RouteRecord['state']>(['starting', 'resuming']);

/**
 * Wakes sandboxes for the requests that come for them and holds these until the route says `running`. Nothing of a held request is
 * read meanwhile, so what it costs is its connection. One command per wake-up, however many ask.
 */
export class WakeUps {
  /** Requests that are being held. */
  held = 0;
  private readonly options: Required<WakeOptions>;
  private readonly underWay = new Map<string, WakeUp>();
  private readonly durations = metrics.getMeter('@sandlot/proxy').createHistogram('sandlot_proxy_wake_duration_seconds', {
    unit: 's',
    description: 'From the request that woke a sandbox until it ran, by what came of it',
    advice: { explicitBucketBoundaries: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120] },
  });
  private draining = false;

  constructor(
    private readonly directory: Directory,
    options: WakeOptions,
  ) {
    this.options = { timeoutMs: 30_000, maxHeld: 1000, maxHeldPerSandbox: 100, onProblem: () => undefined, ...options };
  }

  /** The route once the sandbox runs, or why it does not. */
  async route(route: RouteRecord, sleeper: Sleeper): Promise<Outcome> {
    const { timeoutMs, maxHeld, maxHeldPerSandbox } = this.options;
    const asleep = ASLEEP.has(route.state);
    if (this.draining || timeoutMs === 0 || (!asleep && !ON_ITS_WAY.has(route.state))) return notReady(route.state);
    const wakeUp = this.underWay.get(route.sandboxId) ?? this.begin(route, sleeper);
    if (asleep) wakeUp.wake(sleeper);
    const waitMs = Math.min(timeoutMs, preferredWaitMs(sleeper.prefer));
    const busy = this.held >= maxHeld || wakeUp.waiting >= maxHeldPerSandbox;
    if (waitMs === 0 || busy) {
      if (busy) sleeper.trail.reason = 'too many requests wait for sandboxes to wake';
      return notReady(route.state, 1);
    }
    const since = performance.now();
    this.held++;
    try {
      return await wakeUp.join(sleeper, waitMs);
    } finally {
      this.held--;
      sleeper.trail.heldMs = Math.round(performance.now() - since);
    }
  }

  /** From now on nothing is held that is not held already, and nothing woken. */
  drain(): void {
    this.draining = true;
  }

  /** Lets go of everything. */
  close(): void {
    this.drain();
    for (const wakeUp of this.underWay.values()) wakeUp.end(notReady(wakeUp.state, 1), 'abandoned');
  }

  private begin(route: RouteRecord, sleeper: Sleeper): WakeUp {
    const ended = (seconds: number, outcome: string, woken: boolean) => {
      this.underWay.delete(route.sandboxId);
      if (woken) this.durations.record(seconds, { outcome });
    };
    const wakeUp = new WakeUp(route, sleeper, this.directory, this.options, ended);
    this.underWay.set(route.sandboxId, wakeUp);
    return wakeUp;
  }
}

/** One sandbox on its way up. It ends when the sandbox runs, when that fails, or when the time is over. */
class WakeUp {
  state: RouteRecord['state'];
  private readonly waiters = new Set<(outcome: Outcome) => void>();
  private readonly startedAt = performance.now();
  private readonly unwatch: () => void;
  private readonly timer: NodeJS.Timeout;
  private woken = false;
  private rising = false;
  private outcome: Outcome | undefined;

  constructor(
    private readonly route: RouteRecord,
    { caller, trail, traceparent }: Sleeper,
    private readonly directory: Directory,
    private readonly options: Required<WakeOptions>,
    private readonly onEnd: (seconds: number, outcome: string, woken: boolean) => void,
  ) {
    this.state = route.state;
    this.attempt = { caller, ip: trail.origin.ip, requestId: trail.requestId, traceparent };
    this.unwatch = directory.watchRoute(route.username, route.name, (seen) => this.look(seen));
    this.timer = setTimeout(() => this.end(notReady(this.state, 1), 'timeout'), options.timeoutMs);
    this.lookAnew().catch(options.onProblem); // it may have changed between the request's look and this watch
  }

  private readonly attempt: WakeAttempt;

  get waiting(): number {
    return this.waiters.size;
  }

  /** Sends the command, unless this wake-up did already. */
  wake({ trail }: Sleeper): void {
    if (this.woken) return;
    this.woken = true;
    trail.woke = true;
    void this.command();
  }

  join({ client, trail }: Sleeper, waitMs: number): Promise<Outcome> {
    if (this.outcome) return Promise.resolve(this.outcome);
    return new Promise((done) => {
      const settle = (outcome: Outcome) => {
        clearTimeout(timer);
        this.waiters.delete(settle);
        client.held.delete(held);
        done(outcome);
      };
      const timer = setTimeout(() => settle(notReady(this.state, 1)), waitMs);
      const held: Held = { trail, letGo: (refusal) => settle(refusal ?? notReady(this.state, 1)) };
      this.waiters.add(settle);
      client.held.add(held);
    });
  }

  end(outcome: Outcome, name: string): void {
    if (this.outcome) return;
    this.outcome = outcome;
    clearTimeout(this.timer);
    this.unwatch();
    this.onEnd((performance.now() - this.startedAt) / 1000, name, this.woken);
    for (const settle of [...this.waiters]) settle(outcome);
  }

  private async command(): Promise<void> {
    try {
      await this.options.waker.wake(this.route, this.attempt);
      await this.lookAnew();
    } catch (error) {
      const code = error instanceof DomainError ? error.code : 'INTERNAL';
      if (code === 'OUTCOME_UNKNOWN') return; // it may be on its way: the watch will tell, or the time will be over
      if (code === 'SANDBOX_NOT_FOUND' || code === 'SANDBOX_GONE') return this.end(notFound(), 'gone');
      if (code !== 'UNAVAILABLE') this.options.onProblem(error);
      const reason = error instanceof Error ? error.message : undefined;
      this.end(new Refusal('UNAVAILABLE', 'The sandbox cannot be woken right now', { retryAfter: 1, reason }), 'refused');
    }
  }

  private async lookAnew(): Promise<void> {
    this.look(await this.directory.freshRoute(this.route.username, this.route.name));
  }

  private look(seen: RouteRecord | undefined): void {
    if (this.outcome) return;
    if (!seen) return this.end(notFound(), 'gone');
    if (seen.state === 'deleting' || seen.state === 'deleted') return this.end(over(seen), 'gone');
    this.state = seen.state;
    if (seen.sandboxId !== this.route.sandboxId) return this.end(notReady(seen.state, 1), 'gone'); // another one under the same name
    if (seen.state === 'running' && seen.ports.length > 0) return this.end(seen, 'running');
    if (seen.state === 'failed') return this.end(notReady('failed'), 'failed');
    if (ON_ITS_WAY.has(seen.state)) this.rising = true;
    else if (this.rising && ASLEEP.has(seen.state)) this.end(notReady(seen.state), 'paused'); // somebody wants it to sleep: no tug of war
  }
}

const NO_WAIT = /(?:^|,)\s*respond-async\s*(?:[,;]|$)/i;
const WAIT = /(?:^|[,;])\s*wait\s*=\s*"?(\d{1,9})"?\s*(?:[,;]|$)/i;

/** RFC 7240: `wait` says how long the client would wait, `respond-async` alone that it would not. */
export function preferredWaitMs(prefer: string | undefined): number {
  if (prefer === undefined) return Infinity;
  const seconds = WAIT.exec(prefer)?.[1];
  if (seconds !== undefined) return Number(seconds) * 1000;
  return NO_WAIT.test(prefer) ? 0 : Infinity;
}
