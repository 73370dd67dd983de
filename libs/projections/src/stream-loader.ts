import { jetstream, jetstreamManager, type ConsumerMessages, type JsMsg } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import type { Pool } from 'pg';
import { copyInto, type Copy } from './copy.js';
import { transaction, type Query } from './transaction.js';

export interface StreamLoaderOptions {
  connection: NatsConnection;
  pool: Pool;
  service: string;
  /** Permanent: the checkpoint is kept under it. */
  name: string;
  stream: string;
  /** Messages in one transaction, all of them in memory. Default 500. */
  batchSize?: number;
  /** Loads messages in one transaction with the checkpoint. May be called again with the same ones after a rollback. */
  load(messages: readonly JsMsg[], query: Query, copy: Copy): Promise<void>;
  onError(error: unknown): void;
  /** Called after each committed batch. */
  onLoaded?(): void;
}

/** The table that says how far the loads of a service are; for its first migration. */
export const loadsTable = (service: string): string =>
  `create table ${service}.loads (name text primary key, stream_created text not null, position bigint not null)`;

/**
 * Loads a stream that is no ledger into tables: messages age out of it, so nothing is verified and a gap is no alarm. Each message takes
 * effect once: the checkpoint moves in the same transaction, and only from where this loader left it, so of several instances one loads
 * each batch. Starts over with what the stream still has when the database was emptied or the stream made anew.
 */
export class StreamLoader {
  private stopped = false;
  private messages: ConsumerMessages | undefined;
  private running: Promise<void> | undefined;

  constructor(private readonly options: StreamLoaderOptions) {}

  start(): void {
    this.running = this.run();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    this.messages?.stop();
    await this.running;
  }

  private async run(): Promise<void> {
    while (!this.stopped) {
      try {
        await this.follow();
      } catch (error) {
        if (this.stopped) return;
        this.options.onError(error);
        await new Promise((resolve) => setTimeout(resolve, 500 + Math.random() * 500));
      }
    }
  }

  private async follow(): Promise<void> {
    const { connection, stream, batchSize = 500 } = this.options;
    const { created } = await (await jetstreamManager(connection, { checkAPI: false })).streams.info(stream);
    let position = await this.checkpoint(created);
    const consumer = await jetstream(connection).consumers.get(stream, { opt_start_seq: position + 1 });
    this.messages = await consumer.consume({ max_messages: batchSize, expires: 5_000 });
    if (this.stopped) this.messages.stop();
    let batch: JsMsg[] = [];
    for await (const message of this.messages) {
      batch.push(message);
      if (batch.length < batchSize && message.info.pending > 0) continue;
      position = await this.commit(batch, position);
      batch = [];
    }
  }

  private async checkpoint(created: string): Promise<number> {
    const { pool, service, name } = this.options;
    const { rows } = await pool.query<{ position: string }>(
      `insert into ${service}.loads as l (name, stream_created, position) values ($1, $2, 0)
       on conflict (name) do update set stream_created = $2, position = case when l.stream_created = $2 then l.position else 0 end
       returning position`,
      [name, created],
    );
    return Number(rows[0]!.position);
  }

  private async commit(batch: readonly JsMsg[], position: number): Promise<number> {
    const { pool, service, name, load, onLoaded } = this.options;
    const end = batch.at(-1)!.seq;
    await transaction(pool, async (query, client) => {
      const { rowCount } = await query(`update ${service}.loads set position = $3 where name = $1 and position = $2`, [
        name,
        position,
        end,
      ]);
      if (rowCount !== 1) throw new Error(`${service}.${name}: another instance has loaded this batch`);
      await load(batch, query, (...copied) => copyInto(client, ...copied));
    });
    onLoaded?.();
    return end;
  }
}
