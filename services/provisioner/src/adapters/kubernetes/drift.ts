import { sameQuantity } from '@sandlot/contracts';
import type { FoundDrift } from '../../ports.js';
import type { KubernetesObject } from './cluster.js';
import { appliedAnnotation, canonical, isApplied, managerOf, marked } from './managed-fields.js';

const shownAtMost = 500;

export type Inspection = { state: 'as-wanted' } | { state: 'outdated' } | { state: 'drifted'; drift: FoundDrift };

/** Whether an object is as it was last applied, is still to be brought up to date, or was changed by somebody else. */
export function inspect(wanted: KubernetesObject, found: KubernetesObject | undefined): Inspection {
  const object = `${wanted.kind}/${wanted.metadata.name}`;
  if (!found) return { state: 'drifted', drift: { object, revision: '', missing: true, differences: [{ path: '' }] } };
  const withMark = marked(wanted);
  if (isApplied(withMark, found)) return { state: 'as-wanted' };
  const mark = found.metadata.annotations?.[appliedAnnotation];
  if (mark !== undefined && mark !== withMark.metadata.annotations?.[appliedAnnotation]) return { state: 'outdated' };
  const differences = differencesOf(wanted, found);
  if (differences.length === 0) return { state: 'outdated' }; // the same values, which somebody else has set
  const fieldManager = differences.map(({ path }) => managerOf(found, path)).find((manager) => manager !== undefined);
  return {
    state: 'drifted',
    drift: {
      object,
      revision: `${found.metadata.uid}@${found.metadata.resourceVersion}`,
      missing: false,
      differences: differences.map(({ path, ...values }) => ({ path: path.join('.'), ...values })),
      ...(fieldManager !== undefined && { fieldManager }),
    },
  };
}

interface Difference {
  path: string[];
  found?: string;
  wanted?: string;
}

/** Where what is found is not what is wanted. What the server or others have besides it does not count; a list counts as a whole. */
export function differencesOf(wanted: KubernetesObject, found: KubernetesObject): Difference[] {
  const { apiVersion: _, kind: __, metadata, ...rest } = wanted;
  const { labels, annotations } = metadata;
  const fields = { metadata: { ...(labels && { labels }), ...(annotations && { annotations }) }, ...rest };
  return Object.entries(fields).flatMap(([name, value]) => (isEmpty(value) ? [] : compare(value, found[name], [name])));
}

function compare(wanted: unknown, found: unknown, path: string[]): Difference[] {
  if (isMap(wanted) && isMap(found) && Object.keys(wanted).length > 0)
    return Object.entries(wanted).flatMap(([name, value]) => compare(value, found[name], [...path, name]));
  if (same(wanted, found)) return [];
  return [{ path, ...(found !== undefined && { found: shown(found) }), wanted: shown(wanted) }];
}

/** Equal but for what the server has filled in. Nothing and an empty list or map are the same to it. */
function same(wanted: unknown, found: unknown): boolean {
  if (isEmpty(wanted)) return found === undefined || found === null || isEmpty(found);
  if (Array.isArray(wanted))
    return Array.isArray(found) && wanted.length === found.length && wanted.every((item, index) => same(item, found[index]));
  if (isMap(wanted)) return isMap(found) && Object.entries(wanted).every(([name, value]) => same(value, found[name]));
  return wanted === found || (typeof wanted === 'string' && typeof found === 'string' && sameQuantity(wanted, found));
}

const isMap = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
const isEmpty = (value: unknown) => typeof value === 'object' && value !== null && Object.keys(value).length === 0;

function shown(value: unknown): string {
  const text = canonical(value);
  return text.length > shownAtMost ? `${text.slice(0, shownAtMost)}…` : text;
}
