import { isDeepStrictEqual } from 'node:util';
import { ApiServer, type ApiRequest, type ApiServerOptions } from './api-server.js';
import type { Access } from './access.js';
import type { Cluster, KubernetesObject, ObjectName, Resource } from './cluster.js';
import { ClusterRefusal } from './errors.js';
import { fieldManager, FieldSets, isApplied, marked } from './managed-fields.js';
import { observeWatches, requestMetrics } from './request-metrics.js';
import { pathOf } from './resources.js';
import { ObjectStore, type Change } from './store.js';
import { Watch, type WatchOptions } from './watch.js';

export interface KubernetesClusterOptions extends ApiServerOptions, WatchOptions {
  /** Only these namespaces, each watched by itself, with no cluster-wide right. Without it the whole cluster. */
  namespaces?: readonly string[];
}

interface Followed {
  resource: Resource;
  store: ObjectStore;
  watches: Watch[];
  ready: Promise<unknown>;
  /** Whether all of it was in memory once. */
  listed: boolean;
}

/** The Kubernetes API over HTTP. Order: a read after a write of ours sees it. Between two writes of ours to one object the caller keeps order. */
export class KubernetesCluster implements Cluster {
  private readonly server: ApiServer;
  private readonly followed = new Map<string, Followed>();
  private readonly fieldSets = new FieldSets();
  private closed = false;
  private readonly stopObserving: () => void;

  constructor(
    access: Access,
    private readonly options: KubernetesClusterOptions = {},
  ) {
    const measure = requestMetrics();
    this.stopObserving = observeWatches(() => [...this.followed.values()]);
    this.server = new ApiServer(access, {
      ...options,
      onRequest: (request) => {
        measure(request);
        options.onRequest?.(request);
      },
    });
  }

  find(resource: Resource, name: ObjectName): KubernetesObject | undefined {
    return this.of(resource).store.find(name);
  }

  select(resource: Resource, label: string, value: string): readonly KubernetesObject[] {
    return this.of(resource).store.select(label, value);
  }

  all(resource: Resource, namespace?: string): readonly KubernetesObject[] {
    return this.of(resource).store.all(namespace);
  }

  async create(object: KubernetesObject): Promise<KubernetesObject> {
    const { resource, store } = this.ofObject(object);
    const path = `${pathOf(resource, object.metadata.namespace)}?fieldManager=${fieldManager}`;
    return this.written(store, await this.write(resource, object.metadata, { method: 'POST', path, body: object }));
  }

  async apply(object: KubernetesObject): Promise<KubernetesObject> {
    const { resource, store } = this.ofObject(object);
    const { name, namespace, uid } = object.metadata;
    const wanted = marked(object);
    const found = store.find(object.metadata);
    if (found && (uid === undefined || found.metadata.uid === uid) && isApplied(wanted, found)) return found;
    const path = `${pathOf(resource, namespace, name)}?fieldManager=${fieldManager}&force=true`;
    const request: ApiRequest = { method: 'PATCH', path, contentType: 'application/apply-patch+yaml', body: wanted }; // JSON is YAML
    try {
      return this.written(store, await this.write(resource, object.metadata, request));
    } catch (error) {
      // The server calls another uid an invalid change of an immutable field.
      if (uid === undefined || !(error instanceof ClusterRefusal) || error.reason !== 'INVALID') throw error;
      if ((await this.read(resource, object.metadata))?.metadata.uid === uid) throw error;
      throw new ClusterRefusal(
        'CONFLICT',
        'CONFLICT',
        409,
        `${resource.plural} ${name} is not the one that was meant any more`,
        undefined,
        {
          cause: error,
        },
      );
    }
  }

  async patch(resource: Resource, name: ObjectName, uid: string, patch: object): Promise<KubernetesObject | undefined> {
    const path = `${pathOf(resource, name.namespace, name.name)}?fieldManager=${fieldManager}`;
    const { metadata, ...rest } = patch as { metadata?: object };
    const body = { ...rest, metadata: { ...metadata, uid } };
    try {
      const patched = await this.write(resource, name, { method: 'PATCH', path, contentType: 'application/merge-patch+json', body });
      return this.written(this.followed.get(idOf(resource))?.store, patched);
    } catch (error) {
      if (!(error instanceof ClusterRefusal)) throw error;
      if (error.reason === 'NOT_FOUND') this.followed.get(idOf(resource))?.store.deleted(name, uid);
      if (error.reason === 'NOT_FOUND') return undefined;
      if (error.reason !== 'CONFLICT' && error.reason !== 'INVALID') throw error;
      const now = await this.read(resource, name);
      if (now?.metadata.uid !== uid) return undefined;
      throw error;
    }
  }

  async delete(resource: Resource, name: ObjectName, uid: string, options: { gracePeriodSeconds?: number } = {}): Promise<void> {
    const { store } = this.followed.get(idOf(resource)) ?? {};
    const body = { kind: 'DeleteOptions', apiVersion: 'v1', preconditions: { uid }, propagationPolicy: 'Background', ...options };
    try {
      const answer = (await this.write(resource, name, {
        method: 'DELETE',
        path: pathOf(resource, name.namespace, name.name),
        body,
      })) as KubernetesObject & { status?: unknown };
      // The server answers with the object as long as something holds it, and with a Status when it is gone.
      if (answer.kind === 'Status' || !answer.metadata?.deletionTimestamp) store?.deleted(name, uid);
      else this.written(store, answer);
    } catch (error) {
      if (error instanceof ClusterRefusal && error.reason === 'NOT_FOUND') store?.deleted(name, uid);
      else if (!(error instanceof ClusterRefusal) || error.reason !== 'CONFLICT' || (await this.read(resource, name))?.metadata.uid === uid)
        throw error;
    }
  }

