import type { NatsConnection } from '@nats-io/transport-node';
import { jetstream, JetStreamApiError } from '@nats-io/jetstream';
import { Kvm, type KV } from '@nats-io/kv';
import { SUBJECT_KEYS_BUCKET } from '@sandlot/contracts';
import { DomainError } from '@sandlot/kernel';

/** What is kept of a user's data key. `destroyed` is for ever. */
export type KeptKey = { readonly status: 'kept'; readonly value: Uint8Array; readonly revision: number } | { readonly status: 'destroyed' };

/** Where wrapped data keys are kept: outside the log, so that they can be destroyed. Throws DomainError UNAVAILABLE. */
export interface SubjectKeys {
  get(userId: string): Promise<KeptKey | undefined>;
  /** Writes only on that revision, 0 for none so far. False when there is another by now. */
  put(userId: string, value: Uint8Array, revision: number): Promise<boolean>;
  /** Idempotent. */
  destroy(userId: string): Promise<void>;
  /** Every user whose key is kept. */
  userIds(): Promise<string[]>;
}

const wrongRevision = new Set([10071, 10164]);

/**
 * In the bucket `subject-keys`, which keeps one revision of each key. A destroyed one leaves a mark in its place.
 * NATS does not overwrite what it drops: the wrapped key may stay in its files, as in backups, until they go. Changing the master key
 * (`PersonalData.rewrap`, then dropping the old one) makes those remains worthless too.
 */
export class KvSubjectKeys implements SubjectKeys {
  private constructor(private readonly bucket: KV) {}

  static async open(connection: NatsConnection): Promise<KvSubjectKeys> {
    return new KvSubjectKeys(await new Kvm(jetstream(connection, { timeout: 2_000 })).open(SUBJECT_KEYS_BUCKET));
  }

  async get(userId: string): Promise<KeptKey | undefined> {
    const entry = await this.bucket.get(userId).catch(unavailable);
    if (!entry) return undefined;
    return entry.operation === 'PUT' ? { status: 'kept', value: entry.value, revision: entry.revision } : { status: 'destroyed' };
  }

  async put(userId: string, value: Uint8Array, revision: number): Promise<boolean> {
    try {
      // Not `create`, which would take a destroyed key's place.
      await this.bucket.put(userId, value, { previousSeq: revision });
      return true;
    } catch (error) {
      if (error instanceof JetStreamApiError && wrongRevision.has(error.code)) return false;
      return unavailable(error);
    }
  }

  async destroy(userId: string): Promise<void> {
    await this.bucket.purge(userId).catch(unavailable);
  }

  async userIds(): Promise<string[]> {
    try {
      const userIds: string[] = [];
      for await (const userId of await this.bucket.keys()) userIds.push(userId);
      return userIds;
    } catch (error) {
      return unavailable(error);
    }
  }
}

/** For tests. Passes the suite of personal data like the real one. */
export class MemorySubjectKeys implements SubjectKeys {
  private readonly kept = new Map<string, KeptKey>();
  private revision = 0;

  async get(userId: string): Promise<KeptKey | undefined> {
    return this.kept.get(userId);
  }

  async put(userId: string, value: Uint8Array, revision: number): Promise<boolean> {
    const present = this.kept.get(userId);
    if (present?.status === 'destroyed' || (present?.revision ?? 0) !== revision) return false;
    this.kept.set(userId, { status: 'kept', value, revision: (this.revision += 1) });
    return true;
  }

  async destroy(userId: string): Promise<void> {
    this.kept.set(userId, { status: 'destroyed' });
  }

  async userIds(): Promise<string[]> {
    return [...this.kept].flatMap(([userId, { status }]) => (status === 'kept' ? [userId] : []));
  }
}

function unavailable(cause: unknown): never {
  throw new DomainError('UNAVAILABLE', 'the keys of personal data are not available', {}, { cause });
}
