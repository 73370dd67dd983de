import { JetStreamApiError } from '@nats-io/jetstream';
import { Kvm, type KV, type KvEntry } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/transport-node';
import { crashPoint, DomainError } from '@sandlot/kernel';
import type { z } from 'zod';

/** A bucket of records. `revision` says which record a change replaces; when somebody else was faster, it throws CONFLICT. */
export interface Table<Value> {
  find(key: string): Promise<{ value: Value; revision: number } | undefined>;
  /** @param replacing the revision that was found; undefined when nothing was */
  put(key: string, value: Value, replacing: number | undefined): Promise<void>;
  remove(key: string, revision: number): Promise<void>;
}

// JetStream's error codes: https://github.com/nats-io/nats-server/blob/main/server/errors.json
const wrongRevision = new Set([10071, 10164]);

/**
 * A table in a KV bucket, which must exist. Reads are answered by the bucket's leader, since a follower may lag behind. A record that does not fit its schema counts as none, so that it is written anew.
 */
export class KvTable<Value> implements Table<Value> {
  private constructor(
    private readonly bucket: KV,
    private readonly schema: z.ZodType<Value>,
  ) {}

  static async open<Value>(connection: NatsConnection, bucket: string, schema: z.ZodType<Value>): Promise<KvTable<Value>> {
    return new KvTable(await new Kvm(connection).open(bucket, { allow_direct: false }), schema);
  }

  async find(key: string): Promise<{ value: Value; revision: number } | undefined> {
    const entry = await this.bucket.get(key);
    const value = entry ? this.valueOf(entry) : undefined;
    return entry && value !== undefined ? { value, revision: entry.revision } : undefined;
  }

  async put(key: string, value: Value, replacing: number | undefined): Promise<void> {
    // Where no record was found there may still be the marker of a removed one, or one that could not be read.
    const hidden = replacing === undefined ? await this.bucket.get(key) : null;
    if (hidden && this.valueOf(hidden) !== undefined) throw conflict(key);
    const previousSeq = replacing ?? hidden?.revision ?? 0;
    await this.bucket.put(key, JSON.stringify(value), { previousSeq }).catch(asConflict(key));
    crashPoint('kv.after-put');
  }

  async remove(key: string, revision: number): Promise<void> {
    await this.bucket.delete(key, { previousSeq: revision }).catch(asConflict(key));
    crashPoint('kv.after-put');
  }

  private valueOf(entry: KvEntry): Value | undefined {
    if (entry.operation !== 'PUT') return undefined;
    const parsed = this.schema.safeParse(parseJson(entry.string()));
    return parsed.success ? parsed.data : undefined;
  }
}

/** The same in memory, for tests of what stands on it. Passes the same suite. */
export class MemoryTable<Value> implements Table<Value> {
  readonly records = new Map<string, { value: Value; revision: number }>();
  private revision = 0;

  find(key: string): Promise<{ value: Value; revision: number } | undefined> {
    const found = this.records.get(key);
    return Promise.resolve(found && { ...found, value: copy(found.value) });
  }

  put(key: string, value: Value, replacing: number | undefined): Promise<void> {
    if (this.records.get(key)?.revision !== replacing) return Promise.reject(conflict(key));
    this.records.set(key, { value: copy(value), revision: (this.revision += 1) });
    return Promise.resolve();
  }

  remove(key: string, revision: number): Promise<void> {
    if (this.records.get(key)?.revision !== revision) return Promise.reject(conflict(key));
    this.records.delete(key);
    this.revision += 1;
    return Promise.resolve();
  }
}

/** As a bucket keeps it. */
const copy = <Value>(value: Value): Value => JSON.parse(JSON.stringify(value)) as Value;

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // as good as no record: the schema refuses it
  }
}

const conflict = (key: string, cause?: unknown): DomainError =>
  new DomainError('CONFLICT', `${key} was changed by somebody else`, {}, { cause });

const asConflict =
  (key: string) =>
  (error: unknown): never => {
    throw error instanceof JetStreamApiError && wrongRevision.has(error.code) ? conflict(key, error) : error;
  };
