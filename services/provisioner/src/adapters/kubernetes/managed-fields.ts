import { createHash } from 'node:crypto';
import type { KubernetesObject } from './cluster.js';

export const fieldManager = 'sandlot';
/** Of what we have applied last, so that what is wanted can be compared without knowing the server's defaults and spellings. */
export const appliedAnnotation = 'sandlot.dev/applied';

/** A set of fields as managedFields have it: `{ 'f:spec': { 'f:replicas': {} } }`; an empty object is the field with all that is in it. */
export interface FieldSet {
  [key: string]: FieldSet;
}

/** What has the same spec in most namespaces, and a status that nobody here reads. */
const sameForEverybody: ReadonlySet<string> = new Set(['NetworkPolicy', 'LimitRange', 'ResourceQuota']);

/**
 * Makes received objects small enough to keep by the thousand. managedFields are most of an object and nearly the same in all objects of a
 * kind, so equal sets are kept once; what only tells of the status is dropped, for nobody but its controller writes it.
 */
export class FieldSets {
  private readonly known = new Map<string, object>();

  slim(object: KubernetesObject): KubernetesObject {
    const { managedFields, annotations } = object.metadata;
    if (managedFields)
      object.metadata.managedFields = managedFields
        .filter((entry) => !('subresource' in entry))
        .map(({ manager, operation, time, fieldsV1 }) => ({ manager, operation, time, fieldsV1: fieldsV1 && this.one(fieldsV1) }) as never);
    if (annotations) delete annotations['kubectl.kubernetes.io/last-applied-configuration'];
    if (sameForEverybody.has(object.kind)) {
      if (object.spec) object.spec = this.one(object.spec);
      delete object.status;
    }
    return object;
  }

  private one(fields: object): object {
    const text = JSON.stringify(fields);
    const known = this.known.get(text);
    if (known) return known;
    if (this.known.size < 5_000) this.known.set(text, fields);
    return fields;
  }
}

/** The object with the mark of what it is. The uid is a precondition of the request, not part of what is wanted. */
export function marked(wanted: KubernetesObject): KubernetesObject {
  const { uid: _, resourceVersion: __, ...metadata } = wanted.metadata;
  const mark = createHash('sha256')
    .update(canonical({ ...wanted, metadata }))
    .digest('hex')
    .slice(0, 16);
  return { ...wanted, metadata: { ...wanted.metadata, annotations: { ...wanted.metadata.annotations, [appliedAnnotation]: mark } } };
}

/**
 * Whether applying would change nothing: this very thing was applied last, and every field of it is still ours.
 * The server takes a field from us in the moment in which somebody else gives it another value, whichever way they do it.
 */
export function isApplied(wantedAndMarked: KubernetesObject, found: KubernetesObject): boolean {
  const mark = wantedAndMarked.metadata.annotations?.[appliedAnnotation];
  if (mark === undefined || found.metadata.annotations?.[appliedAnnotation] !== mark) return false;
  const ours = found.metadata.managedFields?.find(({ manager, operation }) => manager === fieldManager && operation === 'Apply')?.fieldsV1;
  if (!ours) return false;
  const { apiVersion: _, kind: __, metadata, ...rest } = wantedAndMarked;
  const { labels, annotations, finalizers, ownerReferences } = metadata;
  return covers(ours as FieldSet, { metadata: { labels, annotations, finalizers, ownerReferences }, ...rest });
}

function covers(set: FieldSet, value: unknown): boolean {
  const entries = Object.entries(set).filter(([key]) => key !== '.');
  if (entries.length === 0) return true; // a value, or a list or map that is owned as a whole
  if (Array.isArray(value)) return value.every((item) => entries.some(([key, inner]) => isItem(key, item) && covers(inner, item)));
  if (typeof value !== 'object' || value === null) return false;
  const fields = Object.entries(value).filter(([, inner]) => inner !== undefined);
  return fields.every(([name, inner]) => set[`f:${name}`] !== undefined && covers(set[`f:${name}`]!, inner));
}

/** Whether `k:{"name":"main"}` or `v:"x"` means this item of a list. */
function isItem(key: string, item: unknown): boolean {
  if (key.startsWith('v:')) return canonical(JSON.parse(key.slice(2))) === canonical(item);
  if (!key.startsWith('k:') || typeof item !== 'object' || item === null) return false;
  const names = JSON.parse(key.slice(2)) as Record<string, unknown>;
  // A key that we leave out, like the protocol of a port, was filled in by the server.
  return Object.entries(names).every(
    ([name, value]) => (item as Record<string, unknown>)[name] === undefined || (item as Record<string, unknown>)[name] === value,
  );
}

/** Who has the field at this path now, besides us: the manager's name. `spec.hard` names a map, `spec.egress` a list. */
export function managerOf(found: KubernetesObject, path: readonly string[]): string | undefined {
  const others = found.metadata.managedFields?.filter(({ manager }) => manager !== fieldManager) ?? [];
  return others
    .filter(({ fieldsV1 }) => fieldsV1 && reaches(fieldsV1 as FieldSet, path))
    .sort((one, other) => (other.time ?? '').localeCompare(one.time ?? ''))[0]?.manager;
}

function reaches(set: FieldSet, [name, ...rest]: readonly string[]): boolean {
  if (name === undefined) return true;
  const inner = set[`f:${name}`];
  if (inner === undefined) return false;
  return Object.keys(inner).length === 0 || reaches(inner, rest);
}

/** JSON with sorted keys. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
