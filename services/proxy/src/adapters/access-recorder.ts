import { jetstream, type JetStreamClient } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { ACCESS_SUBJECT, type AccessRecord } from '@sandlot/contracts';
import { setTimeout as pause } from 'node:timers/promises';
import type { Recorder } from '../record.js';

export interface AccessRecorderOptions {
  /** Records in one message. Default 500. */
  batchSize?: number;
  /** Milliseconds after which a smaller batch is sent. Default 200. */
  intervalMs?: number;
  /** Records that are kept while they cannot be sent; further ones are dropped and counted. Default 50,000. */
  maxBuffered?: number;
}

const RETRY_MS = 500;
const PUBLISH_TIMEOUT_MS = 1500;

/**
 * Sends records to the stream ACCESS in batches, each a message with a JSON array, one after the other. A batch is repeated under
 * the same id until it is stored, so that it is stored once. The buffer is bounded: the data plane outlives the log of it.
 */
export class AccessRecorder implements Recorder {
  /** Records that found no place. */
  dropped = 0;
  private buffer: AccessRecord[] = [];
  private sending: Promise<void> | undefined;
  private stopping = false;
  private readonly batchSize: number;
  private readonly maxBuffered: number;
  private readonly stream: JetStreamClient;
  private readonly timer: NodeJS.Timeout;

  constructor(connection: NatsConnection, { batchSize = 500, intervalMs = 200, maxBuffered = 50_000 }: AccessRecorderOptions = {}) {
    this.batchSize = batchSize;
    this.maxBuffered = maxBuffered;
    this.stream = jetstream(connection, { timeout: PUBLISH_TIMEOUT_MS });
    this.timer = setInterval(() => this.send(), intervalMs).unref();
  }

  record(record: AccessRecord): void {
    if (this.buffer.length >= this.maxBuffered) {
      this.dropped++;
      return;
    }
    if (this.buffer.push(record) >= this.batchSize && !this.sending) setImmediate(() => this.send());
  }

  get buffered(): number {
    return this.buffer.length;
  }

  /** Sends what is left, for at most `graceMs` milliseconds. */
  async close({ graceMs }: { graceMs: number }): Promise<void> {
    clearInterval(this.timer);
    this.send();
    await Promise.race([this.sending, pause(graceMs, undefined, { ref: false })]);
    this.stopping = true;
  }

  private send(): void {
    if (this.buffer.length === 0) return;
    this.sending ??= this.sendAll().finally(() => (this.sending = undefined));
  }

  private async sendAll(): Promise<void> {
    while (this.buffer.length > 0 && !this.stopping) {
      const batch = this.buffer.slice(0, this.batchSize);
      await this.publish(batch);
      this.buffer.splice(0, batch.length);
    }
  }

  private async publish(batch: AccessRecord[]): Promise<void> {
    const payload = JSON.stringify(batch);
    while (!this.stopping) {
      try {
        await this.stream.publish(ACCESS_SUBJECT, payload, { msgID: batch[0]!.id });
        return;
      } catch {
        await pause(RETRY_MS, undefined, { ref: false }); // NATS is away, or its disk is full: readiness and its own alarms say so
      }
    }
  }
}
