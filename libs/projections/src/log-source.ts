import type { NatsConnection } from '@nats-io/transport-node';
import { jetstream, jetstreamManager, DeliverPolicy, type ConsumerMessages, type JetStreamManager } from '@nats-io/jetstream';
import { hashEvent } from '@sandlot/contracts';
import type { Mark } from './checkpoints.js';
import { LogRecord } from './log-record.js';
import { Halt, Unavailable } from './stops.js';

export interface LogInfo {
  /** When the stream was made, as the server writes it. */
  readonly created: string;
  readonly lastPosition: number;
}

/** The stream, read in order from any position. */
export class LogSource {
  private manager?: Promise<JetStreamManager>;

  constructor(
    private readonly connection: NatsConnection,
    readonly stream: string,
  ) {}

  async info(): Promise<LogInfo> {
    const { created, state } = await this.ask((manager) => manager.streams.info(this.stream));
    return { created, lastPosition: state.last_seq };
  }

  /** When the record at a position was stored; undefined when there is none. */
  async storedAt(position: number): Promise<Date | undefined> {
    return (await this.get(position))?.time;
  }

  /**
   * Everything behind a position, oldest first, until it is closed or the connection to it is lost. It reads at most `ahead` records ahead.
   * @param subjects which subjects, default all; positions are contiguous only without
   */
  async follow(position: number, { ahead = 4_000, subjects }: { ahead?: number; subjects?: string[] } = {}): Promise<LogFollower> {
    return this.ask(async () => {
      const consumer = await jetstream(this.connection).consumers.get(this.stream, {
        deliver_policy: DeliverPolicy.StartSequence,
        opt_start_seq: position + 1,
        inactive_threshold: 30_000,
        ...(subjects && { filter_subjects: subjects }),
      });
      const { name, num_pending: pending } = await consumer.info(true);
      const drop = () => void consumer.delete().catch(() => undefined);
      return new LogFollower(await consumer.consume({ max_messages: ahead, expires: 5_000 }), name, pending, drop);
    });
  }

  /** Throws Halt when the log is not the one that the checkpoint was taken from. */
  async verify(mark: Mark): Promise<LogInfo> {
    const info = await this.info();
    if (mark.position === 0) return info;
    if (info.created !== mark.streamCreated)
      throw new Halt('STREAM_RECREATED', `the stream ${this.stream} was created at ${info.created}, not at ${mark.streamCreated}`);
    if (info.lastPosition < mark.position)
      throw new Halt('LOG_REWOUND', `the log ends at ${info.lastPosition}, but ${mark.position} was read from it`, info.lastPosition);
    const record = await this.get(mark.position);
    const get = (name: string): string | undefined => record?.header.get(name) || undefined;
    if (!record || (get('ce-id') ?? '') !== mark.eventId || hashEvent(record.subject, get, record.data) !== mark.eventHash)
      throw new Halt('CHECKPOINT_MISMATCH', `position ${mark.position} is not the event that was read there`, mark.position);
    return info;
  }

  private get(position: number) {
    return this.ask((manager) => manager.streams.getMessage(this.stream, { seq: position }));
  }

  private async ask<Answer>(question: (manager: JetStreamManager) => Promise<Answer>): Promise<Answer> {
    try {
      this.manager ??= jetstreamManager(this.connection, { checkAPI: false });
      return await question(await this.manager);
    } catch (error) {
      throw new Unavailable('NATS', error);
    }
  }
}

// What nats.js says when it is about to repair the consumer by itself, on what may have become another log.
const losses = new Set([
  'ordered_consumer_recreated',
  'reset',
  'heartbeats_missed',
  'consumer_not_found',
  'consumer_deleted',
  'stream_not_found',
]);

/** One consumer in its first life: when it is lost, the reader must look at its checkpoint again before it reads on. */
export class LogFollower {
  private lost?: string;
  private enough = false;

  /** @param pending how many records there were to read at the beginning */
  constructor(
    private readonly messages: ConsumerMessages,
    private readonly name: string,
    readonly pending: number,
    private readonly drop: () => void,
  ) {
    void this.watch();
  }

  /** Ends the reading; a reason is thrown to the reader. */
  close(why?: string): void {
    if (why === undefined) this.enough = true;
    else this.lost ??= why;
    this.messages.stop();
    this.drop();
  }

  /** A function instead of an iterator of our own, which would cost a promise more for each record. */
  async read(take: (record: LogRecord) => Promise<void> | void): Promise<void> {
    for await (const message of this.messages) {
      if (message.info.consumer !== this.name) this.lost ??= 'the consumer was made anew';
      if (this.lost !== undefined) break;
      const waiting = take(new LogRecord(message));
      if (waiting) await waiting;
      if (this.enough) return;
    }
    if (this.lost !== undefined) throw new Unavailable('NATS', this.lost);
  }

  private async watch(): Promise<void> {
    for await (const { type } of this.messages.status()) if (losses.has(type)) this.close(type);
  }
}
