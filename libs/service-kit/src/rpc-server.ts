import { setTimeout as pause } from 'node:timers/promises';
import { InvalidArgumentError, type Msg, type NatsConnection, type Subscription } from '@nats-io/transport-node';
import { ServerNats, type NatsContext } from '@nestjs/microservices';
import { context, metrics, type Span } from '@opentelemetry/api';
import { acceptRequestId, REQUEST_ID_HEADER, TRACEPARENT_HEADER, withRequestContext } from './request-context.js';
import type { RpcError } from './rpc.js';
import { SpanKind, startSpan } from './tracing.js';

interface Packet {
  err?: unknown;
  response?: unknown;
  isDisposed?: boolean;
}

/**
 * Nest's NATS transport on the service's own connection, in the queue group of the service: of several instances one answers.
 * Closing takes no new requests, waits for those under way and leaves the connection open to its owner.
 */
export class RpcServer extends ServerNats {
  private readonly subscribed: Subscription[] = [];
  private readonly underWay = new Set<Promise<void>>();
  private readonly duration = metrics.getMeter('sandlot').createHistogram('sandlot_rpc_duration_seconds', {
    unit: 's',
    description: 'How long requests of other services took, by subject',
    advice: { explicitBucketBoundaries: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] },
  });
  private readonly spans = new WeakMap<Msg, Span>();

  /** @param graceMs how long requests that are under way may take when the server closes, in ms, default 10,000 */
  constructor(
    private readonly connection: NatsConnection,
    private readonly service: string,
    private readonly graceMs = 10_000,
  ) {
    super({ queue: service });
  }

  override createNatsClient(): Promise<NatsConnection> {
    return Promise.resolve(this.connection);
  }

  override async handleStatusUpdates(): Promise<void> {
    // connectNats logs them for the whole connection
  }

  override bindEvents(connection: NatsConnection): void {
    for (const subject of this.messageHandlers.keys()) {
      const callback = this.getMessageHandler(subject).bind(this) as (error: Error | null, message: Msg) => void;
      this.subscribed.push(connection.subscribe(subject, { queue: this.service, callback }));
    }
  }

  override handleMessage(subject: string, message: Msg): Promise<unknown> {
    const header = (name: string) => message.headers?.get(name) || undefined;
    const traceparent = header(TRACEPARENT_HEADER);
    const { span, within } = startSpan(`process ${subject}`, SpanKind.SERVER, traceparent);
    this.spans.set(message, span);
    const requestId = acceptRequestId(header(REQUEST_ID_HEADER));
    return withRequestContext({ service: this.service, requestId, traceparent }, () =>
      context.with(within, () => super.handleMessage(subject, message) as Promise<unknown>),
    );
  }

  /** Called by Nest once for each request that wants an answer. */
  override getPublisher(message: Msg, id: string, ctx: NatsContext): (packet: Packet) => unknown {
    const respond = super.getPublisher(message, id, ctx) as (packet: Packet) => unknown;
    const work = Promise.withResolvers<void>();
    const began = performance.now();
    this.underWay.add(work.promise);
    return (packet) => {
      try {
        return respond(packet);
      } catch (error) {
        if (!(error instanceof InvalidArgumentError)) throw error;
        this.logger.error({ err: error, subject: message.subject, msg: 'an answer does not fit into a message' });
        return respond({ err: tooLarge(message.subject), isDisposed: true });
      } finally {
        if (packet.isDisposed || packet.err) {
          this.underWay.delete(work.promise);
          this.duration.record((performance.now() - began) / 1000, { subject: message.subject, outcome: packet.err ? 'error' : 'ok' });
          this.spans.get(message)?.end();
          work.resolve();
        }
      }
    };
  }

  override async close(): Promise<void> {
    if (this.connection.isClosed()) return;
    // A drained subscription has handed over what the server had sent already.
    await Promise.all(this.subscribed.splice(0).map((subscription) => subscription.drain()));
    const grace = new AbortController();
    const expired = pause(this.graceMs, undefined, { signal: grace.signal }).catch(() => undefined);
    await Promise.race([Promise.all(this.underWay), expired]);
    grace.abort();
  }

  override unwrap<T>(): T {
    return this.connection as T;
  }
}

const tooLarge = (subject: string): RpcError => ({
  code: 'INTERNAL',
  message: `the answer to ${subject} does not fit into a message`,
  details: {},
});
