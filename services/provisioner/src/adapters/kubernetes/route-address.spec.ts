import type { Pod } from './pod.js';
import { addressesOf } from './route-address.js';
import { statefulSet } from './statefulset.js';

const workload = { apiVersion: 'apps/v1', kind: 'StatefulSet', metadata: { name: 's1', namespace: 'user-alice' } };
const pod = (podIP: string): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 's1-0', namespace: 'user-alice' },
  spec: {
    containers: [
      { name: 'istio-proxy', ports: [{ containerPort: 15090 }] },
      { name: 'sandbox', ports: [{ containerPort: 8888 }, { name: 'docs', containerPort: 3000 }] },
    ],
  },
  status: { podIP },
});

describe('S4-17 where a sandbox answers', () => {
  it('is at its pod’s IP, on each port that it has declared', () =>
    expect(addressesOf(statefulSet, workload, pod('10.0.0.7'), 'pod-ip')).toEqual([
      { port: 8888, address: '10.0.0.7:8888' },
      { name: 'docs', port: 3000, address: '10.0.0.7:3000' },
    ]));

  it('is in brackets where that is one of version 6', () =>
    expect(addressesOf(statefulSet, workload, pod('fd00::7'), 'pod-ip')[0]).toEqual({ port: 8888, address: '[fd00::7]:8888' }));

  it('is at its Service’s name, whatever the pod’s IP', () =>
    expect(addressesOf(statefulSet, workload, pod('10.0.0.7'), 'service')[0]).toEqual({
      port: 8888,
      address: 's1-0.s1.user-alice.svc:8888',
    }));
});
