import type { KubernetesObject } from './cluster.js';
import { appliedAnnotation, FieldSets, isApplied, managerOf, marked, type FieldSet } from './managed-fields.js';

const wanted = (spec: object): KubernetesObject => ({ apiVersion: 'v1', kind: 'Thing', metadata: { name: 'x', labels: { a: 'b' } }, spec });
const meta: FieldSet = { 'f:annotations': { [`f:${appliedAnnotation}`]: {} }, 'f:labels': { 'f:a': {} } };

/** As the server has it after it was applied, with these fields in our name and those in another's. */
function found(applied: KubernetesObject, spec: FieldSet, others: FieldSet = {}): KubernetesObject {
  const object = marked(applied);
  const ours = { manager: 'sandlot', operation: 'Apply', fieldsV1: { 'f:metadata': meta, 'f:spec': spec } };
  const theirs = { manager: 'kubectl-edit', operation: 'Update', time: '2026-01-01T00:00:00Z', fieldsV1: { 'f:spec': others } };
  return { ...object, metadata: { ...object.metadata, managedFields: [ours, theirs] } };
}

describe('an object that was applied', () => {
  const thing = wanted({ size: 1, ports: [{ port: 80 }], tags: ['t'], rules: [{ any: true }] });
  const all: FieldSet = {
    'f:size': {},
    'f:ports': { '.': {}, 'k:{"port":80,"protocol":"TCP"}': { '.': {}, 'f:port': {} } },
    'f:tags': { 'v:"t"': {} },
    'f:rules': {},
  };

  it('is as it is wanted while every field of it is ours', () => {
    expect(isApplied(marked(thing), found(thing, all))).toBe(true);
  });

  it.each(Object.keys(all))('is not when somebody has taken %s from us', (field) => {
    const { [field]: _, ...rest } = all;
    expect(isApplied(marked(thing), found(thing, rest, { [field]: {} }))).toBe(false);
  });

  it('is not when something else is wanted by now, or it was never applied by us', () => {
    expect(isApplied(marked(wanted({ size: 2 })), found(thing, all))).toBe(false);
    expect(isApplied(marked(thing), thing)).toBe(false);
    expect(isApplied(marked(thing), marked(thing))).toBe(false);
  });

  it('has the same mark however its fields are ordered and whichever uid it is meant for', () => {
    const mark = (object: KubernetesObject) => marked(object).metadata.annotations?.[appliedAnnotation];
    expect(mark(wanted({ b: 1, a: 2 }))).toBe(mark(wanted({ a: 2, b: 1 })));
    expect(mark({ ...thing, metadata: { ...thing.metadata, uid: 'u' } })).toBe(mark(thing));
    expect(mark(wanted({ a: [1, 2] }))).not.toBe(mark(wanted({ a: [2, 1] })));
  });

  it('says who has a field now', () => {
    const edited = found(thing, {}, { 'f:hard': { 'f:cpu': {} }, 'f:rules': {} });
    expect(managerOf(edited, ['spec', 'hard', 'cpu'])).toBe('kubectl-edit');
    expect(managerOf(edited, ['spec', 'rules', '0', 'any'])).toBe('kubectl-edit');
    expect(managerOf(edited, ['spec', 'hard', 'memory'])).toBeUndefined();
  });
});

describe('what is kept of an object', () => {
  it('shares equal sets of fields, and leaves out whose only concern is the status', () => {
    const sets = new FieldSets();
    const received = (): KubernetesObject => ({
      apiVersion: 'v1',
      kind: 'Thing',
      metadata: {
        name: 'x',
        annotations: { 'kubectl.kubernetes.io/last-applied-configuration': '{}', kept: 'yes' },
        managedFields: [
          { manager: 'sandlot', operation: 'Apply', fieldsV1: { 'f:spec': {} } },
          { manager: 'kubelet', operation: 'Update', fieldsV1: { 'f:status': {} }, subresource: 'status' } as never,
        ],
      },
    });
    const [one, other] = [sets.slim(received()), sets.slim(received())];
    expect(one.metadata.managedFields).toEqual([{ manager: 'sandlot', operation: 'Apply', fieldsV1: { 'f:spec': {} } }]);
    expect(one.metadata.managedFields![0]!.fieldsV1).toBe(other.metadata.managedFields![0]!.fieldsV1);
    expect(one.metadata.annotations).toEqual({ kept: 'yes' });
  });

  it('shares what is the same in most namespaces', () => {
    const sets = new FieldSets();
    const policy = (): KubernetesObject => ({
      apiVersion: 'v1',
      kind: 'NetworkPolicy',
      metadata: { name: 'x' },
      spec: { a: [1] },
      status: {},
    });
    const [one, other] = [sets.slim(policy()), sets.slim(policy())];
    expect(one).toEqual({ apiVersion: 'v1', kind: 'NetworkPolicy', metadata: { name: 'x' }, spec: { a: [1] } });
    expect(one.spec).toBe(other.spec);
  });
});
