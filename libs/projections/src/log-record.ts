import type { Msg } from '@nats-io/transport-node';
import { hashEvent, linkOf } from '@sandlot/contracts';
import { fromDelivery, headersOf, type RecordedEvent } from '@sandlot/event-store';

/** A record of the log as it was delivered; what is in it is looked at only when somebody needs it. */
export class LogRecord {
  private constructor(
    private readonly message: Msg,
    readonly position: number,
    /** Which delivery of its consumer's this is, from 1. */
    readonly delivery: number,
    /** How many records that the consumer asks for stood behind this one when it was delivered. */
    readonly behind: number,
    private readonly storedAtNs: string,
  ) {}

  /**
   * From the reply subject `….{consumer}.{deliveries}.{position}.{delivery}.{ns}.{pending}`, which may have a token more (NATS ADR-15).
   * @returns undefined for a message that is no record but tells something about the consumer
   */
  static of(message: Msg, consumer: string): LogRecord | undefined {
    const reply = message.reply ?? '';
    const at = reply.indexOf(`.${consumer}.`);
    if (at < 0) return undefined;
    const [, position, delivery, ns, pending] = reply.slice(at + consumer.length + 2).split('.');
    return new LogRecord(message, Number(position), Number(delivery), Number(pending), ns!);
  }

  get subject(): string {
    return this.message.subject;
  }

  /** The kind of aggregate, from the subject. */
  get aggregate(): string | undefined {
    const from = this.subject.indexOf('.', this.subject.indexOf('.') + 1) + 1;
    const to = this.subject.indexOf('.', from);
    return from > 0 && to > 0 ? this.subject.slice(from, to) : undefined;
  }

  get storedAt(): Date {
    return new Date(Number(this.storedAtNs) / 1e6);
  }

  /** What a checkpoint remembers of it. */
  identity(): { eventId: string; eventHash: string } {
    const headers = headersOf(this.message);
    return { eventId: linkOf(headers).id ?? '', eventHash: hashEvent(this.subject, headers, this.message.data) };
  }

  /** Throws a TypeError, SyntaxError or ZodError when it is not an event of ours. */
  event(): RecordedEvent {
    return fromDelivery(this.message, this.position);
  }
}
