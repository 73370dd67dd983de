import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { whyNoNode, type TestCluster } from '@sandlot/testbed';
import { describeUnless, waitFor } from '@sandlot/testing';
import { repository } from '../testing/build.js';
import { releasedPrograms } from '../testing/released-programs.js';
import { chart } from './testing/chart.js';
import { chartCluster, namespace } from './testing/chart-cluster.js';
import { scripts } from './testing/cluster-scripts.js';
import { InstalledChart } from './testing/installed-chart.js';
import { repositoryPath } from './testing/repository-file.js';

describeUnless(whyNoNode())('the Helm chart on a node', () => {
  let cluster: TestCluster;
  let platform: InstalledChart;
  const ask: InstalledChart['ask'] = (...args) => platform.ask(...args);

  beforeAll(async () => {
    cluster = await chartCluster({ '0.1.0': await releasedPrograms('0.1.0'), '0.1.1': repository });
    platform = new InstalledChart(cluster);
  }, 300_000);

  const values = {
    service: { port: 8080 },
    // Twenty of them on one small node.
    sandboxes: {
      quota: { sandboxes: 30, cpu: '30', memory: '60Gi' },
      defaults: { cpuRequest: '10m', memoryRequest: '32Mi' },
    },
  };
  const newer = { ...values, image: { tag: '0.1.1' } };
  /** A tunnel to the sandbox that is open for as long as a command in it takes, 3 s. */
  const tunnel = async (sandbox: string): Promise<void> => {
    const socket = connect(8080, await platform.readyProxy());
    let said = '';
    socket.setEncoding('latin1').on('data', (data: string) => (said += data));
    const body = JSON.stringify({ command: 'sleep 3; echo through' });
    socket.write(
      `CONNECT ${sandbox}:8888 HTTP/1.1\r\nhost: ${sandbox}:8888\r\nproxy-authorization: Bearer ${await platform.adminKey()}\r\n\r\n`,
    );
    await once(socket, 'data');
    if (!said.startsWith('HTTP/1.1 200')) throw new Error(`the tunnel was refused: ${said.slice(0, 200)}`);
    socket.write(
      `POST /execute HTTP/1.1\r\nhost: s\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    await once(socket, 'close');
    if (!said.includes('through\\n')) throw new Error(`the tunnel was cut: ${JSON.stringify(said.slice(-200))}`);
  };
  /** Each pod, as the one that it is: `name uid`. */
  const podsOf = async (where: string, selector: string): Promise<string[]> => {
    const path = `/api/v1/namespaces/${where}/pods?labelSelector=${encodeURIComponent(selector)}`;
    const { items } = (await cluster.request('GET', path)) as { items: { metadata: { name: string; uid: string } }[] };
    return items.map(({ metadata }) => `${metadata.name} ${metadata.uid}`).sort();
  };
  const previousChart = async () => {
    const folder = repositoryPath('deploy', 'helm', 'previous');
    return join(
      folder,
      (await readdir(folder)).find((file) => file.endsWith('.tgz'))!,
    );
  };

  it('is installed by one command, and lets its administrator make a sandbox and run code in it (S2-41)', async () => {
    await platform.put('install', chart, newer);
    expect(await platform.helm('test', 'sandlot', '--timeout', '2m')).toMatch(/Phase:\s+Succeeded/);
  }, 400_000);

  it('is upgraded from the previous version of the chart and of the services: no call and no tunnel fails, and 20 sandboxes are not touched', async () => {
    await platform.put('upgrade', await previousChart(), values);
    expect(await platform.withState(ask('POST', '/api/v1/sandboxes', { name: 'kept' }))).toMatchObject({ state: 'running' });
    await ask('POST', '/proxy/kept/execute', { command: 'echo hello > /workspace/file' });
    const others = Array.from({ length: 19 }, (_, n) => `s${n}`);
    // A few at a time, and again where a busy node left open what became of it.
    const running = async () => {
      const { items } = (await ask('GET', '/api/v1/sandboxes?limit=50')) as { items: { name: string; state: string }[] };
      const missing = others.filter((name) => !items.some((one) => one.name === name));
      await Promise.all(missing.slice(0, 5).map((name) => ask('POST', '/api/v1/sandboxes', { name }).catch(String)));
      return items.filter(({ state }) => state === 'running').length;
    };
    await platform.withState(waitFor(running, { within: 180_000, every: 500, describe: '20 running sandboxes' }, (count) => count === 20));
    const { namespace: home } = await ask('GET', '/api/v1/sandboxes/kept');
    const natsConfig = async () =>
      cluster.kubectl('get', 'statefulset', '-n', namespace, 'sandlot-nats', '-o', 'jsonpath={.spec.template.metadata.annotations}');
    const before = {
      nats: await podsOf(namespace, 'app.kubernetes.io/component=nats'),
      natsConfig: await natsConfig(),
      sandboxes: await podsOf(String(home), ''),
    };
    expect(before.sandboxes).toHaveLength(20);

    const upgrade = { done: false, failures: { commands: [] as string[], sandboxes: [] as string[], tunnels: [] as string[] } };
    const through = { commands: 0, sandboxes: 0, tunnels: 0 };
    const go = async (what: keyof typeof through, once: () => Promise<unknown>) => {
      while (!upgrade.done)
        await once().then(
          () => (through[what] += 1),
          (error: Error) => upgrade.failures[what].push(`${error.message} ${String(error.cause ?? '')}`),
        );
    };
    const asking = [
      go('commands', () => ask('GET', '/api/v1/sandboxes/kept')),
      go('sandboxes', () => ask('POST', '/proxy/s1/execute', { command: 'true' })),
      go('tunnels', () => tunnel('kept')),
      go('tunnels', () => tunnel('s2')),
    ];
    await platform.put('upgrade', chart, newer).finally(() => {
      upgrade.done = true;
    });
    await Promise.all(asking);
    // NATS alone is restarted, and with a single server commands wait for it, only where its configuration is another one.
    if ((await natsConfig()) === before.natsConfig) {
      expect(await podsOf(namespace, 'app.kubernetes.io/component=nats')).toEqual(before.nats);
      expect(upgrade.failures.commands).toEqual([]);
    } else expect(upgrade.failures.commands.filter((failure) => !failure.includes('was answered 503'))).toEqual([]);
    expect(upgrade.failures).toMatchObject({ sandboxes: [], tunnels: [] });
    expect(Math.min(through.commands, through.sandboxes)).toBeGreaterThan(10);
    expect(through.tunnels).toBeGreaterThan(3);
    expect(await podsOf(String(home), '')).toEqual(before.sandboxes);
    expect(await ask('POST', '/proxy/kept/execute', { command: 'cat /workspace/file' })).toMatchObject({ stdout: 'hello\n' });
    expect(await platform.helm('test', 'sandlot', '--timeout', '2m')).toMatch(/Phase:\s+Succeeded/);
  }, 600_000);

  it('is verified, and rolled back to the previous version of the chart, with its sandboxes', async () => {
    const script = await scripts(cluster.kubeconfigPath);
    await platform.helm('rollback', 'sandlot', '2', '--wait', '--timeout', '4m');
    const images = await cluster.kubectl('get', 'deployments', '-n', namespace, '-o', 'jsonpath={..image}');
    expect(new Set(images.trim().split(' '))).toEqual(new Set(['sandlot/platform:0.1.0']));
    // Deployed already, in another version than the one that is here: it would be deployed again.
    const resumed = await script('deploy-all.sh', ['--dry-run', '--set', 'image.tag=0.1.1'], { env: { RESUME: 'auto' } });
    expect(resumed.stdout).toContain('sandlot: would be deployed from deploy/helm/sandlot into sandlot');
    expect(await script('verify-deployment.sh', ['--timeout', '120'])).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('"status":"ok"'),
    });
    expect(await platform.withState(ask('POST', '/proxy/kept/execute', { command: 'cat /workspace/file' }))).toMatchObject({
      stdout: 'hello\n',
    });
    expect(await platform.withState(ask('POST', '/proxy/s18/execute', { command: 'echo there' }))).toMatchObject({ stdout: 'there\n' });
  }, 400_000);

  it('leads to a sandbox by the name of its Service, also when its pod is another one with another address (S2-05)', async () => {
    const { namespace: home, service } = await platform.withState(ask('GET', '/api/v1/sandboxes/kept'));
    expect(service).toBe(`kept-0.kept.${String(home)}.svc`);
    const pod = async () => (await cluster.request('GET', `/api/v1/namespaces/${String(home)}/pods/kept-0`)).status.podIP as string;
    const before = await pod();
    await platform.withState(ask('POST', '/api/v1/sandboxes/kept/pause'));
    expect(await platform.withState(ask('POST', '/api/v1/sandboxes/kept/resume'))).toMatchObject({ state: 'running', service });
    expect(await pod()).not.toBe(before);
    expect(await platform.withState(ask('POST', '/proxy/kept/execute', { command: 'cat /workspace/file' }))).toMatchObject({
      stdout: 'hello\n',
    });
  }, 200_000);

  it('goes on with everything when it is uninstalled and installed again', async () => {
    const key = await platform.adminKey();
    const script = await scripts(cluster.kubeconfigPath);
    expect(await script('teardown.sh', ['--yes'])).toMatchObject({ code: 0 });
    await platform.put('install', chart, newer);
    const again = await script('deploy-all.sh', ['--set', 'image.tag=0.1.1'], { env: { RESUME: 'auto' } });
    expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining('sandlot: is deployed already') });
    expect(await platform.adminKey()).toBe(key);
    expect(await platform.withState(ask('GET', '/api/v1/sandboxes/kept'))).toMatchObject({ name: 'kept', state: 'running' });
    expect(await platform.withState(ask('POST', '/proxy/kept/execute', { command: 'cat /workspace/file' }))).toMatchObject({
      stdout: 'hello\n',
    });
  }, 400_000);
});
