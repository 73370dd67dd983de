import type { AccessRecord } from '@sandlot/contracts';
import { newIdBody } from './request-id.js';

/** Takes the records of what passed. Called on the hot path: must return at once and never throw. */
export interface Recorder {
  record(record: AccessRecord): void;
}

const MAX_PATH = 1024;

/** One request while it is under way; `finish` makes its record. Everything but the time and the client is filled in as it becomes known. */
export class RequestTrail {
  readonly requestId: string;
  method = '';
  /** Without the query. */
  path = '';
  kind: AccessRecord['kind'] = 'http';
  caller: { userId: string; username?: string; keyId: string } | undefined;
  sandboxId: string | undefined;
  sandbox: string | undefined;
  /** Of the problem, when refused by the proxy or by the gateway. */
  code: string | undefined;
  /** For the holder's trail, never for the client. */
  reason: string | undefined;
  bytesIn = 0;
  bytesOut = 0;

  private readonly at = Date.now();
  private readonly started = performance.now();
  private readonly idBody: string;
  private finished = false;

  constructor(
    private readonly ip: string,
    private readonly recorder: Recorder,
  ) {
    this.idBody = newIdBody(this.at);
    this.requestId = `req_${this.idBody}`;
  }

  /** Records the request, once; later calls do nothing. */
  finish(status: number): void {
    if (this.finished) return;
    this.finished = true;
    this.recorder.record({
      id: `evt_${this.idBody}`,
      at: new Date(this.at).toISOString(),
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
      ip: this.ip,
      requestId: this.requestId,
      durationMs: Math.round((performance.now() - this.started) * 1000) / 1000,
      bytesIn: this.bytesIn,
      bytesOut: this.bytesOut,
    });
  }
}
