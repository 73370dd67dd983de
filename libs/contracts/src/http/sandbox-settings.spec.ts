import type { z } from 'zod';
import { provisionerMessages } from '../index.js';
import { CreateSandboxBody } from './sandboxes.js';

/** Where it is at fault, as the edge tells it. */
const faults = (settings: object): string[] =>
  CreateSandboxBody.safeParse({ name: 's1', ...settings }).error?.issues.map(({ path, code, ...issue }) =>
    [...path, ...(code === 'unrecognized_keys' ? (issue as unknown as { keys: string[] }).keys : [])].join('/'),
  ) ?? [];

const everything = {
  image: 'ghcr.io/acme/tools:1@sha256:0123',
  command: ['node', 'server.js'],
  env: { EDITOR: 'vi', http_proxy: '' },
  ports: [{ name: 'http', port: 8888 }, { port: 3000 }],
  resources: { requests: { cpu: '250m', memory: '256Mi' }, limits: { cpu: '1', memory: '1Gi' }, disk: '2Gi' },
  labels: { team: 'search', 'acme.example/cost-centre': '17' },
  nodeSelector: { 'kubernetes.io/arch': 'arm64' },
  tolerations: [{ key: 'gpu', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 60 }],
  runtimeClassName: 'gvisor',
  volumes: [
    { name: 'data', mountPath: '/data', claim: { storageClassName: 'fast', size: '10Gi', onDelete: 'keep' } },
    { name: 'models', mountPath: '/models', readOnly: true, bucket: { bucketName: 'acme-models' } },
  ],
  secrets: [
    { secretName: 'api', key: 'token', env: 'API_TOKEN' },
    { secretName: 'certs', mountPath: '/certs' },
  ],
};

describe("a sandbox's settings", () => {
  it('can be had all at once', () => {
    expect(faults(everything)).toEqual([]);
    expect(CreateSandboxBody.parse({ name: 's1' }).ports).toEqual([{ port: 8888 }]);
  });

  it.each([
    [{ image: 'has space' }, 'image'],
    [{ command: [] }, 'command'],
    [{ command: ['a\0b'] }, 'command/0'],
    [{ env: { '1A': 'x' } }, 'env/1A'],
    [{ env: { 'A-B': 'x' } }, 'env/A-B'],
    [{ env: { SANDLOT_RUNTIME_PORT: '1' } }, 'env/SANDLOT_RUNTIME_PORT'],
    [{ env: { A: 1 } }, 'env/A'],
    [{ env: { A: 'a\0b' } }, 'env/A'],
    [{ ports: [{ port: 80 }, { port: 80 }] }, 'ports/1/port'],
    [
      {
        ports: [
          { name: 'a', port: 80 },
          { name: 'a', port: 81 },
        ],
      },
      'ports/1/name',
    ],
    [{ ports: [{ port: 80, protocol: 'UDP' }] }, 'ports/0/protocol'],
    [{ resources: { limits: { cpu: '0' } } }, 'resources/limits/cpu'],
    [{ resources: { limits: { memory: '512m' } } }, 'resources/limits/memory'],
    [{ resources: { limits: { memory: '1Ki' } } }, 'resources/limits/memory'],
    [{ resources: { limits: { gpu: '1' } } }, 'resources/limits/gpu'],
    [{ resources: { requests: { cpu: '2' }, limits: { cpu: '1500m' } } }, 'resources/requests/cpu'],
    [{ resources: { requests: { memory: '1Gi' }, limits: { memory: '1023Mi' } } }, 'resources/requests/memory'],
    [{ resources: { disk: 'much' } }, 'resources/disk'],
    [{ nodeSelector: { 'a b': 'x' } }, 'nodeSelector/a b'],
    [{ nodeSelector: { a: '-x' } }, 'nodeSelector/a'],
    [{ tolerations: [{ effect: 'NoSchedule' }] }, 'tolerations/0/operator'],
    [{ tolerations: [{ key: 'a', operator: 'Exists', value: 'b' }] }, 'tolerations/0/value'],
    [{ tolerations: [{ key: 'a', effect: 'NoSchedule', tolerationSeconds: 1 }] }, 'tolerations/0/tolerationSeconds'],
    [{ runtimeClassName: 'gVisor' }, 'runtimeClassName'],
    [{ volumes: [{ name: 'data', mountPath: '/data' }] }, 'volumes/0/claim'],
    [{ volumes: [{ name: 'sandlot-work', mountPath: '/data', claim: { size: '1Gi' } }] }, 'volumes/0/name'],
    [{ volumes: [{ name: 'data', mountPath: 'data', claim: { size: '1Gi' } }] }, 'volumes/0/mountPath'],
    [{ volumes: [{ name: 'data', mountPath: '/data/../etc', claim: { size: '1Gi' } }] }, 'volumes/0/mountPath'],
    [{ volumes: [{ name: 'data', mountPath: '/proc/x', claim: { size: '1Gi' } }] }, 'volumes/0/mountPath'],
    [{ volumes: [{ name: 'data', mountPath: '/data', bucket: { bucketName: 'b-1', prefix: 'bob/s1' } }] }, 'volumes/0/bucket/prefix'],
    [{ secrets: [{ secretName: 'a' }] }, 'secrets/0/env'],
    [{ secrets: [{ secretName: 'a', env: 'A' }] }, 'secrets/0/key'],
    [{ secrets: [{ secretName: 'a', key: 'k', env: 'A', mountPath: '/a' }] }, 'secrets/0/mountPath'],
    [{ secrets: [{ secretName: 'a', key: 'k', env: 'A', value: 'hunter2' }] }, 'secrets/0/value'],
    [{ env: { A: 'x' }, secrets: [{ secretName: 'a', key: 'k', env: 'A' }] }, 'secrets/0/env'],
    [{ relaxations: ['root'] }, 'relaxations'],
    [{ securityContext: {} }, 'securityContext'],
  ])('are refused by the name of the field at fault: %j', (settings, field) => expect(faults(settings)).toEqual([field]));

  it.each([
    'user', 'app', 'sandlot.dev/owner', 'x.sandlot.dev/y', 'agents.x-k8s.io/adoptable', 'extensions.agents.x-k8s.io/a', 'app.kubernetes.io/managed-by',
    'kubernetes.io/metadata.name', 'pod-security.kubernetes.io/enforce', 'k8s.io/a',
  ])('have no label that is the platform’s or the cluster’s own: %s', (key) => expect(faults({ labels: { [key]: 'x' } })).toEqual([`labels/${key}`])); // prettier-ignore

  it('fit into the log', () => {
    const env = Object.fromEntries(Array.from({ length: 8 }, (_, index) => [`BIG_${index}`, 'x'.repeat(4_000)]));
    const { error } = CreateSandboxBody.safeParse({ name: 's1', env });
    expect(error?.issues.map(({ message }) => message)).toEqual([expect.stringMatching(/take \d+ bytes and may take 16384/)]);
  });

  it('are checked by the provisioner too', () => {
    const message = provisionerMessages.RequestSandbox.request as z.ZodObject;
    expect(Object.keys(message.shape)).toEqual(expect.arrayContaining(Object.keys(everything)));
  });
});
