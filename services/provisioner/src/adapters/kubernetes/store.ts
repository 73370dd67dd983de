import type { KubernetesObject, ObjectName } from './cluster.js';

const indexed = 'sandlot.dev/';
const endsKept = 1_000;

interface Entry {
  object: KubernetesObject;
  /** When we have written it ourselves and the watch has not told of that yet: when the answer came. */
  ownAt?: number;
}

export type Change = (object: KubernetesObject, event: 'present' | 'gone') => void;

/**
 * The objects of one resource as they were last seen, with an index of the `sandlot.dev/` labels.
 *
 * Two sources disagree for a moment after each write of ours: its answer is newer than what the watch tells just then. So an answer stays
 * until the watch has caught up with its resourceVersion, or a list that began after it says otherwise; what we have seen deleted does not
 * come back by an older event. A list is always right about everything else, older versions included: a cluster may be restored
 * from yesterday's copy.
 */
export class ObjectStore {
  private readonly entries = new Map<string, Entry>();
  private readonly byNamespace = new Map<string, Map<string, KubernetesObject>>();
  private readonly byLabel = new Map<string, Map<string, KubernetesObject>>();
  /** Uids that are gone although the watch has not said so. */
  private readonly gone = new Map<string, number>();
  /** What the watch has told the end of, by uid, newest last: an answer to a write of ours may come later than that. */
  private readonly ended = new Map<string, KubernetesObject>();
  private readonly listeners: Change[] = [];

  constructor(private readonly now: () => number = () => performance.now()) {}

  get size(): number {
    return this.entries.size;
  }

  find(name: ObjectName): KubernetesObject | undefined {
    return this.entries.get(keyOf(name))?.object;
  }

  select(label: string, value: string): readonly KubernetesObject[] {
    return [...(this.byLabel.get(`${indexed}${label}=${value}`)?.values() ?? [])];
  }

  all(namespace?: string): readonly KubernetesObject[] {
    if (namespace !== undefined) return [...(this.byNamespace.get(namespace)?.values() ?? [])];
    return [...this.entries.values()].map(({ object }) => object);
  }

  /** Tells of every change from now on, and of all that is here already. */
  listen(changed: Change): void {
    this.listeners.push(changed);
    for (const { object } of this.entries.values()) changed(object, 'present');
  }

  /** What the server has answered to a write of ours. */
  written(object: KubernetesObject): void {
    const held = this.entries.get(keyOf(object.metadata));
    if (held && held.object.metadata.uid === object.metadata.uid && newer(held.object, object)) return;
    const end = this.ended.get(object.metadata.uid!);
    // Of the same version and not being deleted, it has only left what is followed.
    if (end && (newer(end, object) || (!newer(object, end) && object.metadata.deletionTimestamp !== undefined))) return;
    this.gone.delete(object.metadata.uid!);
    this.put(object, this.now());
  }

  /** That a delete of ours took effect at once. */
  deleted(name: ObjectName, uid: string): void {
    this.gone.set(uid, this.now());
    const held = this.entries.get(keyOf(name));
    if (held?.object.metadata.uid === uid) this.remove(held.object);
  }

  watched(type: 'ADDED' | 'MODIFIED' | 'DELETED', object: KubernetesObject): void {
    const { uid } = object.metadata;
    const held = this.entries.get(keyOf(object.metadata));
    if (type === 'DELETED') {
      this.gone.delete(uid!);
      this.ended.set(uid!, object);
      if (this.ended.size > endsKept) this.ended.delete(this.ended.keys().next().value!);
      if (held?.object.metadata.uid === uid) this.remove(held!.object);
      return;
    }
    if (this.gone.has(uid!)) return;
    if (held?.ownAt !== undefined && newer(held.object, object)) return;
    if (held && held.ownAt === undefined && held.object.metadata.resourceVersion === object.metadata.resourceVersion) return;
    this.put(object);
  }

  /** Everything that there is, in a list that was asked for at `since`. With `namespace`, of that one only. */
  listed(objects: readonly KubernetesObject[], since: number, namespace?: string): void {
    for (const [uid, at] of this.gone) if (at < since) this.gone.delete(uid);
    const present = new Set<string>();
    for (const object of objects) {
      const key = keyOf(object.metadata);
      const held = this.entries.get(key);
      present.add(key);
      this.ended.delete(object.metadata.uid!); // a restore brings back what had come to its end
      if (this.gone.has(object.metadata.uid!) || (held?.ownAt !== undefined && held.ownAt >= since)) continue;
      if (held?.object.metadata.uid === object.metadata.uid && held?.object.metadata.resourceVersion === object.metadata.resourceVersion)
        delete held!.ownAt;
      else this.put(object);
    }
    for (const [key, { object, ownAt }] of [...this.entries])
      if (
        !present.has(key) &&
        (namespace === undefined || object.metadata.namespace === namespace) &&
        !(ownAt !== undefined && ownAt >= since)
      )
        this.remove(object);
  }

  private put(object: KubernetesObject, ownAt?: number): void {
    const key = keyOf(object.metadata);
    const before = this.entries.get(key)?.object;
    this.entries.set(key, ownAt === undefined ? { object } : { object, ownAt });
    this.index(key, object, before);
    if (before && before.metadata.uid !== object.metadata.uid) this.tell(before, 'gone');
    this.tell(object, 'present');
  }

  private remove(object: KubernetesObject): void {
    const key = keyOf(object.metadata);
    this.entries.delete(key);
    this.index(key, undefined, object);
    this.tell(object, 'gone');
  }

  private index(key: string, after: KubernetesObject | undefined, before: KubernetesObject | undefined): void {
    const move = (index: Map<string, Map<string, KubernetesObject>>, from: readonly string[], to: readonly string[]) => {
      for (const term of from)
        if (!to.includes(term)) {
          index.get(term)?.delete(key);
          if (index.get(term)?.size === 0) index.delete(term);
        }
      for (const term of to) {
        const held = index.get(term) ?? new Map<string, KubernetesObject>();
        if (held.size === 0) index.set(term, held);
        held.set(key, after!);
      }
    };
    move(this.byLabel, termsOf(before), termsOf(after));
    move(this.byNamespace, before ? [before.metadata.namespace ?? ''] : [], after ? [after.metadata.namespace ?? ''] : []);
  }

  private tell(object: KubernetesObject, event: 'present' | 'gone'): void {
    for (const listener of this.listeners) listener(object, event);
  }
}

const keyOf = ({ namespace, name }: ObjectName): string => `${namespace ?? ''}/${name}`;

const termsOf = (object: KubernetesObject | undefined): string[] =>
  Object.entries(object?.metadata.labels ?? {})
    .filter(([label]) => label.startsWith(indexed))
    .map(([label, value]) => `${label}=${value}`);

/** Whether one has a later resourceVersion than the other: decimal numbers of any length that grow within a resource (KEP-5504). */
function newer(one: KubernetesObject, other: KubernetesObject): boolean {
  const [a = '', b = ''] = [one.metadata.resourceVersion, other.metadata.resourceVersion];
  return a.length === b.length ? a > b : a.length > b.length;
}
