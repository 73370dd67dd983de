import type { AccessRecord } from '@sandlot/contracts';
import type { ClientOrigin } from './client-origin.js';
import type { Credential } from './credential.js';
import type { Guest } from './guests.js';
import { newIdBody } from './request-id.js';
import { timestamp } from './timestamp.js';

/** Takes the records of what passed. Called on the hot path: must return at once and never throw. */
export interface Recorder {
  record(record: AccessRecord): void;
  /** Whether nothing may pass because it could not be recorded. Default: never. */
  readonly refusing?: boolean;
}

/** A span that a request ends with its record (request-spans.ts). */
export interface RequestSpan {
  end(record: AccessRecord): void;
}

/** A number of things of one user that are under way (limits.ts). What has taken a place frees it when it is finished. */
export interface Places {
  taken: number;
}

/** What goes by the requests that are under way (activity.ts), and is told of their end. */
export interface Use {
  end(trail: RequestTrail): void;
}

const MAX_PATH = 1024;

/** One request while it is under way; `finish` makes its record. Everything but the time and the client is filled in as it becomes known. */
export class RequestTrail {
  readonly requestId: string;
  method = '';
  /** Without the query. */
  path = '';
  kind: AccessRecord['kind'] = 'http';
  caller: { userId: string; username?: string; keyId: string; credential: Credential } | undefined;
  sandboxId: string | undefined;
  sandbox: string | undefined;
  /** Of the sandbox, to which it goes. */
  port: number | undefined;
  /** Of the problem, when refused by the proxy or by the gateway. */
  code: string | undefined;
  /** For the holder's trail, never for the client. */
  reason: string | undefined;
  bytesIn = 0;
  bytesOut = 0;
  /** performance.now() when the upstream began to answer. */
  answeredAt: number | undefined;
  /** Milliseconds for which it was held until its sandbox woke; undefined when it was not. */
  heldMs: number | undefined;
  /** Whether this request woke the sandbox. */
  woke: boolean | undefined;
  span: RequestSpan | undefined;
  /** What a client is told of its rates: name, value, name, value. */
  limitHeaders: [string, string, string, string] | undefined;
  /** What it takes a place of. */
  place: Places | undefined;
  /** Where it counts as use of its sandbox. */
  use: Use | undefined;
  /** Who came by a preview, while that is under way. */
  guest: Guest | undefined;
  /** Whether an administrator reached into somebody else's sandbox. */
  crossing = false;

  private readonly at = Date.now();
  /** performance.now() when it came. */
  readonly started = performance.now();
  private readonly idBody: string;
  private finished = false;

  constructor(
    readonly origin: ClientOrigin,
    private readonly recorder: Recorder,
  ) {
    this.idBody = newIdBody(this.at);
    this.requestId = `req_${this.idBody}`;
  }

  /** Records the request, once; later calls do nothing. */
  finish(status: number): void {
    if (this.finished) return;
    this.finished = true;
    if (this.place) this.place.taken--;
    this.use?.end(this);
    this.guest?.leave();
    const record: AccessRecord = {
      id: `evt_${this.idBody}`,
      at: timestamp(this.at),
      kind: this.kind,
      method: this.method,
      path: this.path.length > MAX_PATH ? this.path.slice(0, MAX_PATH) : this.path,
      status,
      code: this.code,
      reason: this.reason,
      userId: this.caller?.userId,
      username: this.caller?.username,
      keyId: this.caller?.keyId,
      sandboxId: this.sandboxId,
      sandbox: this.sandbox,
      port: this.port,
      ip: this.origin.ip,
      requestId: this.requestId,
      durationMs: this.since(performance.now()),
      firstByteMs: this.answeredAt && this.since(this.answeredAt),
      bytesIn: this.bytesIn,
      bytesOut: this.bytesOut,
      heldMs: this.heldMs,
      woke: this.woke,
    };
    this.recorder.record(record);
    this.span?.end(record);
  }

  /** Milliseconds since it came, to the microsecond. */
  private since(time: number): number {
    return Math.round((time - this.started) * 1000) / 1000;
  }
}
