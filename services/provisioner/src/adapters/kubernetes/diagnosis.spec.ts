import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { advice, refusal, troubleOf, volumesAwaitedUntil, type Circumstances, type FailureReason, type Warning } from './diagnosis.js';
import { isReady, type Pod } from './pod.js';

const pod = (status: Pod['status'] = {}, metadata: Partial<Pod['metadata']> = {}): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 's1-0', namespace: 'user-alice', uid: 'pod', ...metadata },
  spec: { nodeName: 'node1' },
  status: { phase: 'Pending', ...status },
});
const waiting = (reason: string, message = 'because') =>
  pod({ containerStatuses: [{ name: 'sandbox', ready: false, restartCount: 0, state: { waiting: { reason, message } } }] });
const warning = (uid: string, reason: string, message: string): Warning => ({
  apiVersion: 'v1',
  kind: 'Event',
  metadata: { name: 'e' },
  involvedObject: { uid },
  reason,
  message,
});
const claim = { apiVersion: 'v1', kind: 'PersistentVolumeClaim', metadata: { name: 's1', uid: 'claim' }, status: { phase: 'Pending' } };
const unschedulable = (message: string) =>
  pod({ conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }] });
const disrupted = (reason: string) =>
  pod(
    { phase: 'Running', conditions: [{ type: 'DisruptionTarget', status: 'True', reason, message: 'why' }] },
    { deletionTimestamp: 'now' },
  );
const look = (circumstances: Partial<Circumstances>) =>
  troubleOf({ complaint: undefined, pod: undefined, claims: [], warnings: [], workload: 'w', ...circumstances });
const terminated = { exitCode: 1, startedAt: '2026-01-01T00:00:00Z', finishedAt: '2026-01-01T00:00:05Z' };

describe('why a sandbox does not run', () => {
  it.each<[FailureReason, string, Partial<Circumstances>, RegExp]>([
    ['IMAGE_PULL_FAILED', 'cannot be pulled', { pod: waiting('ErrImagePull', 'not found') }, /^ErrImagePull: not found;/],
    [
      'IMAGE_PULL_FAILED',
      'is still not pulled: the first failure says more',
      { pod: waiting('ImagePullBackOff', 'Back-off pulling image'), warnings: [warning('pod', 'Failed', 'Failed to pull image: 401')] },
      /^ImagePullBackOff: Failed to pull image: 401;/,
    ],
    ['IMAGE_PULL_FAILED', 'has a name that is none', { pod: waiting('InvalidImageName') }, /^InvalidImageName/],
    [
      'CONTAINER_CONFIG_INVALID',
      'refers to no secret',
      { pod: waiting('CreateContainerConfigError', 'secret "db" not found') },
      /secret "db" not found/,
    ],
    ['CONTAINER_NOT_STARTED', 'has no such command', { pod: waiting('RunContainerError', 'no such file') }, /no such file/],
    [
      'VOLUME_NOT_MOUNTED',
      'cannot mount',
      { pod: waiting('ContainerCreating'), warnings: [warning('pod', 'FailedMount', 'secret "tls" not found')] },
      /^secret "tls" not found;/,
    ],
    [
      'UNSCHEDULABLE',
      'finds no node',
      { pod: unschedulable('0/3 nodes are available: 3 Insufficient cpu.') },
      /^0\/3 nodes .* Insufficient cpu;/,
    ],
    [
      'VOLUME_PENDING',
      'has no volume yet',
      { pod: unschedulable('pod has unbound immediate PersistentVolumeClaims'), claims: [claim] },
      /unbound immediate PersistentVolumeClaims/,
    ],
    [
      'VOLUME_PENDING',
      'has a storage class that does not exist',
      {
        pod: unschedulable('pod has unbound immediate PersistentVolumeClaims'),
        claims: [claim],
        warnings: [warning('claim', 'ProvisioningFailed', 'storageclass "x" not found')],
      },
      /^storageclass "x" not found;/,
    ],
    [
      'EVICTED',
      'was evicted by its node',
      { pod: pod({ phase: 'Failed', reason: 'Evicted', message: 'low on memory' }) },
      /^low on memory;/,
    ],
    ['EVICTED', 'is drained', { pod: disrupted('EvictionByEvictionAPI') }, /^EvictionByEvictionAPI: why;/],
    ['PREEMPTED', 'makes room', { pod: disrupted('PreemptionByScheduler') }, /why/],
    [
      'POD_FAILED',
      'was refused by its node',
      { pod: pod({ phase: 'Failed', reason: 'NodeAffinity', message: 'no match' }) },
      /^NodeAffinity: no match;/,
    ],
    [
      'EVICTED',
      'was evicted, and is being replaced',
      { pod: pod({ phase: 'Failed', reason: 'Evicted', message: 'low' }, { deletionTimestamp: 'now' }) },
      /^low;/,
    ],
    [
      'POD_VANISHED',
      'is deleted by somebody',
      { pod: pod({ phase: 'Running' }, { deletionTimestamp: 'now', finalizers: ['x/y'] }) },
      /finalizers x\/y/,
    ],
    ['QUOTA_REFUSED', 'has no room', { warnings: [warning('w', 'FailedCreate', 'forbidden: exceeded quota: sandlot')] }, /exceeded quota/],
    [
      'QUOTA_REFUSED',
      'has no room, as the controller says',
      { complaint: 'Error seen: pods "s1" is forbidden: exceeded quota: q' },
      /exceeded/,
    ],
    ['ADMISSION_REFUSED', 'is not let in', { complaint: 'admission webhook "x" denied the request: no' }, /denied the request/],
    ['NAMESPACE_TERMINATING', 'has a namespace that ends', { complaint: 'unable to create: namespace is being terminated' }, /finalizers/],
    ['POD_REFUSED', 'is not made', { complaint: 'something else' }, /^something else; it is tried again/],
  ])('%s: it %s', (reason, _, circumstances, words) => {
    const trouble = look(circumstances);
    expect(trouble).toMatchObject({ failed: true, reason });
    expect(trouble.message).toMatch(words);
    expect(trouble.message).toContain(advice[reason]);
  });

  it.each([
    ['RUNTIME_CRASHED', 1, terminated],
    ['CRASH_LOOP', 5, terminated],
    ['RUNTIME_CRASHED', 5, { ...terminated, finishedAt: '2026-01-01T01:00:00Z' }],
    ['OUT_OF_MEMORY', 1, { ...terminated, reason: 'OOMKilled' }],
  ])('%s: it has ended %d times', (reason, restartCount, last) => {
    const container = { name: 'sandbox', ready: false, restartCount, lastState: { terminated: last } };
    const again = { ...container, state: { running: {} } };
    const resting = { ...container, state: { waiting: { reason: 'CrashLoopBackOff' } } };
    for (const each of [again, resting])
      expect(look({ pod: pod({ phase: 'Running', containerStatuses: [each] }) })).toMatchObject({ failed: true, reason });
  });

  it('NODE_LOST: nothing is heard from its node, which says nothing of the container', () => {
    const container = { name: 'sandbox', ready: true, restartCount: 0, state: { running: {} } };
    const conditions = [{ type: 'Ready', status: 'False' as const }];
    expect(look({ pod: pod({ phase: 'Running', conditions, containerStatuses: [container] }) })).toMatchObject({
      failed: true,
      reason: 'NODE_LOST',
    });
    const ownFault = { ...container, ready: false };
    expect(look({ pod: pod({ phase: 'Running', conditions, containerStatuses: [ownFault] }) })).toMatchObject({
      failed: false,
      reason: 'NOT_READY',
    });
  });

  it('is no failure while it is on its way', () => {
    expect(look({ pod: pod() })).toMatchObject({ failed: false });
    expect(look({ pod: waiting('ContainerCreating') })).toMatchObject({ failed: false });
    expect(look({})).toMatchObject({ failed: false, reason: 'POD_VANISHED' });
    expect(look({ warnings: [warning('w', 'FailedCreate', 'status unknown for quota: sandlot')] })).toMatchObject({ failed: false });
  });

  it('is not that the API server has not heard yet which node it is on', () => {
    const words = 'persistentvolumeclaims "s1" is forbidden: no relationship found between node \'n1\' and this object';
    const trouble = look({ pod: waiting('ContainerCreating'), warnings: [warning('pod', 'FailedMount', words)] });
    expect(trouble.failed).toBe(false);
  });

  it('is not told from what the cluster says of something else', () => {
    expect(look({ warnings: [warning('other', 'FailedCreate', 'exceeded quota')] })).toMatchObject({ failed: false });
    expect(look({ pod: pod(), warnings: [warning('former', 'FailedMount', 'x')] })).toMatchObject({ failed: false });
  });

  it('is told in at most as many words as anybody reads', () => {
    expect(refusal(`denied: ${'x'.repeat(5_000)}`).message.length).toBeLessThan(1_200);
  });
});

