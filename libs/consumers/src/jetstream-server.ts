import { setTimeout as pause } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { Server, type CustomTransportStrategy, type MessageHandler } from '@nestjs/microservices';
import type { NatsConnection } from '@nats-io/transport-node';
import { JetStreamApiError, jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import { DomainError } from '@sandlot/kernel';
import { headerValues, type Condition } from '@sandlot/contracts';
import { fromWire, newerEvent } from '@sandlot/event-store';
import { isObservable, lastValueFrom } from 'rxjs';
import { DeadLetters } from './dead-letters.js';
import { DurableSubscription } from './durable-subscription.js';
import { JETSTREAM, optionsOf, ownerOf, type HandlerClass } from './durable-consumer.js';
import { chainOf } from './error-chain.js';
import { MessageProcessor, type Handler, type RegisteredConsumer } from './message-processor.js';
import { ConsumerMetrics } from './metrics.js';

export interface JetStreamServerOptions {
  /** Stays the caller's: `close` leaves it open. Ping every few seconds, or a half-open connection goes unnoticed for minutes. */
  connection: NatsConnection;
  /** The stream that holds the events, `DOMAIN_STREAM`. */
  stream: string;
  /** Serve just these handler classes, and refuse to start when one of them is in no module. Default: all that the application has. */
  classes?: readonly HandlerClass[];
  /** How long `close` lets running handlers finish before their signal aborts, in ms. Default 10,000. */
  drainGraceMs?: number;
}

interface Found {
  readonly handlers: Map<string, Handler>;
  /** Subjects that were declared twice, or whose class was found twice. */
  readonly repeated: string[];
}

/**
 * Nest's side of the log: brings events to the handlers of `@DurableConsumer` classes, one durable pull consumer for each class.
 *
 * Each event reaches its handler at least once, in no particular order, up to `concurrency` at a time; events of one aggregate too. An
 * event is acknowledged when its handler has returned, and only then; what is to become of one that failed says the class's `onError`.
 * A service starts without a broker and goes on when it comes.
 */
export class JetStreamServer extends Server implements CustomTransportStrategy {
  override readonly transportId = JETSTREAM;
  override readonly propagatesEventHandlerErrors = true;
  protected override readonly logger = new Logger(JetStreamServer.name);
  readonly connection: NatsConnection;
  readonly stream: string;
  private readonly found = new Map<HandlerClass, Found>();
  private readonly processors = new Map<string, MessageProcessor>();
  private readonly draining = new AbortController();
  private subscriptions: DurableSubscription[] = [];
  private metrics: ConsumerMetrics | undefined;

  constructor(private readonly options: JetStreamServerOptions) {
    super();
    this.connection = options.connection;
    this.stream = options.stream;
  }

  /** The durables that this service serves. */
  get durables(): readonly string[] {
    return [...this.processors.keys()];
  }

  /** Which durables wait for this service to be updated. */
  conditions(): Condition[] {
    return [...this.processors].flatMap(([subject, { waiting }]): Condition[] =>
      waiting ? [{ code: 'SL-CONS-05', subject, message: newerEvent(waiting).message }] : [],
    );
  }

  override addHandler(pattern: unknown, callback: MessageHandler, isEventHandler = false, extras: Record<string, unknown> = {}): void {
    const owner = ownerOf(extras);
    if (!owner || !isEventHandler || (this.options.classes && !this.options.classes.includes(owner))) return;
    const subject = String(pattern);
    const { handlers, repeated }: Found = this.found.get(owner) ?? { handlers: new Map(), repeated: [] };
    if (handlers.has(subject)) repeated.push(subject);
    handlers.set(subject, async (event, delivery) => {
      const result: unknown = await callback(event, delivery);
      if (isObservable(result)) await lastValueFrom(result, { defaultValue: undefined });
    });
    this.found.set(owner, { handlers, repeated });
  }

  async listen(callback: (error?: unknown) => void): Promise<void> {
    try {
      const consumers = this.registered();
      const manager = await jetstreamManager(this.connection, { checkAPI: false });
      this.metrics = new ConsumerMetrics(() => this.pending());
      const deadLetters = new DeadLetters(manager.jetstream(), manager);
      for (const consumer of consumers) {
        const processor = new MessageProcessor(consumer, { deadLetters, metrics: this.metrics, logger: this.logger });
        this.processors.set(consumer.durable, processor);
        this.subscriptions.push(new DurableSubscription(this.connection, manager, this.stream, consumer, processor, this.logger));
      }
      await Promise.all(this.subscriptions.map((subscription) => subscription.ensure().catch(unlessWrong)));
      for (const subscription of this.subscriptions) subscription.start();
      void this.renewAfterReconnects();
      callback();
    } catch (error) {
      this.metrics?.close();
      callback(error);
    }
  }

  /** Takes no more events, lets the running handlers finish, gives the rest back. */
  async close(): Promise<void> {
    const grace = this.options.drainGraceMs ?? 10_000;
    await Promise.all(this.subscriptions.map((subscription) => subscription.drain(grace)));
    this.draining.abort();
    this.subscriptions = [];
    this.metrics?.close();
    // The last acknowledgements must be gone before the caller closes the connection; without a broker they cannot.
    await Promise.race([this.connection.flush().catch(() => undefined), pause(1_000, undefined, { ref: false })]);
  }

  /**
   * Brings the event at a position of the log to one durable's handler again, now and in this process, whatever the consumer's position.
   * Throws DomainError CONSUMER_NOT_FOUND, NOT_FOUND, or UNAVAILABLE with the handler's error as its cause.
   */
  async redeliver(durable: string, position: number): Promise<void> {
    const processor = this.processors.get(durable);
    if (!processor) throw new DomainError('CONSUMER_NOT_FOUND', `this service has no consumer ${durable}`);
    const manager = await jetstreamManager(this.connection, { checkAPI: false });
    const message = await manager.streams.getMessage(this.stream, { seq: position }).catch((cause: unknown) => {
      throw new DomainError('UNAVAILABLE', 'NATS does not answer', {}, { cause });
    });
    if (!message) throw new DomainError('NOT_FOUND', `the log has no event at position ${position}`);
    try {
      const event = fromWire(
        message.subject,
        headerValues((name) => message.header.get(name)),
        message.data,
        message.seq,
      );
      if (!event.known) throw new TypeError(`this version does not know events of the type ${event.type}`);
      await processor.handle(event, { durable, subject: message.subject, position, attempt: 1, signal: this.draining.signal });
    } catch (cause) {
      throw new DomainError('UNAVAILABLE', `${durable} could not handle the event at ${position}: ${chainOf(cause)}`, {}, { cause });
    }
  }

  on(): never {
    throw new Error('JetStreamServer has no events of its own; see connection.status()');
  }

  unwrap<T>(): T {
    return this.connection as T;
  }

  /** Checks what Nest has found; throws a TypeError that names every mistake. */
  private registered(): RegisteredConsumer[] {
    const mistakes: string[] = [];
    const byDurable = new Map<string, RegisteredConsumer>();
    for (const [owner, { handlers, repeated }] of this.found) {
      const options = optionsOf(owner);
      if (!options) {
        mistakes.push(`${owner.name} has @OnEvent but no @DurableConsumer`);
        continue;
      }
      const other = byDurable.get(options.durable);
      if (other) mistakes.push(`${owner.name} and ${other.className} both are the durable ${options.durable}`);
      if (repeated.length > 0) mistakes.push(`${owner.name} handles ${repeated.join(', ')} twice`);
      byDurable.set(options.durable, { ...options, className: owner.name, handlers });
    }
    for (const missing of this.options.classes ?? [])
      if (!this.found.has(missing)) mistakes.push(`${missing.name} is in no module, or has no @OnEvent`);
    if (mistakes.length > 0) throw new TypeError(mistakes.join('; '));
    return [...byDurable.values()];
  }

  private async renewAfterReconnects(): Promise<void> {
    for await (const status of this.connection.status()) {
      if (status.type === 'reconnect') for (const subscription of this.subscriptions) subscription.renew();
    }
  }

  private async pending(): Promise<ReadonlyMap<string, number>> {
    const manager: JetStreamManager = await jetstreamManager(this.connection, { checkAPI: false, timeout: 1_000 });
    const infos = await Promise.allSettled(this.durables.map((durable) => manager.consumers.info(this.stream, durable)));
    return new Map(infos.flatMap((info) => (info.status === 'fulfilled' ? [[info.value.name, info.value.num_pending] as const] : [])));
  }
}

/** At the start only what will never work is an error, like overlapping subjects; an absent broker or stream is waited for. */
function unlessWrong(error: unknown): void {
  if (error instanceof JetStreamApiError && error.status === 400) throw error;
}
