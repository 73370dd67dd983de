import { JetStreamApiError } from '@nats-io/jetstream';
import { Kvm, type KV } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/transport-node';
import { crashPoint, DomainError } from '@sandlot/kernel';
import { ROUTES_BUCKET, type RouteRecord } from '@sandlot/contracts';
import type { RouteTable } from '../ports.js';

// JetStream's error codes: https://github.com/nats-io/nats-server/blob/main/server/errors.json
const wrongRevision = new Set([10071, 10164]);

/** The bucket `routes`, which must exist. Reads are answered by the bucket's leader, since a follower's answer may lag behind. */
export class KvRouteTable implements RouteTable {
  private constructor(private readonly bucket: KV) {}

  static async open(connection: NatsConnection): Promise<KvRouteTable> {
    return new KvRouteTable(await new Kvm(connection).open(ROUTES_BUCKET, { allow_direct: false }));
  }

  /** What stands there is not checked against the schema: a record of an older version is to be seen as different, and replaced. */
  async find(key: string): Promise<{ route: RouteRecord; revision: number } | undefined> {
    const entry = await this.bucket.get(key);
    return entry?.operation === 'PUT' ? { route: entry.json<RouteRecord>(), revision: entry.revision } : undefined;
  }

  async put(key: string, route: RouteRecord, revision: number | undefined): Promise<void> {
    const previousSeq = revision ?? (await this.revisionOfNothing(key));
    await replacing(key, this.bucket.put(key, JSON.stringify(route), { previousSeq }));
    crashPoint('kv.after-put');
  }

  async remove(key: string, revision: number): Promise<void> {
    await replacing(key, this.bucket.delete(key, { previousSeq: revision }));
    crashPoint('kv.after-put');
  }

  /** A removed key leaves a marker, whose revision is then the one to replace; a key that never was has none. */
  private async revisionOfNothing(key: string): Promise<number> {
    const entry = await this.bucket.get(key);
    if (entry?.operation === 'PUT') throw changedInBetween(key);
    return entry?.revision ?? 0;
  }
}

async function replacing(key: string, write: Promise<unknown>): Promise<void> {
  try {
    await write;
  } catch (error) {
    throw error instanceof JetStreamApiError && wrongRevision.has(error.code) ? changedInBetween(key, error) : error;
  }
}

function changedInBetween(key: string, cause?: unknown): DomainError {
  return new DomainError('CONFLICT', `the route ${key} was changed in between`, {}, { cause });
}
