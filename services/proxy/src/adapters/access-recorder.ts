import { jetstream, type JetStreamClient } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { ACCESS_SUBJECT, type AccessRecord } from '@sandlot/contracts';
import { setTimeout as pause } from 'node:timers/promises';
import { RecordBatches, type RecordBatch } from '../record-batches.js';
import type { Recorder } from '../record.js';

export interface AccessRecorderOptions {
  /** Records in one message. Default 500. */
  batchSize?: number;
  /** Milliseconds after which a smaller batch is sent. Default 200. */
  intervalMs?: number;
  /** Records that are kept while they cannot be sent; further ones are dropped and counted. Default 50,000. */
  maxBuffered?: number;
  /** Bytes of a message. Default what the server takes, but for its headers. */
  maxBytes?: number;
  /** What becomes of requests that cannot be recorded: they pass and their records are dropped, or none passes. Default drop. */
  overflow?: 'drop' | 'refuse';
  /** Told when records have begun to be dropped, and every so often while they are, with how many so far. */
  onDropped?: (dropped: number) => void;
}

const RETRY_MS = 500;
const PUBLISH_TIMEOUT_MS = 1500;
const HEADROOM_BYTES = 4096;
/** Milliseconds between two alarms. */
const ALARM_MS = 10_000;

/**
 * Sends records to the stream ACCESS in batches, each a message with a JSON array, one after the other. A batch is repeated under
 * the same id until it is stored, so that it is stored once. The buffer is bounded: the data plane outlives the log of it.
 */
export class AccessRecorder implements Recorder {
  /** Records that found no place. */
  dropped = 0;
  /** When that was last, in ms since 1970. */
  droppedAt: number | undefined;
  /** Records that are not stored yet. */
  buffered = 0;
  private readonly batches: RecordBatches;
  private sending: Promise<void> | undefined;
  private stopping = false;
  private readonly batchSize: number;
  private readonly maxBuffered: number;
  private readonly stream: JetStreamClient;
  private readonly timer: NodeJS.Timeout;
  private readonly refuse: boolean;
  private readonly onDropped: (dropped: number) => void;
  private alarmedAt = -Infinity;

  constructor(connection: NatsConnection, options: AccessRecorderOptions = {}) {
    const { batchSize = 500, intervalMs = 200, maxBuffered = 50_000, overflow = 'drop', onDropped = () => undefined } = options;
    this.batchSize = batchSize;
    this.maxBuffered = maxBuffered;
    const maxBytes = options.maxBytes ?? (connection.info?.max_payload ?? 1024 * 1024) - HEADROOM_BYTES;
    this.batches = new RecordBatches({ batchSize, maxBytes });
    this.refuse = overflow === 'refuse';
    this.onDropped = onDropped;
    this.stream = jetstream(connection, { timeout: PUBLISH_TIMEOUT_MS });
    this.timer = setInterval(() => this.send(), intervalMs).unref();
  }

  record(record: AccessRecord): void {
    if (this.full) return this.drop();
    this.batches.add(record);
    if (++this.buffered >= this.batchSize && !this.sending) setImmediate(() => this.send());
  }

  /** Whether there is no place for another record, and nothing may pass without. */
  get refusing(): boolean {
    return this.refuse && this.full;
  }

  get full(): boolean {
    return this.buffered >= this.maxBuffered;
  }

  /** Sends what is left, for at most `graceMs` milliseconds. */
  async close({ graceMs }: { graceMs: number }): Promise<void> {
    clearInterval(this.timer);
    this.send();
    await Promise.race([this.sending, pause(graceMs, undefined, { ref: false })]);
    this.stopping = true;
  }

  private drop(): void {
    this.dropped++;
    this.droppedAt = Date.now();
    const now = performance.now();
    if (now - this.alarmedAt < ALARM_MS) return;
    this.alarmedAt = now;
    this.onDropped(this.dropped);
  }

  private send(): void {
    this.sending ??= this.sendAll().finally(() => (this.sending = undefined));
  }

  private async sendAll(): Promise<void> {
    for (let batch = this.batches.take(); batch && !this.stopping; batch = this.batches.take()) {
      await this.publish(batch);
      this.buffered -= batch.count;
    }
  }

  private async publish({ payload, id }: RecordBatch): Promise<void> {
    while (!this.stopping) {
      try {
        await this.stream.publish(ACCESS_SUBJECT, payload, { msgID: id });
        return;
      } catch {
        await pause(RETRY_MS, undefined, { ref: false }); // NATS is away, or its disk is full: readiness and its own alarms say so
      }
    }
  }
}