describe('a volume that is not there yet', () => {
  const made = (more: object) => ({ ...claim, metadata: { ...claim.metadata, creationTimestamp: '2026-01-01T00:00:00Z' }, ...more });
  const ofClass = made({ spec: { storageClassName: 'standard' } });

  const words = 'pod has unbound immediate PersistentVolumeClaims';
  const awaited = Date.parse('2026-01-01T00:00:20Z');

  it.each([
    ['it was asked for', ofClass],
    ['it was made, of which the scheduler may not have heard', made({ status: { phase: 'Bound' } })],
  ])('is awaited for a while after %s', (_, one) => expect(volumesAwaitedUntil({ claims: [one], warnings: [] }, words)).toBe(awaited));

  it.each([
    ['nobody is asked to make it', { claims: [made({})], warnings: [] }, words],
    ['it cannot be made', { claims: [ofClass], warnings: [warning('claim', 'ProvisioningFailed', 'no space')] }, words],
    ['it is somewhere else', { claims: [ofClass], warnings: [] }, '1 node(s) had volume node affinity conflict'],
  ])('is not awaited when %s', (_, circumstances, said) => expect(volumesAwaitedUntil(circumstances, said)).toBeUndefined());
});

describe('S4-20 a pod is ready', () => {
  const conditions = [{ type: 'Ready', status: 'True' as const }];
  it('only when it runs, answers, has an address and is not being deleted', () => {
    const ready = { phase: 'Running' as const, podIP: '10.0.0.1', conditions };
    expect(isReady(pod(ready))).toBe(true);
    expect(isReady(pod(ready, { deletionTimestamp: 'now' }))).toBe(false);
    expect(isReady(pod({ ...ready, podIP: '' }))).toBe(false);
    expect(isReady(pod({ ...ready, phase: 'Failed' }))).toBe(false);
    expect(isReady(pod({ ...ready, conditions: [{ type: 'Ready', status: 'False' }] }))).toBe(false);
  });
});

it('every reason is in the reference', () => {
  const reference = readFileSync(join(import.meta.dirname, '../../../../../docs/reference/sandbox-failures.md'), 'utf8');
  const documented = [...reference.matchAll(/^\| `([A-Z_]+)`/gm)].map(([, reason]) => reason);
  expect(documented).toEqual(expect.arrayContaining(Object.keys(advice)));
});
