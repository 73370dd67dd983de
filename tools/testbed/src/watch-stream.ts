import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ApiCall } from './api-call.js';

const GONE = {
  type: 'ERROR',
  object: {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: "a fault of the testbed's: too old resource version",
    reason: 'Expired',
    code: 410,
  },
};

/** A watch on its way to the client, event by event: each is a line of JSON, and no fault comes in the middle of one. */
export class WatchStream {
  readonly call: ApiCall;
  private readonly upstream: IncomingMessage;
  private readonly client: ServerResponse;
  private silenced = false;

  constructor(call: ApiCall, upstream: IncomingMessage, client: ServerResponse) {
    this.call = call;
    this.upstream = upstream;
    this.client = client;
    client.flushHeaders();
    let rest = Buffer.alloc(0);
    upstream.on('data', (chunk: Buffer) => {
      const all = Buffer.concat([rest, chunk]);
      const end = all.lastIndexOf('\n') + 1;
      rest = all.subarray(end);
      if (end > 0 && !this.silenced) client.write(all.subarray(0, end));
    });
    upstream.on('end', () => this.end());
    upstream.on('error', () => this.silenced || client.destroy());
  }

  silence(): void {
    this.silenced = true;
  }

  expire(): void {
    if (this.silenced) return;
    this.client.write(`${JSON.stringify(GONE)}\n`);
    this.end();
  }

  end(): void {
    if (this.silenced) return;
    this.client.end();
    this.upstream.destroy();
  }
}
