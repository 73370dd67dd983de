import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { answerRefusal } from './answer.js';
import type { ClientConnection, UnderWay } from './client-connection.js';
import type { EarlyBytes } from './early-bytes.js';
import { asFailure } from './exchange.js';
import type { OpenConnection } from './open-connection.js';
import { Refusal } from './problem.js';
import type { RequestTrail } from './record.js';
import { responseOn } from './upgrade.js';
import type { UpstreamPool } from './upstream-pool.js';

export interface TunnelOptions {
  pool: UpstreamPool;
  /** Milliseconds for which nothing may pass. */
  idleMs: number;
  open: Set<OpenConnection>;
  /** Milliseconds between pings over WebSocket, which keep it known to what is in between and find a client that is gone. Default 30,000. */
  pingMs?: number | undefined;
}

/** A tunnel until it is open: it is dialled before it is accepted, so whatever is wrong, a failed dial (502) included, is answered as HTTP. */
export abstract class DialledTunnel implements UnderWay {
  private over = false;

  constructor(
    protected readonly request: IncomingMessage,
    readonly socket: Socket,
    protected readonly early: EarlyBytes,
    private readonly client: ClientConnection,
    private readonly address: string,
    readonly trail: RequestTrail,
    protected readonly options: TunnelOptions,
  ) {}

  /** Accepts, and lets bytes pass from now on. */
  protected abstract connect(upstream: Socket): void;

  async start(): Promise<void> {
    this.client.underWay.add(this);
    try {
      const connection = await this.options.pool.dial(this.address);
      if (this.over) return connection.destroy();
      this.client.underWay.delete(this);
      this.connect(connection.detach().socket);
    } catch (error) {
      this.trail.reason = asFailure(error).message;
      this.refuse(new Refusal('SANDBOX_UNREACHABLE', 'The sandbox does not accept connections at this port'));
    }
  }

  /** Before it is open; afterwards whoever passes the bytes notices. */
  clientGone(): void {
    this.trail.reason ??= 'the client closed the connection';
    this.finish(499);
  }

  refuse(refusal: Refusal): void {
    if (this.over) return;
    this.trail.code = refusal.code;
    this.early.ignore();
    this.finish(refusal.status);
    answerRefusal(this.request, responseOn(this.request, this.socket), refusal, this.trail);
  }

  protected finish(status: number): void {
    this.over = true;
    this.client.underWay.delete(this);
    this.trail.finish(status);
  }
}
