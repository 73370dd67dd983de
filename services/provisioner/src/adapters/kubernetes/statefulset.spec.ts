import { newId } from '@sandlot/kernel';
import type { SandboxPlace } from '../../ports.js';
import { statefulSet } from './statefulset.js';
import { podSettings } from './testing/runtime-on.js';

const id = newId('sbx');
const spec = {
  image: 'runtime:1',
  ports: [{ port: 8080 }, { name: 'docs', port: 3000 }, { name: 'api', port: 50051, protocol: 'h2c' as const }],
};
const place: SandboxPlace = { owner: newId('usr'), username: 'alice', namespace: 'user-alice', name: 's1', spec };

describe('a sandbox as a StatefulSet', () => {
  const [service, workload] = statefulSet.objects(id, place, podSettings, true);

  it('S2-01 S2-05 is one pod with a name that stays the same', () => {
    expect(workload).toMatchObject({
      kind: 'StatefulSet',
      metadata: { name: 's1', namespace: 'user-alice' },
      spec: { replicas: 1, serviceName: 's1' },
    });
    expect(statefulSet.serviceHost(workload!)).toBe('s1-0.s1.user-alice.svc');
  });

  it('S2-08 has a Service for each of its ports, within the cluster alone', () =>
    expect(service).toMatchObject({
      kind: 'Service',
      metadata: { name: 's1', namespace: 'user-alice' },
      spec: {
        clusterIP: 'None',
        ports: [
          { name: 'port-8080', port: 8080, protocol: 'TCP' },
          { name: 'docs', port: 3000, protocol: 'TCP' },
          { name: 'api', port: 50051, protocol: 'TCP', appProtocol: 'kubernetes.io/h2c' },
        ],
      },
    }));

  it('S0-30 S2-25 is paused as none, and nothing else of it changes', () => {
    const [, paused] = statefulSet.objects(id, place, podSettings, false);
    expect(paused).toEqual({ ...workload, spec: { ...(workload as unknown as { spec: object }).spec, replicas: 0 } });
    expect(statefulSet.scale(false)).toEqual({ spec: { replicas: 0 } });
  });
});
