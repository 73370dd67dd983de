import { KvWatchInclude, Kvm, type KV } from '@nats-io/kv';
import type { NatsConnection, QueuedIterator } from '@nats-io/transport-node';
import { keyRecordKey, KEYS_BUCKET, KeyRecord, routeKey, RouteRecord, ROUTES_BUCKET, userRecordKey, UserRecord } from '@sandlot/contracts';
import { watchLink, type NatsLink } from '@sandlot/service-kit';
import { LRUCache } from 'lru-cache';
import { setTimeout as pause } from 'node:timers/promises';
import type { z } from 'zod';
import { DirectoryUnavailable, type Answer, type Directory } from '../directory.js';

export interface KvDirectoryOptions {
  /** Records kept per bucket; the least recently used goes first. Default 100,000. */
  maxRecords?: number;
  /** Milliseconds for which it is remembered that there is no such record; the watch ends it at once. Default 2000. */
  missingForMs?: number;
  /** Milliseconds for one look-up. Default 2000. */
  lookupTimeoutMs?: number;
  onProblem?: (problem: unknown, bucket: string) => void;
}

const MAX_LOOKUPS = 1000;
const MAX_MISSING = 10_000;
const RETRY_MS = 200;

/**
 * Keys, users and routes in memory, over their KV buckets. What is not known is fetched by one direct get, however many requests
 * wait for it; a watch brings every later change. While NATS is away what is known is served, and the rest is unavailable. When it
 * is back the watch goes on behind the last change that it saw, so none is missed; a bucket that was made anew or went back in
 * time empties the memory.
 */
export class KvDirectory implements Directory {
  private constructor(
    private readonly keys: CachedBucket<KeyRecord | UserRecord>,
    private readonly routes: CachedBucket<RouteRecord>,
  ) {}

  static open(connection: NatsConnection, options: KvDirectoryOptions = {}): KvDirectory {
    const keys = new CachedBucket<KeyRecord | UserRecord>(
      connection,
      KEYS_BUCKET,
      (key) => (key.startsWith('u.') ? UserRecord : KeyRecord),
      options,
    );
    return new KvDirectory(keys, new CachedBucket<RouteRecord>(connection, ROUTES_BUCKET, () => RouteRecord, options));
  }

  key(hash: string): Answer<KeyRecord> {
    return this.keys.find(keyRecordKey(hash)) as Answer<KeyRecord>;
  }

  user(userId: string): Answer<UserRecord> {
    return this.keys.find(userRecordKey(userId)) as Answer<UserRecord>;
  }

  route(username: string, sandbox: string): Answer<RouteRecord> {
    return this.routes.find(routeKey(username, sandbox));
  }

  freshRoute(username: string, sandbox: string): Promise<RouteRecord | undefined> {
    return this.routes.refresh(routeKey(username, sandbox));
  }

  /** Whether both buckets are being watched: what is served from memory is then current. */
  get current(): boolean {
    return this.keys.watching && this.routes.watching;
  }

  async close(): Promise<void> {
    await Promise.all([this.keys.close(), this.routes.close()]);
  }
}

class CachedBucket<Value extends object> {
  watching = false;
  private readonly records: LRUCache<string, { value: Value | undefined; revision: number }>;
  private readonly missing: LRUCache<string, true>;
  private readonly lookups = new Map<string, Promise<Value | undefined>>();
  private readonly link: NatsLink;
  private readonly following: Promise<void>;
  private watch: QueuedIterator<unknown> | undefined;
  private bucket: Promise<KV> | undefined;
  private made: string | undefined;
  private seen = 0;
  private closed = false;

  constructor(
    private readonly connection: NatsConnection,
    private readonly name: string,
    private readonly schemaOf: (key: string) => z.ZodType,
    private readonly options: KvDirectoryOptions,
  ) {
    this.records = new LRUCache({ max: options.maxRecords ?? 100_000 });
    this.missing = new LRUCache({ max: MAX_MISSING, ttl: options.missingForMs ?? 2000 });
    this.link = watchLink(connection);
    this.link.onChange((isUp) => isUp && this.watch?.stop());
    this.following = this.follow();
  }

