import type { LoggerService } from '@nestjs/common';
import type { JsMsg } from '@nats-io/jetstream';
import { isNewerVersion } from '@sandlot/contracts';
import { crashPoint } from '@sandlot/kernel';
import { fromDelivery, type RecordedEvent } from '@sandlot/event-store';
import type { DeadLetters } from './dead-letters.js';
import type { Delivery, DurableConsumerOptions } from './durable-consumer.js';
import { backoff, dead, retry, type FailurePolicy } from './failure-policy.js';
import type { ConsumerMetrics } from './metrics.js';
import { matches } from './subject-filter.js';
import { withinTraceOf } from './trace.js';
import { chainOf } from './error-chain.js';

/** How often it is looked whether a newer process is there by now. */
const newerVersionMs = 5_000;
/** For how long it is said that an event waits: it may have gone to another process, which gives it back or handles it. */
const waitingMs = 30_000;

export type Handler = (event: RecordedEvent, delivery: Delivery) => Promise<void>;

/** A handler class as the strategy found it. */
export interface RegisteredConsumer extends Required<DurableConsumerOptions> {
  readonly className: string;
  /** By subject filter. */
  readonly handlers: ReadonlyMap<string, Handler>;
}

export interface Processing {
  readonly deadLetters: DeadLetters;
  readonly metrics: ConsumerMetrics;
  readonly logger: LoggerService;
}

type Settlement = FailurePolicy | { readonly then: 'ack' } | { readonly then: 'give-back' };

/**
 * What happens to one message: read, handled, settled. Settling never fails: what could not be written as a dead letter is given back,
 * and an acknowledgement that got lost only means that the event comes once more.
 */
export class MessageProcessor {
  private newer?: { readonly type: string; readonly position: number; readonly at: number };

  constructor(
    private readonly consumer: RegisteredConsumer,
    private readonly processing: Processing,
  ) {}

  async process(message: JsMsg, signal: AbortSignal): Promise<void> {
    const beat = setInterval(() => showLife(message), this.consumer.ackWaitMs / 3).unref();
    try {
      if (message.info.deliveryCount > 1) this.processing.metrics.redelivered(this.consumer.durable);
      await this.settle(message, await this.attempt(message, signal));
    } finally {
      clearInterval(beat);
    }
  }

  /** The event of a newer version that this process gave back last, while it may still wait. */
  get waiting(): { readonly type: string; readonly position: number } | undefined {
    return this.newer && performance.now() - this.newer.at < waitingMs ? this.newer : undefined;
  }

  /** Runs the handler for an event that an operator chose. Throws what the handler throws, or that the event cannot be read. */
  async handle(event: RecordedEvent, delivery: Delivery): Promise<void> {
    const handler = this.handlerFor(delivery.subject);
    if (handler) await withinTraceOf(event, this.consumer.durable, () => handler(event, delivery));
  }

  private async attempt(message: JsMsg, signal: AbortSignal): Promise<Settlement> {
    const { durable } = this.consumer;
    const { metrics, logger } = this.processing;
    let event: RecordedEvent;
    try {
      event = fromDelivery(message, message.seq);
    } catch (error) {
      logger.error('an event cannot be read', { consumer: durable, position: message.seq, error: chainOf(error) });
      return dead(`cannot be read: ${chainOf(error)}`);
    }
    if (!event.known && isNewerVersion(event.type)) {
      logger.warn('an event of a newer version waits for a process that can read it', {
        consumer: durable,
        position: message.seq,
        eventId: event.id,
        type: event.type,
      });
      this.newer = { type: event.type, position: message.seq, at: performance.now() };
      return retry(newerVersionMs);
    }
    if (!event.known || !this.handlerFor(message.subject)) {
      metrics.skipped(durable);
      return { then: 'ack' };
    }
    const delivery = { durable, subject: message.subject, position: message.seq, attempt: message.info.deliveryCount, signal };
    const startedAt = performance.now();
    try {
      await this.handle(event, delivery);
      metrics.processed(durable, 'handled', startedAt);
      return { then: 'ack' };
    } catch (error) {
      if (signal.aborted) {
        metrics.processed(durable, 'interrupted', startedAt);
        return { then: 'give-back' };
      }
      const policy = this.decide(error, delivery, event);
      metrics.processed(durable, policy.then === 'dead' ? 'dead' : 'retried', startedAt);
      return policy;
    }
  }

  private decide(error: unknown, delivery: Delivery, { id: eventId, correlationId: requestId }: RecordedEvent): FailurePolicy {
    const { durable: consumer, position, attempt } = delivery;
    const fields = { consumer, position, eventId, requestId, attempt, error: chainOf(error) };
    try {
      const policy = this.consumer.onError(error, delivery);
      if (policy.then === 'retry')
        this.processing.logger.warn('a handler failed and will be tried again', { ...fields, afterMs: policy.afterMs });
      else this.processing.logger.error('a handler failed and gave up', { ...fields, reason: policy.reason });
      return policy;
    } catch (broken) {
      this.processing.logger.error('onError itself failed; the event will be tried again', { ...fields, onError: chainOf(broken) });
      return retry(backoff(delivery.attempt));
    }
  }

  private async settle(message: JsMsg, settlement: Settlement): Promise<void> {
    switch (settlement.then) {
      case 'ack':
        crashPoint('consumer.before-ack');
        return message.ack();
      case 'retry':
        return message.nak(Math.max(0, settlement.afterMs));
      case 'give-back':
        return message.nak();
      case 'dead':
        return this.bury(message, settlement.reason);
    }
  }

  private async bury(message: JsMsg, reason: string): Promise<void> {
    const { durable } = this.consumer;
    const { deadLetters, metrics, logger } = this.processing;
    const { subject, seq: position, headers, data: body } = message;
    try {
      await deadLetters.put({ durable, subject, position, attempts: message.info.deliveryCount, headers, body }, reason);
      metrics.deadLetter(durable);
      message.term(reason.slice(0, 200));
    } catch (error) {
      logger.error('a dead letter could not be written; the event will be tried again', {
        consumer: durable,
        position,
        error: chainOf(error),
      });
      message.nak(backoff(message.info.deliveryCount, { firstMs: 1_000 }));
    }
  }

  private handlerFor(subject: string): Handler | undefined {
    for (const [filter, handler] of this.consumer.handlers) if (matches(filter, subject)) return handler;
    return undefined;
  }
}

function showLife(message: JsMsg): void {
  try {
    message.working();
  } catch {
    // The connection is closed. The event comes again elsewhere, and settling it will say so.
  }
}
