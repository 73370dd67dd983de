import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { processIdentity } from '@sandlot/embedded';
import { atEnd, waitFor } from '@sandlot/testing';
import { ApiError, startCluster, type TestCluster } from './index.js';

const configMap = (name: string, metadata: object = {}) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, ...metadata } });
const pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p' },
  spec: { containers: [{ name: 'c', image: 'none' }] },
};

describe('the cluster that tests start', () => {
  let cluster: TestCluster;
  beforeAll(async () => {
    cluster = await startCluster();
  }, 120_000);

  it('takes a namespace and a pod, which waits for a node', async () => {
    await cluster.kubectl('create', 'namespace', 'n');
    await waitFor(() => cluster.request('POST', '/api/v1/namespaces/n/pods', pod), { describe: 'the service account of n' });
    const found = await waitFor(
      () => cluster.request('GET', '/api/v1/namespaces/n/pods/p'),
      { describe: 'the scheduler to look at the pod' },
      ({ status }) => status.conditions !== undefined,
    );
    expect(found.status.conditions[0]).toMatchObject({ type: 'PodScheduled', status: 'False', reason: 'Unschedulable' });
  });

  it('collects what has lost its owner', async () => {
    const path = '/api/v1/namespaces/default/configmaps';
    const owner = await cluster.request('POST', path, configMap('owner'));
    const ownerReferences = [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid: owner.metadata.uid }];
    await cluster.request('POST', path, configMap('owned', { ownerReferences }));
    await cluster.request('DELETE', `${path}/owner`);
    const gone = await waitFor(
      () => cluster.request('GET', `${path}/owned`).catch((error: unknown) => error),
      { within: 30_000, describe: 'the owned object to go' },
      (seen) => seen instanceof ApiError,
    );
    expect(gone).toMatchObject({ status: 404 });
  });

  it('knows an API server that is away, and finds everything when it is back on the same port', async () => {
    await cluster.apply(configMap('kept'));
    await cluster.apiServer.kill();
    await expect(cluster.kubectl('get', 'configmap', 'kept')).rejects.toThrow('refused');
    await cluster.apiServer.restart();
    expect(await cluster.kubectl('get', 'configmap', 'kept', '-o', 'name')).toBe('configmap/kept\n');
  }, 60_000);

  it('goes back to an older copy of its data', async () => {
    await cluster.apply(configMap('before'));
    const copy = await cluster.backUp();
    await cluster.apply(configMap('after'));
    await cluster.restore(copy);
    const names = await cluster.kubectl('get', 'configmaps', '-o', 'name');
    expect(names).toContain('configmap/before\n');
    expect(names).not.toContain('configmap/after\n');
    await cluster.apply(configMap('later'));
  }, 60_000);

  it('lets a service account do what it is allowed to and no more', async () => {
    await cluster.kubectl('create', 'serviceaccount', 'reader');
    await cluster.kubectl('create', 'rolebinding', 'reader', '--clusterrole=view', '--serviceaccount=default:reader');
    const kubeconfig = await cluster.kubeconfigFor('default', 'reader');
    expect(await cluster.kubectl('--kubeconfig', kubeconfig, 'auth', 'can-i', 'list', 'pods')).toBe('yes\n');
    await expect(cluster.kubectl('--kubeconfig', kubeconfig, 'create', 'configmap', 'no')).rejects.toThrow('forbidden');
  });

  it('leaves nothing behind', async () => {
    const other = await startCluster(); // two at once
    expect(other.url).not.toBe(cluster.url);
    const processes = [other.apiServer, other.etcd, other.controllerManager, other.scheduler].map(({ pid }) => pid);
    await other.stop();
    expect(existsSync(dirname(other.kubeconfigPath))).toBe(false);
    for (const pid of processes) expect(() => process.kill(pid, 0)).toThrow('ESRCH');
    expect(await cluster.kubectl('get', '--raw', '/readyz')).toBe('ok');
  }, 120_000);
});

it('leaves nothing behind when the process that started it is killed', async () => {
  const program = `
    const { startCluster } = await import(${JSON.stringify(new URL('./cluster.ts', import.meta.url).href)});
    const { kubeconfigPath, apiServer } = await startCluster();
    console.log(JSON.stringify({ kubeconfigPath, pid: apiServer.pid }));
    setInterval(() => {}, 1000);`;
  // Node runs TypeScript, but does not look for x.ts where the source says x.js.
  const resolveSources = `import { registerHooks } from 'node:module';
    registerHooks({ resolve: (name, context, next) => { try { return next(name, context); } catch { return next(name.replace(/\\.js$/, '.ts'), context); } } });`;
  const hooks = `data:text/javascript,${encodeURIComponent(resolveSources)}`;
  const owner = spawn(process.execPath, ['--import', hooks, '--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  atEnd(() => owner.kill('SIGKILL'));
  const [line] = (await once(createInterface(owner.stdout), 'line')) as [string];
  const { kubeconfigPath, pid } = JSON.parse(line) as { kubeconfigPath: string; pid: number };
  process.kill(pid, 0);
  owner.kill('SIGKILL');
  await waitFor(() => !existsSync(dirname(kubeconfigPath)), { within: 20_000, describe: 'the folder to go' });
  await waitFor(async () => (await processIdentity(pid)) === undefined, { describe: 'the API server to end' });
}, 120_000);