  find(key: string): Answer<Value> {
    const known = this.records.get(key);
    if (known) return known.value;
    if (this.missing.has(key)) return undefined;
    return this.lookups.get(key) ?? this.lookUp(key);
  }

  async refresh(key: string): Promise<Value | undefined> {
    try {
      return await (this.lookups.get(key) ?? this.lookUp(key));
    } catch (error) {
      if (error instanceof DirectoryUnavailable) return this.records.get(key)?.value;
      throw error;
    }
  }

  async close(): Promise<void> {
    this.closed = true;
    this.watch?.stop();
    await this.following;
  }

  private lookUp(key: string): Promise<Value | undefined> {
    if (!this.link.isUp) throw new DirectoryUnavailable(`NATS is away, and ${this.name} has nothing in memory for this`);
    if (this.lookups.size >= MAX_LOOKUPS) throw new DirectoryUnavailable(`too many look-ups in ${this.name} at once`);
    const lookup = this.get(key).finally(() => this.lookups.delete(key));
    this.lookups.set(key, lookup);
    return lookup;
  }

  private async get(key: string): Promise<Value | undefined> {
    const timeout = AbortSignal.timeout(this.options.lookupTimeoutMs ?? 2000);
    try {
      const late = new Promise<never>((_, failed) => timeout.addEventListener('abort', () => failed(timeout.reason as Error)));
      const entry = await Promise.race([this.open().then((bucket) => bucket.get(key)), late]);
      if (entry) this.keep(key, entry.operation === 'PUT' ? entry.string() : undefined, entry.revision);
      // The watch may have brought something newer meanwhile.
      const kept = this.records.get(key);
      if (!kept) this.missing.set(key, true);
      return kept?.value;
    } catch (cause) {
      throw new DirectoryUnavailable(`${this.name} cannot be asked`, { cause });
    }
  }

  private keep(key: string, text: string | undefined, revision: number): void {
    if ((this.records.peek(key)?.revision ?? 0) >= revision) return;
    this.missing.delete(key);
    this.records.set(key, { value: text === undefined ? undefined : this.parse(key, text), revision });
  }

  /** A record that does not fit its schema is as good as none: nobody gets in by it. */
  private parse(key: string, text: string): Value | undefined {
    try {
      return this.schemaOf(key).parse(JSON.parse(text)) as Value;
    } catch (problem) {
      this.options.onProblem?.(problem, this.name);
      return undefined;
    }
  }

  private async follow(): Promise<void> {
    while (!this.closed) {
      try {
        await this.followOnce();
      } catch (problem) {
        if (!this.closed && this.link.isUp) this.options.onProblem?.(problem, this.name);
      }
      this.watching = false;
      if (!this.closed) await pause(RETRY_MS);
    }
  }

  /** Until the watch ends: with the connection, or stopped because the connection is back and another server may be behind it. */
  private async followOnce(): Promise<void> {
    const bucket = await this.open();
    const { created, state } = (await bucket.status()).streamInfo;
    if (created !== this.made || state.last_seq < this.seen) {
      this.records.clear();
      this.missing.clear();
      this.seen = state.last_seq;
      this.made = created;
    }
    const watch = await bucket.watch({ include: KvWatchInclude.UpdatesOnly, resumeFromRevision: this.seen + 1 });
    this.watch = watch;
    if (this.closed) watch.stop();
    this.watching = true;
    for await (const entry of watch) {
      this.seen = Math.max(this.seen, entry.revision);
      this.keep(entry.key, entry.operation === 'PUT' ? entry.string() : undefined, entry.revision);
    }
  }

  private open(): Promise<KV> {
    this.bucket ??= new Kvm(this.connection).open(this.name, { allow_direct: true });
    this.bucket.catch(() => (this.bucket = undefined));
    return this.bucket;
  }
}
