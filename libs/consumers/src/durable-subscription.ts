import { setTimeout as pause } from 'node:timers/promises';
import type { LoggerService } from '@nestjs/common';
import { nanos, type NatsConnection } from '@nats-io/transport-node';
import {
  AckPolicy,
  DeliverPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  type Consumer,
  type ConsumerConfig,
  type ConsumerInfo,
  type ConsumerMessages,
  type JetStreamManager,
  type JsMsg,
} from '@nats-io/jetstream';
import { chainOf } from './error-chain.js';
import { backoff } from './failure-policy.js';
import type { MessageProcessor, RegisteredConsumer } from './message-processor.js';

const pullExpiresMs = 5_000;
/** Failed events that wait for their next attempt count too, so this must be far above what is handled at once. */
const maxAckPending = 10_000;
/** Services that start for the first time may find each other's first events. */
const newForMs = 60_000;

/**
 * Keeps one durable consumer delivering, whatever happens: a reconnect, missed heartbeats, the consumer or its stream taken away. Ends
 * only by `drain`. Several processes may pull from the same consumer; each event goes to one of them.
 *
 * It pulls exactly as many events as can be handled at once, instead of the client's endless `consume`: that one reads ahead, and the
 * broker would take what lies in its buffer behind a slow handler for lost, and deliver it again.
 */
export class DurableSubscription {
  private readonly running = new Map<JsMsg, Promise<void>>();
  private readonly stopping = new AbortController();
  private readonly interrupting = new AbortController();
  private pulled: ConsumerMessages | undefined;
  private loop: Promise<void> | undefined;

  constructor(
    private readonly connection: NatsConnection,
    private readonly manager: JetStreamManager,
    private readonly stream: string,
    private readonly consumer: RegisteredConsumer,
    private readonly processor: MessageProcessor,
    private readonly logger: LoggerService,
  ) {}

  start(): void {
    this.loop ??= this.run();
  }

  /** Pulls anew: after a reconnect nobody remembers the pull that was open. */
  renew(): void {
    this.pulled?.stop();
  }

  /**
   * Takes no more events and lets those that are being handled finish. After `graceMs` their signal aborts, and a second later what still
   * runs is given back for another process to handle.
   */
  async drain(graceMs: number): Promise<void> {
    this.stopping.abort();
    this.pulled?.stop();
    await atMost(
      graceMs,
      Promise.resolve(this.loop).then(() => Promise.all(this.running.values())),
    );
    this.interrupting.abort();
    await atMost(1_000, Promise.all(this.running.values()));
    for (const message of this.running.keys()) message.nak();
  }

  /** Makes the durable consumer on the broker, or brings its settings up to date. */
  async ensure(): Promise<ConsumerInfo> {
    const { durable, ackWaitMs, handlers } = this.consumer;
    const settings = {
      ack_wait: nanos(ackWaitMs),
      max_ack_pending: maxAckPending,
      max_deliver: -1, // otherwise the broker skips an event silently
      filter_subjects: [...handlers.keys()].sort(),
    };
    const present = await this.manager.consumers.info(this.stream, durable).catch(unlessMissing);
    if (!present) {
      // On a new log nothing else is to be expected; later it is news, since a consumer that was there has gone.
      const { state, created } = await this.manager.streams.info(this.stream);
      const isNew = state.last_seq === 0 || Date.now() - Date.parse(created) < newForMs;
      const level = isNew ? 'log' : 'warn';
      this.logger[level]('a durable consumer is made and begins at the first event of the log', { consumer: durable });
      const fixed = { durable_name: durable, ack_policy: AckPolicy.Explicit, deliver_policy: DeliverPolicy.All };
      return this.manager.consumers.add(this.stream, { ...fixed, ...settings });
    }
    if (agree(present.config, settings)) return present;
    this.logger.warn('the settings of a durable consumer change', { consumer: durable });
    return this.manager.consumers.update(this.stream, durable, settings);
  }

  private async run(): Promise<void> {
    const consumer = this.consumer.durable;
    for (let failures = 0; !this.stopping.signal.aborted;) {
      try {
        const pullable = this.manager.jetstream().consumers.getConsumerFromInfo(await this.ensure());
        for (; !this.stopping.signal.aborted; failures = 0) await this.pull(pullable);
      } catch (error) {
        if (this.connection.isClosed()) return this.logger.error('the connection to NATS is closed; the consumer ends', { consumer });
        failures += 1;
        this.logger.warn('a consumer was interrupted and starts again', { consumer, failures, error: chainOf(error) });
        await pause(backoff(failures, { firstMs: 100, maxMs: 5_000 }), undefined, { signal: this.stopping.signal }).catch(() => undefined);
      }
    }
  }

  /** One pull: ends when it has brought as many as were asked for, when it expires, or by `renew`. */
  private async pull(consumer: Consumer): Promise<void> {
    while (this.running.size >= this.consumer.concurrency) await Promise.race(this.running.values());
    if (this.stopping.signal.aborted) return;
    this.pulled = await consumer.fetch({ max_messages: this.consumer.concurrency - this.running.size, expires: pullExpiresMs });
    if (this.stopping.signal.aborted) this.pulled.stop();
    for await (const message of this.pulled) {
      if (this.stopping.signal.aborted) message.nak();
      else this.begin(message);
    }
  }

  private begin(message: JsMsg): void {
    const end = this.processor
      .process(message, this.interrupting.signal)
      .catch((error: unknown) =>
        this.logger.error('an event could not be settled', { consumer: this.consumer.durable, error: chainOf(error) }),
      )
      .finally(() => this.running.delete(message));
    this.running.set(message, end);
  }
}

function unlessMissing(error: unknown): undefined {
  if (error instanceof JetStreamApiError && error.code === JetStreamApiCodes.ConsumerNotFound) return undefined;
  throw error;
}

function agree(present: Partial<ConsumerConfig>, settings: Partial<ConsumerConfig>): boolean {
  const filters = (config: Partial<ConsumerConfig>) => (config.filter_subjects ?? [config.filter_subject]).toSorted().join();
  return (
    present.ack_wait === settings.ack_wait &&
    present.max_ack_pending === settings.max_ack_pending &&
    present.max_deliver === settings.max_deliver &&
    filters(present) === filters(settings)
  );
}

async function atMost(ms: number, end: Promise<unknown>): Promise<void> {
  const timer = new AbortController();
  await Promise.race([end, pause(ms, undefined, { signal: timer.signal }).catch(() => undefined)]);
  timer.abort();
}
