import type { KubernetesObject } from './cluster.js';
import { terminating } from './namespace.js';

const going = (conditions: { type: string; message: string; status?: string }[], finalizers?: string[]): KubernetesObject => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name: 'user-alice', deletionTimestamp: '2026-11-21T12:00:00Z', ...(finalizers && { finalizers }) },
  status: { phase: 'Terminating', conditions: conditions.map((condition) => ({ status: 'True', ...condition })) },
});
const finalizersRemain = (message: string) => ({
  type: 'NamespaceFinalizersRemaining',
  message: `Some content in the namespace has finalizers remaining: ${message}`,
});

describe('a namespace that is being deleted', () => {
  it.each([
    ['while its pods end', going([{ type: 'NamespaceContentRemaining', message: 'pods. has 1 resource instances' }])],
    ['while Kubernetes itself holds its volumes', going([finalizersRemain('kubernetes.io/pvc-protection in 2 resource instances')])],
    ['when a trouble is over', going([{ ...finalizersRemain('example.com/x in 1 resource instances'), status: 'False' }])],
  ])('just goes %s', (_, namespace) => {
    expect(terminating(namespace).reason).toBe('NAMESPACE_TERMINATING');
  });

  it.each([
    [
      'a finalizer of something in it',
      going([finalizersRemain('kubernetes.io/pvc-protection in 1 resource instances, example.com/x in 1 resource instances')]),
      'example.com/x',
    ],
    ['a finalizer of its own', going([], ['example.com/y']), 'held by example.com/y'],
    [
      'an API that is gone',
      going([{ type: 'NamespaceDeletionDiscoveryFailure', message: 'metrics.k8s.io/v1beta1: stale GroupVersion' }]),
      'stale GroupVersion',
    ],
  ])('is stuck by %s, and says so in the words of the cluster', (_, namespace, words) => {
    expect(terminating(namespace).reason).toBe('NAMESPACE_STUCK');
    expect(terminating(namespace).message).toContain(words);
  });
});
