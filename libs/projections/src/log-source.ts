import { AckPolicy, jetstreamManager, DeliverPolicy, type JetStreamManager } from '@nats-io/jetstream';
import { nanos, nuid, type NatsConnection } from '@nats-io/transport-node';
import { hashEvent, headerValues } from '@sandlot/contracts';
import type { Mark } from './checkpoints.js';
import { LogFollower } from './log-follower.js';
import { Halt, Unavailable } from './stops.js';

export interface LogInfo {
  /** When the stream was made, as the server writes it. */
  readonly created: string;
  readonly lastPosition: number;
}

/** The stream, read in order from any position. */
export class LogSource {
  private manager?: Promise<JetStreamManager>;
  private readonly followers = new Set<LogFollower>();

  constructor(
    private readonly connection: NatsConnection,
    readonly stream: string,
  ) {
    void this.watch();
  }

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
    return this.ask(async ({ consumers }) => {
      const { name: consumer, num_pending: pending } = await consumers.add(this.stream, {
        name: `log_${nuid.next()}`,
        ack_policy: AckPolicy.None,
        deliver_policy: DeliverPolicy.StartSequence,
        opt_start_seq: position + 1,
        inactive_threshold: nanos(30_000),
        mem_storage: true,
        num_replicas: 1,
        ...(subjects && { filter_subjects: subjects }),
      });
      const follower: LogFollower = new LogFollower(this.connection, { stream: this.stream, consumer, pending, ahead }, () => {
        this.followers.delete(follower);
        consumers.delete(this.stream, consumer).catch(() => undefined);
      });
      this.followers.add(follower);
      return follower;
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
    const get = (name: string): string | undefined => record?.header.get(name);
    if (!record || (get('ce-id') ?? '') !== mark.eventId || hashEvent(record.subject, headerValues(get), record.data) !== mark.eventHash)
      throw new Halt('CHECKPOINT_MISMATCH', `position ${mark.position} is not the event that was read there`, mark.position);
    return info;
  }

  /** What was asked for on a connection is not asked for again on the next one. */
  private async watch(): Promise<void> {
    for await (const { type } of this.connection.status()) if (type === 'disconnect') this.closeAll('the connection was lost');
    this.closeAll('the connection was closed');
  }

  private closeAll(why: string): void {
    for (const follower of this.followers) follower.close(why);
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