  async served(group: string, plural: string): Promise<readonly string[]> {
    interface Group {
      versions: { version: string }[];
      preferredVersion?: { version: string };
    }
    const found = await this.whatIsThere<Group>(`/apis/${group}`);
    const versions = (found?.versions ?? []).map(({ version }) => version);
    const served: string[] = [];
    for (const version of versions) {
      const list = await this.whatIsThere<{ resources: { name: string }[] }>(`/apis/${group}/${version}`);
      if (list?.resources.some(({ name }) => name === plural)) served.push(version);
    }
    const preferred = found?.preferredVersion?.version;
    return served.sort((one, other) => Number(other === preferred) - Number(one === preferred));
  }

  async follow(resource: Resource, changed?: Change): Promise<void> {
    if (this.closed) throw new Error('the cluster is closed');
    const id = idOf(resource);
    const followed = this.followed.get(id) ?? this.begin(resource);
    if (!isDeepStrictEqual(followed.resource.only, resource.only))
      throw new Error(`${resource.plural} are followed already, with ${JSON.stringify(followed.resource.only)}`);
    if (changed) followed.store.listen(changed);
    await followed.ready.catch(async (error: unknown) => {
      this.followed.delete(id); // so that it can be followed once it is served
      await Promise.all(followed.watches.map((watch) => watch.stop()));
      throw error;
    });
  }

  async leave(resource: Resource): Promise<void> {
    const followed = this.followed.get(idOf(resource));
    this.followed.delete(idOf(resource));
    await Promise.all((followed?.watches ?? []).map((watch) => watch.stop()));
  }

  async read(resource: Resource, name: ObjectName): Promise<KubernetesObject | undefined> {
    const store = this.followed.get(idOf(resource))?.store;
    try {
      const object = (await this.server.request({ method: 'GET', path: pathOf(resource, name.namespace, name.name) })) as KubernetesObject;
      return this.written(store, object);
    } catch (error) {
      if (!(error instanceof ClusterRefusal) || error.reason !== 'NOT_FOUND') throw error;
      const held = store?.find(name);
      if (held) store?.deleted(name, held.metadata.uid!);
      return undefined;
    }
  }

  trouble(): Promise<string | undefined> {
    return this.server.trouble();
  }

  async close(): Promise<void> {
    this.closed = true;
    this.stopObserving();
    this.server.close();
    await Promise.all([...this.followed.values()].flatMap(({ watches }) => watches.map((watch) => watch.stop())));
  }

  private begin(resource: Resource): Followed {
    const store = new ObjectStore();
    const scopes = resource.namespaced && this.options.namespaces ? this.options.namespaces.map((namespace) => ({ namespace })) : [{}];
    const watches = scopes.map((scope) => new Watch(this.server, resource, scope, store, this.fieldSets, this.options));
    const ready = Promise.all(watches.map((watch) => watch.start()));
    const followed: Followed = { resource, store, watches, ready, listed: false };
    this.followed.set(idOf(resource), followed);
    ready.then(
      () => (followed.listed = true),
      () => undefined, // told to whoever follows
    );
    return followed;
  }

  /** A conflict means that our memory is behind: it is read anew before the caller looks again. */
  private async write(resource: Resource, name: ObjectName, request: ApiRequest): Promise<KubernetesObject> {
    try {
      return (await this.server.request(request)) as KubernetesObject;
    } catch (error) {
      if (error instanceof ClusterRefusal && error.reason === 'CONFLICT') await this.read(resource, name).catch(() => undefined);
      throw error;
    }
  }

  private written(store: ObjectStore | undefined, object: KubernetesObject): KubernetesObject {
    const slim = this.fieldSets.slim(object);
    store?.written(slim);
    return slim;
  }

  private async whatIsThere<Answer>(path: string): Promise<Answer | undefined> {
    try {
      return (await this.server.request({ method: 'GET', path })) as Answer;
    } catch (error) {
      if (error instanceof ClusterRefusal && error.status === 404) return undefined;
      throw error;
    }
  }

  private of(resource: Resource): Followed {
    const followed = this.followed.get(idOf(resource));
    if (!followed) throw new Error(`${resource.apiVersion} ${resource.plural} are not followed`);
    return listed(followed);
  }

  private ofObject({ apiVersion, kind }: KubernetesObject): Followed {
    for (const followed of this.followed.values())
      if (followed.resource.apiVersion === apiVersion && followed.resource.kind === kind) return listed(followed);
    throw new Error(`${apiVersion} ${kind} is not followed`);
  }
}

/** What is not known yet is not absent. */
function listed(followed: Followed): Followed {
  if (followed.listed) return followed;
  const { plural } = followed.resource;
  throw new ClusterRefusal('UNAVAILABLE', 'CLUSTER_UNAVAILABLE', 0, `the ${plural} of the cluster are not in memory yet`, 1_000);
}

const idOf = ({ apiVersion, plural }: Resource): string => `${apiVersion}/${plural}`;
