import type { AccessRecord } from '@sandlot/contracts';

/** One message of the stream ACCESS. */
export interface RecordBatch {
  /** Of its first record. */
  readonly id: string;
  readonly count: number;
  /** A JSON array of AccessRecord. */
  readonly payload: Uint8Array;
}

export interface RecordBatchesOptions {
  /** Records in one batch. Default 500. */
  batchSize?: number;
  /** Bytes of a batch; a record that is longer by itself has one of its own. Default 1,000,000, a little less than what NATS takes. */
  maxBytes?: number;
}

const [BEGIN, SEPARATOR, END] = Buffer.from('[,]');

/**
 * Records on their way to the log, in batches. A record becomes bytes as soon as it comes: objects that wait for their batch live just
 * long enough for V8 to move them into its old generation, and the slowest requests are those that meet a collection of that one.
 */
export class RecordBatches {
  private readonly batchSize: number;
  private readonly closed: RecordBatch[] = [];
  /** The batch that is being filled; memory of it that was never written to is not resident. */
  private readonly open: Buffer;
  private filled = 0;
  private count = 0;
  private id = '';

  constructor({ batchSize = 500, maxBytes = 1_000_000 }: RecordBatchesOptions = {}) {
    this.batchSize = batchSize;
    this.open = Buffer.allocUnsafeSlow(maxBytes);
  }

  add(record: AccessRecord): void {
    const json = JSON.stringify(record);
    const length = Buffer.byteLength(json);
    if (this.filled + length + 2 > this.open.length) this.close();
    if (length + 2 > this.open.length) {
      this.closed.push({ id: record.id, count: 1, payload: Buffer.from(`[${json}]`) });
      return;
    }
    if (this.count === 0) this.id = record.id;
    this.open[this.filled++] = this.count === 0 ? BEGIN! : SEPARATOR!;
    this.filled += this.open.write(json, this.filled);
    if (++this.count === this.batchSize) this.close();
  }

  /** The oldest batch, which is then the caller's: a full one, else as much as there is. Undefined when there is nothing. */
  take(): RecordBatch | undefined {
    if (this.closed.length === 0) this.close();
    return this.closed.shift();
  }

  private close(): void {
    if (this.count === 0) return;
    this.open[this.filled++] = END!;
    this.closed.push({ id: this.id, count: this.count, payload: Buffer.from(this.open.subarray(0, this.filled)) });
    this.filled = 0;
    this.count = 0;
  }
}
