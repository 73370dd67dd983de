import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { describeUnless, waitFor } from '@sandlot/testing';
import { platformImage, sandboxImage, startCluster, whyNoNode, type Image, type KubernetesObject, type TestCluster } from './index.js';

const pods = '/api/v1/namespaces/default/pods';

/** As restricted as the Pod Security standard asks for. */
const sandboxPod = ({ name: image }: Image, name: string) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name },
  spec: {
    automountServiceAccountToken: false,
    securityContext: { runAsNonRoot: true, runAsUser: 1000, runAsGroup: 1000, seccompProfile: { type: 'RuntimeDefault' } },
    terminationGracePeriodSeconds: 2,
    volumes: [
      { name: 'work', persistentVolumeClaim: { claimName: 'work' } },
      { name: 'tmp', emptyDir: {} },
    ],
    containers: [
      {
        name: 'sandbox',
        image,
        imagePullPolicy: 'Never',
        securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
        readinessProbe: { httpGet: { path: '/health', port: 8888 }, periodSeconds: 1 },
        volumeMounts: [
          { name: 'work', mountPath: '/workspace' },
          { name: 'tmp', mountPath: '/tmp' },
        ],
      },
    ],
  },
});

describeUnless(whyNoNode())('a cluster with a node', () => {
  let cluster: TestCluster;
  let image: Image;
  beforeAll(async () => {
    cluster = await startCluster({ node: true });
    image = await sandboxImage();
    await cluster.loadImage(image);
    await cluster.kubectl('label', 'namespace', 'default', 'pod-security.kubernetes.io/enforce=restricted');
    await cluster.request('POST', '/api/v1/namespaces/default/persistentvolumeclaims', {
      apiVersion: 'v1',
      kind: 'PersistentVolumeClaim',
      metadata: { name: 'work' },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
    });
  }, 180_000);

  const ready = async (name: string): Promise<string> => {
    const { status } = await waitFor(
      () => cluster.request('GET', `${pods}/${name}`),
      { within: 60_000, describe: `the pod ${name} to be ready` },
      (pod: KubernetesObject) =>
        pod.status.conditions?.some((one: { type: string; status: string }) => one.type === 'Ready' && one.status === 'True'),
    );
    return `http://${status.podIP}:8888`;
  };
  const execute = async (url: string, command: string) => {
    const answer = await fetch(`${url}/execute`, {
      method: 'POST',
      body: JSON.stringify({ command }),
      headers: { 'content-type': 'application/json' },
    });
    return answer.json();
  };

  it('runs the sandbox image under restricted Pod Security, and it answers', async () => {
    await cluster.request('POST', pods, sandboxPod(image, 'p1'));
    const url = await ready('p1');
    expect(await execute(url, 'echo kept > file; id -u; touch /etc/no; ls /tmp | wc -l')).toEqual({
      stdout: '1000\n0\n',
      stderr: expect.stringContaining('Read-only file system'),
      exit_code: 0,
    });
    expect(await cluster.kubectl('exec', 'p1', '--', 'cat', '/workspace/file')).toBe('kept\n');
    expect(await cluster.kubectl('logs', 'p1')).toContain('"listening"');
  }, 90_000);

  it('keeps what is on a volume for the next pod, and removes it with the claim', async () => {
    await cluster.kubectl('delete', 'pod', 'p1');
    await cluster.request('POST', pods, sandboxPod(image, 'p2'));
    expect(await execute(await ready('p2'), 'cat file')).toMatchObject({ stdout: 'kept\n' });
    await cluster.kubectl('delete', 'pod', 'p2');
    await cluster.kubectl('delete', 'persistentvolumeclaim', 'work');
    await waitFor(async () => (await cluster.request('GET', '/api/v1/persistentvolumes')).items.length === 0, {
      describe: 'the volume to go',
    });
  }, 120_000);

  it('has a kubelet that can be lost and comes back', async () => {
    const askKubelet = () => cluster.kubectl('get', '--raw', '/api/v1/nodes/node1/proxy/healthz', '--request-timeout=1s');
    expect(await askKubelet()).toBe('ok');
    await cluster.node?.freeze();
    await expect(askKubelet()).rejects.toThrow('kubectl get --raw');
    await cluster.node?.thaw();
    expect(await waitFor(askKubelet)).toBe('ok');
  }, 60_000);

  it('has every service in the platform image, with all that it imports', async () => {
    const { name: platform, ...rest } = await platformImage();
    await cluster.loadImage({ name: platform, ...rest });
    const program = `for (const name of ['auth', 'provisioner', 'audit', 'gateway', 'proxy', 'standalone']) await import('@sandlot/' + name)`;
    const { spec } = sandboxPod({ ...image, name: platform }, 'services');
    const { volumeMounts: _mounts, readinessProbe: _probe, ...container } = spec.containers[0] as NonNullable<(typeof spec.containers)[0]>;
    const command = ['/usr/local/bin/node', '--input-type=module', '--eval', program];
    await cluster.request('POST', pods, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'services' },
      spec: { ...spec, restartPolicy: 'Never', volumes: [], containers: [{ ...container, command }] },
    });
    const ended = await waitFor(
      () => cluster.request('GET', `${pods}/services`),
      { within: 60_000, describe: 'the pod to end' },
      ({ status }) => ['Succeeded', 'Failed'].includes(status.phase),
    );
    expect([ended.status.phase, await cluster.kubectl('logs', 'services')]).toEqual(['Succeeded', '']);
  }, 120_000);

  it('leaves nothing behind, with a pod running', async () => {
    const other = await startCluster({ node: true }); // two at once
    const dir = dirname(other.kubeconfigPath);
    await other.loadImage(image);
    const { spec } = sandboxPod(image, 'p');
    const { volumeMounts: _mounts, ...container } = spec.containers[0] as NonNullable<(typeof spec.containers)[0]>;
    await other.request('POST', pods, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'p' },
      spec: { ...spec, volumes: [], containers: [container] },
    });
    const { status } = await waitFor(
      () => other.request('GET', `${pods}/p`),
      { within: 60_000 },
      (pod) => pod.status.phase === 'Running',
    );
    const bridge = `sandlottb${(status.podIP as string).split('.')[2]}`;
    expect(traces(dir, bridge)).toEqual(expect.arrayContaining([bridge, expect.stringMatching(/^veth/), expect.stringMatching(/cgroup/)]));
    await other.stop();
    expect(traces(dir, bridge)).toEqual([]);
    expect(existsSync(dir)).toBe(false);
    expect(execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' })).not.toContain(basename(dir));
    expect((await cluster.request('GET', '/api/v1/nodes/node1')).metadata.name).toBe('node1');
  }, 180_000);
});

/** What the node of one cluster makes outside its folder. Others may be at work on this machine. */
function traces(dir: string, bridge: string): string[] {
  const lines = (file: string, ...args: string[]) => execFileSync(file, args, { encoding: 'utf8' }).trim().split('\n');
  const interfaces = lines('ip', '-o', 'link').filter((line) => line.includes(`: ${bridge}:`) || line.includes(` master ${bridge} `));
  const mounts = lines('cat', '/proc/mounts').map((line) => line.split(' ')[1] ?? '');
  const cgroups = lines('find', '/sys/fs/cgroup', '-maxdepth', '2', '-name', 'sandlot-testbed-*');
  return [
    ...interfaces.map((line) => line.split(': ')[1] ?? ''),
    ...[...mounts, ...cgroups].filter((path) => path.includes(basename(dir))),
  ].sort();
}
