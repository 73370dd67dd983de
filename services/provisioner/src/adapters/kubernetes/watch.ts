import { setTimeout as pause } from 'node:timers/promises';
import { backoff } from '@sandlot/consumers';
import type { ApiServer } from './api-server.js';
import type { KubernetesObject, Resource } from './cluster.js';
import { ClusterRefusal, type Status } from './errors.js';
import type { FieldSets } from './managed-fields.js';
import { pathOf } from './resources.js';
import type { ObjectStore } from './store.js';

export interface WatchScope {
  /** One namespace; without it the whole cluster. */
  namespace?: string;
}

export interface WatchOptions {
  /** The longest that a watch is asked for, in seconds; a random sixth is taken off. Default 290: no server ends it sooner by itself. */
  timeoutSeconds?: number;
  /** A connection on which nothing was heard for so long is given up, where bookmarks come: every minute or so. Default 90,000 ms. */
  silentMs?: number;
  /** Where no bookmarks come: how long after its time a watch may end. Default 10,000 ms. */
  overdueMs?: number;
  log?: WatchLog;
}

export interface WatchLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

interface List {
  metadata: { resourceVersion: string; continue?: string };
  items: KubernetesObject[];
}

const pageSize = 500;

/**
 * Keeps a store like the cluster: lists, then watches, for ever.
 *
 * A watch that ends after the time that it was asked for goes on from where it was. One that ends in any other way (410, an error, a cut or silent connection,
 * or a response that was over too soon) is followed by a list: after a restore the server accepts a position of the future and tells
 * nothing, and for events it ends a watch from a position that is too old without a word.
 */
export class Watch {
  private readonly stopping = new AbortController();
  private readonly first = Promise.withResolvers<void>();
  /** Whether this resource has ever had a bookmark; without them, silence says nothing. */
  private bookmarks = false;
  private done: Promise<void> | undefined;
  /** When something was heard last, in ms of `performance.now()`; undefined before the first list. */
  heardAt: number | undefined;

  constructor(
    private readonly server: ApiServer,
    private readonly resource: Resource,
    private readonly scope: WatchScope,
    private readonly store: ObjectStore,
    private readonly fieldSets: FieldSets,
    private readonly options: WatchOptions,
  ) {
    this.first.promise.catch(() => undefined);
  }

  /** Resolves when the first list is in the store. Rejects when the resource may not be listed or is not served; unavailability is waited out. */
  start(): Promise<void> {
    this.done ??= this.run();
    return this.first.promise;
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    this.first.reject(new Error(`the watch of ${this.resource.plural} was stopped`));
    await this.done;
  }

  private async run(): Promise<void> {
    let position: string | undefined;
    for (let failures = 0; !this.stopping.signal.aborted;) {
      try {
        position ??= await this.list();
        this.first.resolve();
        position = await this.watch(position, () => (failures = 0));
      } catch (error) {
        if (this.stopping.signal.aborted) return;
        position = undefined;
        failures += 1;
        const refusal = error instanceof ClusterRefusal ? error : undefined;
        if (refusal && refusal.code !== 'UNAVAILABLE' && refusal.code !== 'CONFLICT') this.first.reject(error);
        const waitMs = Math.max(backoff(failures, { firstMs: 200, maxMs: 10_000 }), refusal?.retryAfterMs ?? 0);
        if (refusal?.status !== 410)
          this.options.log?.warn(
            {
              resource: this.resource.plural,
              ...this.scope,
              failures,
              waitMs,
              error: String(error instanceof Error ? error.message : error),
            },
            'a watch has failed; everything is listed again',
          );
        await pause(waitMs, undefined, { signal: this.stopping.signal }).catch(() => undefined);
      }
    }
  }

  private async list(): Promise<string> {
    const since = performance.now();
    const objects: KubernetesObject[] = [];
    for (let token: string | undefined; ;) {
      const list = (await this.server.request({
        method: 'GET',
        path: this.path({ limit: String(pageSize), ...(token && { continue: token }) }),
      })) as List;
      for (const item of list.items)
        objects.push(this.received({ ...item, apiVersion: this.resource.apiVersion, kind: this.resource.kind }));
      this.heardAt = performance.now();
      token = list.metadata.continue || undefined;
      if (token) continue;
      this.store.listed(objects, since, this.scope.namespace);
      return list.metadata.resourceVersion;
    }
  }

  /** Resolves with the position to go on from, when the server has ended the watch as agreed. */
  private async watch(from: string, healthy: () => void): Promise<string> {
    const asked = this.options.timeoutSeconds ?? 290;
    const seconds = Math.max(1, Math.round(asked - Math.random() * (asked / 6)));
    const started = performance.now();
    let position = from;
    const path = this.path({
      watch: 'true',
      allowWatchBookmarks: 'true',
      resourceVersion: from,
      timeoutSeconds: String(seconds),
    });
    const untilOver = seconds * 1_000 + (this.options.overdueMs ?? 10_000);
    const silentMs = () => (this.bookmarks ? Math.min(this.options.silentMs ?? 90_000, untilOver) : untilOver);
    for await (const line of this.server.lines(path, { silentMs, signal: this.stopping.signal })) {
      const { type, object } = JSON.parse(line) as { type: string; object: KubernetesObject };
      if (type === 'ERROR') {
        const status = object as unknown as Status;
        throw new ClusterRefusal(
          'CONFLICT',
          'CONFLICT',
          status.code ?? 0,
          `WATCH ${this.resource.plural}: ${status.message ?? 'the server gave up'}`,
          status.details?.retryAfterSeconds === undefined ? undefined : status.details.retryAfterSeconds * 1_000,
        );
      }
      this.heardAt = performance.now();
      position = object.metadata.resourceVersion!;
      healthy();
      if (type === 'BOOKMARK') this.bookmarks = true;
      else if (type === 'ADDED' || type === 'MODIFIED' || type === 'DELETED') this.store.watched(type, this.received(object));
    }
    const tookMs = performance.now() - started;
    if (tookMs < seconds * 1_000 - 1_000)
      throw new Error(`the server ended the watch after ${Math.round(tookMs)} of ${seconds * 1_000} ms`);
    healthy();
    return position;
  }

  private path(query: Record<string, string>): string {
    const { label, field } = this.resource.only ?? {};
    const all = { ...query, ...(label && { labelSelector: label }), ...(field && { fieldSelector: field }) };
    return `${pathOf(this.resource, this.scope.namespace)}?${new URLSearchParams(all).toString()}`;
  }

  private received(object: KubernetesObject): KubernetesObject {
    return this.fieldSets.slim(object);
  }
}
