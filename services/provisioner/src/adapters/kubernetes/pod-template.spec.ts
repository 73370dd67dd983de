import { newId } from '@sandlot/kernel';
import type { SandboxSpec } from '@sandlot/contracts';
import { labelsOf } from './labels.js';
import { podTemplate } from './pod-template.js';
import { podSettings } from './testing/runtime-on.js';
import { volumeClaims } from './volume-claims.js';

const id = newId('sbx');
const owner = newId('usr');
const placed = (spec: Partial<SandboxSpec> = {}) => ({
  owner,
  username: 'alice',
  namespace: 'user-alice',
  name: 's1',
  spec: { image: 'acme/tool:1', ports: [{ name: 'api', port: 9000 }, { port: 3000 }], ...spec },
});
const podOf = (spec: Partial<SandboxSpec> = {}) => podTemplate(id, placed(spec), podSettings);
const containerOf = (spec: Partial<SandboxSpec> = {}) => podOf(spec).spec.containers[0]!;

describe('the pod of a sandbox', () => {
  it('S2-45 is as restricted Pod Security asks, with a read-only root, no token and no names of other services', () => {
    const { spec } = podOf();
    expect(spec).toMatchObject({
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      securityContext: { runAsNonRoot: true, runAsUser: 1000, runAsGroup: 1000, seccompProfile: { type: 'RuntimeDefault' } },
      containers: [
        {
          securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] }, readOnlyRootFilesystem: true },
          volumeMounts: [{ mountPath: '/workspace' }, { mountPath: '/tmp' }],
        },
      ],
    });
    expect(JSON.stringify(spec)).not.toMatch(/hostPath|hostNetwork|privileged/);
  });

  it('is relaxed by exactly what an operator has allowed for its image', () => {
    expect(containerOf({ relaxations: ['writable-root'] }).securityContext.readOnlyRootFilesystem).toBe(false);
    expect(podOf({ relaxations: ['writable-root'] }).spec.securityContext.runAsUser).toBe(1000);
    const asImage = podOf({ relaxations: ['image-user'] }).spec.securityContext;
    expect([asImage.runAsNonRoot, asImage.runAsUser]).toEqual([true, undefined]);
    expect(podOf({ relaxations: ['root'] }).spec.securityContext.runAsNonRoot).toBe(false);
  });

  it('S4-20 is ready when its default port answers, looked at every second', () => {
    expect(containerOf().readinessProbe).toMatchObject({ tcpSocket: { port: 9000 }, periodSeconds: 1 });
    expect(containerOf().ports.map(({ containerPort }) => containerPort)).toEqual([9000, 3000]);
  });

  it('S2-07 has the resources, the command, the place and the runtime class that were asked for, and none otherwise', () => {
    const spec = {
      command: ['run', '--fast'],
      resources: { requests: { cpu: '100m' }, limits: { cpu: '1', memory: '1Gi' } },
      nodeSelector: { disk: 'ssd' },
      tolerations: [{ key: 'gpu', operator: 'Exists' as const }],
      runtimeClassName: 'gvisor',
    };
    const pod = podOf(spec);
    expect(pod.spec).toMatchObject({ nodeSelector: spec.nodeSelector, tolerations: spec.tolerations, runtimeClassName: 'gvisor' });
    expect(pod.spec.containers[0]).toMatchObject({
      command: spec.command,
      resources: { requests: { cpu: '100m' }, limits: spec.resources.limits },
    });
    expect(Object.keys(podOf().spec)).not.toEqual(expect.arrayContaining(['nodeSelector', 'tolerations', 'runtimeClassName']));
    expect(containerOf().resources).toEqual({});
  });

  it('gives its environment literally, and passes on nothing of the platform', () => {
    const { env } = containerOf({ env: { GREETING: 'a $(HOME) b', SANDLOT_RUNTIME_PORT: '1' } });
    expect(env).toContainEqual({ name: 'GREETING', value: 'a $$(HOME) b' });
    expect(env.filter(({ name }) => name === 'SANDLOT_RUNTIME_PORT')).toEqual([{ name: 'SANDLOT_RUNTIME_PORT', value: '9000' }]);
    expect(env).toContainEqual({ name: 'SANDLOT_RUNTIME_PASS', value: 'GREETING' });
    expect(containerOf({ env: { HOME: '/x' } }).env.filter(({ name }) => name === 'HOME')).toEqual([{ name: 'HOME', value: '/x' }]);
  });

  it('S2-29 has secrets by reference only, as variables and as files', () => {
    const secrets = [
      { secretName: 'db', key: 'password', env: 'DB_PASSWORD' },
      { secretName: 'tls', mountPath: '/etc/tls' },
      { secretName: 'one', key: 'token', mountPath: '/etc/one' },
    ];
    const pod = podOf({ secrets });
    expect(pod.spec.containers[0]!.env).toContainEqual({
      name: 'DB_PASSWORD',
      valueFrom: { secretKeyRef: { name: 'db', key: 'password' } },
    });
    expect(pod.spec.containers[0]!.env).toContainEqual({ name: 'SANDLOT_RUNTIME_PASS', value: 'DB_PASSWORD' });
    expect(pod.spec.volumes.slice(2)).toEqual([
      { name: 'sandlot-secret-1', secret: { secretName: 'tls', defaultMode: 0o440 } },
      { name: 'sandlot-secret-2', secret: { secretName: 'one', defaultMode: 0o440, items: [{ key: 'token', path: 'token' }] } },
    ]);
    expect(pod.spec.containers[0]!.volumeMounts.slice(2)).toEqual([
      { name: 'sandlot-secret-1', mountPath: '/etc/tls', readOnly: true },
      { name: 'sandlot-secret-2', mountPath: '/etc/one', readOnly: true },
    ]);
  });

  it('S0-11 S0-49 sees its own part of a bucket, through the driver of the cluster', () => {
    const pod = podOf({ volumes: [{ name: 'big', mountPath: '/big', bucket: { bucketName: 'acme', prefix: 'alice/s1' } }] });
    expect(pod.metadata.annotations).toEqual({ 'gke-gcsfuse/volumes': 'true' });
    expect(pod.spec.volumes[2]).toMatchObject({
      csi: {
        driver: 'gcsfuse.csi.storage.gke.io',
        volumeAttributes: { bucketName: 'acme', mountOptions: expect.stringContaining('only-dir=alice/s1,') },
      },
    });
    expect(pod.spec.serviceAccountName).toBe('sandlot-sandbox');
  });

  it('lets the pause process collect orphans only where the image is known to need it', () => {
    expect(podOf().spec.shareProcessNamespace).toBe(false);
    expect(podOf({ image: podSettings.runtimeImage }).spec.shareProcessNamespace).toBe(true);
  });
});

