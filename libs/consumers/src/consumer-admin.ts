import { jetstreamManager, type ConsumerInfo, type JetStreamManager } from '@nats-io/jetstream';
import { DomainError, type CommandContext } from '@sandlot/kernel';
import { operationRef, type ConsumerView, type DeadLetterView, type OperatedService } from '@sandlot/contracts';
import type { Commands } from '@sandlot/event-store';
import { consumerOperations, type OperateConsumer } from './consumer-operations.js';
import { addressOf, DeadLetters, viewOf } from './dead-letters.js';
import type { JetStreamServer } from './jetstream-server.js';

export interface ConsumerAdminOptions {
  readonly server: JetStreamServer;
  readonly service: OperatedService;
  readonly commands: Commands;
}

/**
 * What operators do to the durable consumers of one service. Who did it and when is recorded in the log, on the subject of the consumer,
 * before it takes effect; repeating a command is harmless.
 *
 * Every method may throw DomainError CONSUMER_NOT_FOUND (not one of this service's) and UNAVAILABLE (no answer from NATS).
 */
export class ConsumerAdmin {
  private connected: Promise<{ manager: JetStreamManager; letters: DeadLetters }> | undefined;

  constructor(private readonly options: ConsumerAdminOptions) {}

  async list(): Promise<ConsumerView[]> {
    const { letters } = await this.connect();
    const counts = await letters.count().catch(unavailable);
    return Promise.all(this.durables.map(async (durable) => this.view(await this.info(durable), counts.get(durable) ?? 0)));
  }

  /** No deliveries until then, in every process of the service. What is being handled finishes. */
  async pause(context: CommandContext, durable: string, until: Date): Promise<void> {
    const { manager } = await this.own(durable);
    await this.record(context, durable, { type: 'Pause', until: until.toISOString() });
    await manager.consumers.pause(this.stream, durable, until).catch(unavailable);
  }

  async resume(context: CommandContext, durable: string): Promise<void> {
    const { manager } = await this.own(durable);
    await this.record(context, durable, { type: 'Resume' });
    await manager.consumers.resume(this.stream, durable).catch(unavailable);
  }

  /**
   * Has the consumer handle everything from a position of the log, or a time, on again. Returns the position that it starts from, one
   * behind the end of the log when nothing is that new. Handlers still at work on older deliveries finish.
   */
  async replayFrom(context: CommandContext, durable: string, from: number | Date): Promise<{ fromPosition: number }> {
    if (typeof from === 'number' && !(Number.isSafeInteger(from) && from >= 1)) throw new RangeError(`not a position: ${from}`);
    const { manager } = await this.own(durable);
    const { state } = await manager.streams.info(this.stream).catch(unavailable);
    const end = state.last_seq + 1;
    const fromPosition = Math.min(end, typeof from === 'number' ? from : await this.positionAt(manager, from, end));
    await this.record(context, durable, { type: 'Replay', fromPosition });
    await manager.consumers.reset(this.stream, durable, fromPosition).catch(unavailable);
    return { fromPosition };
  }

  /** Up to `limit` open letters behind the id `after`, oldest first, of one durable or of all. */
  async deadLetters({ after = 0, limit, durable }: { after?: number; limit: number; durable?: string }): Promise<DeadLetterView[]> {
    const { letters } = durable === undefined ? await this.connect() : await this.own(durable);
    const open = async (each: string) => letters.list(each, { after, limit, except: await this.settled(each) }).catch(unavailable);
    const found = await Promise.all((durable === undefined ? this.durables : [durable]).map(open));
    return found
      .flat()
      .sort((one, other) => one.seq - other.seq)
      .slice(0, limit)
      .map((letter) => viewOf(letter, this.options.service));
  }

  /**
   * Has the event of a letter handled again by the handler that gave it up, and by no other; when that has succeeded, the letter is
   * settled. Throws DomainError DEAD_LETTER_NOT_FOUND, or UNAVAILABLE with the handler's error when it failed again.
   */
  async replayDeadLetter(context: CommandContext, id: number): Promise<void> {
    const { durable, position } = await this.openLetter(id);
    await this.options.server.redeliver(durable, position);
    await this.record(context, durable, { type: 'SettleDeadLetter', by: 'replaying', deadLetter: id, position });
  }

  /** Settles a letter without doing anything about its event. Throws DomainError DEAD_LETTER_NOT_FOUND. */
  async discardDeadLetter(context: CommandContext, id: number): Promise<void> {
    const { durable, position } = await this.openLetter(id);
    await this.record(context, durable, { type: 'SettleDeadLetter', by: 'discarding', deadLetter: id, position });
  }

  private async openLetter(id: number): Promise<{ durable: string; position: number }> {
    const { letters } = await this.connect();
    const letter = await letters.get(id).catch(unavailable);
    const address = letter && addressOf(letter);
    if (!address || !this.durables.includes(address.durable) || (await this.settled(address.durable)).has(id))
      throw new DomainError('DEAD_LETTER_NOT_FOUND', `${this.options.service} has no open dead letter ${id}`);
    return address;
  }

  private async settled(durable: string): Promise<ReadonlySet<number>> {
    const { state } = await this.options.commands.load(consumerOperations, this.refOf(durable));
    return state.settled;
  }

  private async record(context: CommandContext, durable: string, operation: OperateConsumer): Promise<void> {
    await this.options.commands.handle(context, async (work) => {
      const consumer = await work.load(consumerOperations, this.refOf(durable));
      consumer.decide(operation);
    });
  }

  private async positionAt(manager: JetStreamManager, time: Date, end: number): Promise<number> {
    const first = await manager.direct.getMessage(this.stream, { start_time: time }).catch(unavailable);
    return first?.seq ?? end;
  }

  private async view(info: ConsumerInfo, letters: number): Promise<ConsumerView> {
    return {
      name: info.name,
      service: this.options.service,
      position: info.ack_floor.stream_seq,
      pending: info.num_pending,
      unacknowledged: info.num_ack_pending,
      redelivered: info.num_redelivered,
      pausedUntil: info.paused && info.config.pause_until ? new Date(info.config.pause_until).toISOString() : null,
      deadLetters: Math.max(0, letters - (await this.settled(info.name)).size),
    };
  }

  private async info(durable: string): Promise<ConsumerInfo> {
    const { manager } = await this.connect();
    return manager.consumers.info(this.stream, durable).catch(unavailable);
  }

  private get durables(): readonly string[] {
    return this.options.server.durables;
  }

  private get stream(): string {
    return this.options.server.stream;
  }

  private refOf(durable: string) {
    return operationRef(this.options.service, 'consumer', durable);
  }

  private async own(durable: string): Promise<{ manager: JetStreamManager; letters: DeadLetters }> {
    if (!this.durables.includes(durable)) throw new DomainError('CONSUMER_NOT_FOUND', `${this.options.service} has no consumer ${durable}`);
    return this.connect();
  }

  private connect(): Promise<{ manager: JetStreamManager; letters: DeadLetters }> {
    this.connected ??= jetstreamManager(this.options.server.connection, { checkAPI: false }).then((manager) => ({
      manager,
      letters: new DeadLetters(manager.jetstream(), manager),
    }));
    return this.connected;
  }
}

function unavailable(cause: unknown): never {
  throw new DomainError('UNAVAILABLE', 'NATS does not answer', {}, { cause });
}
