import { KvWatchInclude, Kvm, type KV } from '@nats-io/kv';
import type { NatsConnection, QueuedIterator } from '@nats-io/transport-node';
import {
  discoveredRouteKey,
  discoveredRoutes,
  DiscoveredRoute,
  keyRecordKey,
  KEYS_BUCKET,
  KeyRecord,
  routeKey,
  RouteRecord,
  ROUTES_BUCKET,
  usernameRecordKey,
  UsernameRecord,
  userRecordKey,
  UserRecord,
} from '@sandlot/contracts';
import { watchLink, type NatsLink } from '@sandlot/service-kit';
import { LRUCache } from 'lru-cache';
import { setTimeout as pause } from 'node:timers/promises';
import type { z } from 'zod';
import { DirectoryUnavailable, type Answer, type Directory } from '../directory.js';
import { RecordStore } from './record-store.js';

export interface KvDirectoryOptions {
  /** Whether sandboxes that somebody else made are reached. Default false. */
  discovery?: boolean;
  /** Records kept per bucket; which goes first: see RecordStoreOptions. Default 200,000: 100,000 keys and their users. */
  maxRecords?: number;
  /** Milliseconds for which it is remembered that there is no such record; the watch ends it at once. Default 2000. */
  missingForMs?: number;
  /** Milliseconds for one look-up. Default 2000. */
  lookupTimeoutMs?: number;
  onProblem?: (problem: unknown, bucket: string) => void;
}

type Credential = KeyRecord | UserRecord | UsernameRecord;
const CREDENTIALS: Readonly<Record<string, z.ZodType<Credential>>> = { u: UserRecord, n: UsernameRecord, k: KeyRecord };

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
    private readonly keys: CachedBucket<Credential>,
    private readonly routes: CachedBucket<RouteRecord | DiscoveredRoute>,
    private readonly discovery: boolean,
  ) {}

  static open(connection: NatsConnection, options: KvDirectoryOptions = {}): KvDirectory {
    const keys = new CachedBucket<Credential>(connection, KEYS_BUCKET, (key) => CREDENTIALS[key[0]!] ?? KeyRecord, options);
    const routes = new CachedBucket<RouteRecord | DiscoveredRoute>(
      connection,
      ROUTES_BUCKET,
      (key) => (key.startsWith(discoveredRoutes) ? DiscoveredRoute : RouteRecord),
      options,
    );
    return new KvDirectory(keys, routes, options.discovery ?? false);
  }

  key(hash: string): Answer<KeyRecord> {
    return this.keys.find(keyRecordKey(hash)) as Answer<KeyRecord>;
  }

  user(userId: string): Answer<UserRecord> {
    return this.keys.find(userRecordKey(userId)) as Answer<UserRecord>;
  }

  username(username: string): Answer<UsernameRecord> {
    return this.keys.find(usernameRecordKey(username));
  }

  route(username: string, sandbox: string): Answer<RouteRecord> {
    return this.routes.find(routeKey(username, sandbox)) as Answer<RouteRecord>;
  }

  discovered(username: string, sandbox: string): Answer<DiscoveredRoute> {
    return this.discovery ? (this.routes.find(discoveredRouteKey(username, sandbox)) as Answer<DiscoveredRoute>) : undefined;
  }

  freshRoute(username: string, sandbox: string): Promise<RouteRecord | undefined> {
    return this.routes.refresh(routeKey(username, sandbox)) as Promise<RouteRecord | undefined>;
  }

  watchRoute(username: string, sandbox: string, listener: (route: RouteRecord | undefined) => void): () => void {
    return this.routes.listen(routeKey(username, sandbox), listener as (route: RouteRecord | DiscoveredRoute | undefined) => void);
  }

  watchRoutes(listener: (change: RouteRecord) => void): () => void {
    return this.routes.listenToAll((change) => 'sandboxId' in change && listener(change));
  }

  watchCredentials(listener: (change: KeyRecord | UserRecord) => void): () => void {
    return this.keys.listenToAll((change) => 'status' in change && listener(change));
  }

  /** What was in memory and what was not. */
  get lookups(): Record<'keys' | 'routes', { hits: number; misses: number }> {
    return { keys: this.keys, routes: this.routes };
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
  hits = 0;
  misses = 0;
  private records: RecordStore<Value>;
  private readonly missing: LRUCache<string, true>;
  private readonly listeners = new Map<string, Set<(value: Value | undefined) => void>>();
  private readonly allListeners = new Set<(value: Value) => void>();
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
    this.records = this.nothingKnown();
    this.missing = new LRUCache({ max: MAX_MISSING, ttl: options.missingForMs ?? 2000 });
    this.link = watchLink(connection);
    this.link.onChange((isUp) => isUp && this.watch?.stop());
    this.following = this.follow();
  }

  find(key: string): Answer<Value> {
    const known = this.records.find(key);
    if (known || this.missing.has(key)) {
      this.hits++;
      return known?.value;
    }
    this.misses++;
    return this.lookups.get(key) ?? this.lookUp(key);
  }

  async refresh(key: string): Promise<Value | undefined> {
    try {
      return await (this.lookups.get(key) ?? this.lookUp(key));
    } catch (error) {
      if (error instanceof DirectoryUnavailable) return this.records.peek(key);
      throw error;
    }
  }

  listen(key: string, listener: (value: Value | undefined) => void): () => void {
    const listeners = this.listeners.get(key) ?? new Set();
    this.listeners.set(key, listeners.add(listener));
    return () => {
      if (listeners.delete(listener) && listeners.size === 0) this.listeners.delete(key);
    };
  }

  /** Changes that the watch brings; what a look-up finds is no news. */
  listenToAll(listener: (value: Value) => void): () => void {
    this.allListeners.add(listener);
    return () => void this.allListeners.delete(listener);
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
    const timeoutMs = this.options.lookupTimeoutMs ?? 2000;
    let timer: NodeJS.Timeout | undefined;
    try {
      // Not AbortSignal.timeout, which keeps what waits for it until its time has come: of thousands of look-ups, hundreds of MiB.
      const late = new Promise<never>((_, failed) => {
        timer = setTimeout(() => failed(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
      });
      const entry = await Promise.race([this.open().then((bucket) => bucket.get(key)), late]);
      if (entry) this.keep(key, entry.operation === 'PUT' ? entry.string() : undefined, entry.revision);
      // The watch may have brought something newer meanwhile.
      const kept = this.records.find(key);
      if (!kept) this.missing.set(key, true);
      return kept?.value;
    } catch (cause) {
      throw new DirectoryUnavailable(`${this.name} cannot be asked`, { cause });
    } finally {
      clearTimeout(timer);
    }
  }

  private keep(key: string, text: string | undefined, revision: number): void {
    if (this.records.revisionOf(key) >= revision) return;
    this.missing.delete(key);
    const value = text === undefined ? undefined : this.parse(key, text);
    this.records.set(key, value, revision);
    for (const listener of this.listeners.get(key) ?? []) listener(value);
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
      this.records = this.nothingKnown();
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
      const value = this.records.peek(entry.key);
      if (value) for (const listener of this.allListeners) listener(value);
    }
  }

  private nothingKnown(): RecordStore<Value> {
    return new RecordStore({ maxRecords: this.options.maxRecords ?? 200_000 });
  }

  private open(): Promise<KV> {
    this.bucket ??= new Kvm(this.connection).open(this.name, { allow_direct: true });
    this.bucket.catch(() => (this.bucket = undefined));
    return this.bucket;
  }
}