describe('the labels of a sandbox', () => {
  it("are its user's and ours, and none of ours is its user's", () => {
    const labels = {
      team: 'red',
      'example.com/x': 'y',
      'sandlot.dev/sandbox-id': 'sbx_other',
      'agents.x-k8s.io/sandbox-name-hash': 'deadbeef',
      'extensions.agents.x-k8s.io/x': 'y',
      'app.kubernetes.io/managed-by': 'me',
      app: 'sandbox-router',
    };
    expect(labelsOf(id, placed({ labels }))).toEqual({
      team: 'red',
      'example.com/x': 'y',
      'app.kubernetes.io/name': 'sandbox',
      'app.kubernetes.io/instance': 's1',
      'app.kubernetes.io/managed-by': 'sandlot',
      'sandlot.dev/sandbox-id': id,
      'sandlot.dev/owner': owner,
      'sandlot.dev/sandbox': 's1',
      user: 'alice',
    });
  });
});

describe('the volume claims of a sandbox', () => {
  const claimsOf = (spec: Partial<SandboxSpec>, storageClass?: string) =>
    volumeClaims(id, placed(spec), { disk: '1Gi', ...(storageClass && { storageClass }) });

  it('S2-04 S2-26 S2-27 are its work folder and each that it asked for, of the class that was named, of ours, or of the default one', () => {
    const claim = { size: '5Gi', onDelete: 'keep' as const };
    const volumes = [
      { name: 'data', mountPath: '/data', claim },
      { name: 'fast', mountPath: '/fast', claim: { ...claim, storageClassName: 'ssd' } },
    ];
    const seen = (claims: ReturnType<typeof claimsOf>) =>
      claims.map(({ metadata, spec }) => [metadata.name, (spec as { storageClassName?: string }).storageClassName]);
    expect(seen(claimsOf({ volumes }))).toEqual([['s1', undefined], ['s1.data', undefined], ['s1.fast', 'ssd']]); // prettier-ignore
    expect(seen(claimsOf({ volumes }, 'ours'))).toEqual([['s1', 'ours'], ['s1.data', 'ours'], ['s1.fast', 'ssd']]); // prettier-ignore
  });

  it('never have the name of those of another sandbox', () => {
    const claim = { size: '1Gi', onDelete: 'delete' as const };
    const of = (name: string, volume: string) =>
      volumeClaims(id, { ...placed({ volumes: [{ name: volume, mountPath: '/x', claim }] }), name }, { disk: '1Gi' }).map(
        ({ metadata }) => metadata.name,
      );
    expect(new Set([...of('s1', 'a-b'), ...of('s1-a', 'b')]).size).toBe(4);
  });
});
