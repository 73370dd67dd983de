import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { fromSeed } from '@nats-io/nkeys';
import { isApiKey } from '@sandlot/kernel';
import { agentSandboxFiles, startCluster, type TestCluster } from '@sandlot/testbed';
import { tempDir, waitFor } from '@sandlot/testing';
import { ensureBuilt } from '../testing/build.js';
import { chart, helm, manifests, podTemplate, productionValues, valuesFile } from './testing/chart.js';
import { repositoryPath, yamlDocuments } from './testing/repository-file.js';

const restricted = {
  'pod-security.kubernetes.io/enforce': 'restricted',
  'pod-security.kubernetes.io/enforce-version': 'latest',
};
const production = {
  accessUrl: 'https://sandlot.example.com',
  ingress: { enabled: true, host: 'sandlot.example.com', tls: { enabled: true } },
  keys: { existing: { masterKey: 'master', postgresql: 'database' } },
  metrics: { serviceMonitor: { enabled: false }, prometheusRule: { enabled: false } }, // without the CRDs of prometheus-operator
};
const variants: [string, object, string[]][] = [
  ['by default', {}, []],
  ['for production', production, [productionValues]],
  ['with minimal rights', { sandboxes: { namespaces: ['user-alice', 'user-bob'] } }, []],
  ['with agent-sandbox', { agentSandbox: { install: true } }, []],
];

describe('the Helm chart on Kubernetes', () => {
  let cluster: TestCluster;
  beforeAll(async () => {
    await ensureBuilt();
    cluster = await startCluster();
    for (const name of ['sandlot', 'user-alice', 'user-bob'])
      await cluster.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, ...(name === 'sandlot' && { labels: restricted }) } });
    await waitFor(() => cluster.request('GET', '/api/v1/namespaces/sandlot/serviceaccounts/default'), {
      within: 30_000,
      describe: 'the account of pods',
    });
  }, 120_000);

  it.each(variants)('is accepted by the API server, %s', async (_, values, files) => {
    const file = join(await tempDir(), 'rendered.json');
    // Pods need an account that is there already; the next test has them.
    const items = (await manifests(values, files)).filter(({ kind }) => kind !== 'Pod');
    await writeFile(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
    await cluster.kubectl('apply', '--server-side', '--dry-run=server', '-f', file);
  });

  it.each(variants)('makes no pod that the restricted Pod Security Standard refuses, %s', async (_, values, files) => {
    const objects = await manifests(values, files);
    const pods = objects.flatMap((manifest) => {
      const template = podTemplate(manifest);
      const claimed = manifest.kind === 'StatefulSet' ? [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }] : [];
      return template ? [{ of: `${manifest.kind} ${manifest.metadata.name}`, template, claimed }] : [];
    });
    expect(pods.length).toBeGreaterThan(7);
    for (const { of, template, claimed } of pods) {
      const volumes = [...(template.spec.volumes ?? []), ...claimed];
      const spec = { ...template.spec, volumes, serviceAccountName: 'default' };
      const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { generateName: 'try-', labels: template.metadata?.labels }, spec };
      const answer = await cluster.request('POST', '/api/v1/namespaces/sandlot/pods?dryRun=All', pod).catch((error: Error) => error);
      expect([of, answer instanceof Error ? answer.message : 'accepted']).toEqual([of, 'accepted']);
    }
  });

  describe('installed', () => {
    const api = '/api/v1/namespaces/sandlot';
    let kubeconfig: string;
    const helmHere = (...args: string[]) => helm([...args, '--namespace', 'sandlot'], { KUBECONFIG: cluster.kubeconfigPath });
    const setup = (...args: string[]) =>
      promisify(execFile)(process.execPath, [repositoryPath('services', 'standalone', 'dist', 'setup.js'), ...args], {
        env: { PATH: process.env.PATH, KUBECONFIG: kubeconfig },
      });
    /** As the pod of the Job does. */
    const runJob = async (name: RegExp) => {
      const job = (await manifests()).find(({ kind, metadata }) => kind === 'Job' && name.test(metadata.name))!;
      const [, ...args] = podTemplate(job)!.spec.containers[0]!.args!;
      return args;
    };
    const secret = async (name: string) => {
      const { data } = (await cluster.request('GET', `${api}/secrets/${name}`)) as { data: Record<string, string> };
      return Object.fromEntries(Object.entries(data).map(([key, text]) => [key, Buffer.from(text, 'base64').toString()]));
    };

    beforeAll(async () => {
      await helmHere('install', 'sandlot', chart);
      kubeconfig = await cluster.kubeconfigFor('sandlot', 'sandlot-setup');
    }, 60_000);

    it('has its first administrator’s key, and every other, made once by its Job with the rights that it has (S0-43)', async () => {
      const { stdout } = await setup(...(await runJob(/-keys-/)));
      expect(stdout).toContain(
        'made sandlot-nats-identities, sandlot-identity-key, sandlot-master-key, sandlot-admin-key, sandlot-postgresql',
      );
      const admin = await secret('sandlot-admin-key');
      expect(isApiKey(admin['admin.key']!)).toBe(true);
      expect(stdout).not.toContain(admin['admin.key']);
      const identities = await secret('sandlot-nats-identities');
      expect(fromSeed(Buffer.from(identities['auth.nk']!)).getPublicKey()).toBe(identities['auth.pub']);
      const { password, 'owner.url': url } = await secret('sandlot-postgresql');
      expect(url).toBe(`postgres://sandlot:${password}@sandlot-postgresql:5432/sandlot`);

      expect((await setup(...(await runJob(/-keys-/)))).stdout).toContain('every Secret is there already');
      expect(await secret('sandlot-admin-key')).toEqual(admin);
      expect(await secret('sandlot-nats-identities')).toEqual(identities);
    }, 60_000);

    it('has added what a newer version needs, and the rest left as it is', async () => {
      const before = await secret('sandlot-nats-identities');
      const { 'auth.nk': lost, ...rest } = before;
      await cluster.kubectl(
        'patch',
        'secret',
        'sandlot-nats-identities',
        '-n',
        'sandlot',
        '--type=json',
        '-p',
        '[{"op":"remove","path":"/data/auth.nk"}]',
      );
      await setup(...(await runJob(/-keys-/)));
      const after = await secret('sandlot-nats-identities');
      expect(after).toMatchObject({ ...rest, 'auth.pub': fromSeed(Buffer.from(after['auth.nk']!)).getPublicKey() });
      expect(after['auth.nk']).not.toBe(lost);
    }, 60_000);

    it('is told by the Job of the migration where each service finds its database, and that it is done', async () => {
      const dir = await tempDir();
      await writeFile(join(dir, 'auth.url'), 'postgres://auth\n');
      const args = (await runJob(/-migrate-/)).map((arg) => (arg === '/urls/urls' ? dir : arg));
      await setup(...args);
      expect(await secret('sandlot-database-urls')).toEqual({ 'auth.url': 'postgres://auth' });
      const { data } = (await cluster.request('GET', `${api}/configmaps/sandlot-migrations`)) as { data: object };
      expect(data).toEqual({ [args.at(-1)!]: 'done' });
    }, 60_000);

    it('gives its Jobs no right to anybody else’s Secrets', async () => {
      await cluster.apply({ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'theirs', namespace: 'sandlot' }, stringData: { a: 'b' } });
      for (const [verb, what] of [
        ['get', 'secret/theirs'],
        ['list', 'secrets'],
        ['delete', 'secret/sandlot-master-key'],
        ['create', 'pods'],
      ] as const)
        expect([
          verb,
          what,
          await cluster
            .kubectl('auth', 'can-i', verb, what, '-n', 'sandlot', '--as=system:serviceaccount:sandlot:sandlot-setup')
            .catch(() => 'no'),
        ]).toEqual([verb, what, 'no']);
    });

    it('is upgraded, rolled back and uninstalled, and leaves keys and volumes', async () => {
      await helmHere('upgrade', 'sandlot', chart, '-f', await valuesFile({ image: { tag: '0.2.0' } }));
      await helmHere('rollback', 'sandlot', '1');
      await helmHere('uninstall', 'sandlot');
      for (const name of ['nats-identities', 'identity-key', 'master-key', 'admin-key', 'postgresql', 'database-urls'])
        expect(Object.keys(await secret(`sandlot-${name}`)).length).toBeGreaterThan(0);
      const { items } = (await cluster.request('GET', `${api}/persistentvolumeclaims`)) as { items: { metadata: { name: string } }[] };
      expect(items.map(({ metadata }) => metadata.name).sort()).toEqual(['data-sandlot-nats-0', 'data-sandlot-postgresql-0']);
      await helmHere('install', 'sandlot', chart);
    }, 120_000);
  });

  it('tells at the installation which version of agent-sandbox the cluster serves, and takes over nobody’s definition of it', async () => {
    const dryRun = async (values: object) =>
      helm(['install', 'other', chart, '--namespace', 'sandlot', '--dry-run=server', '-f', await valuesFile(values)], {
        KUBECONFIG: cluster.kubeconfigPath,
      });
    expect(await dryRun({})).toContain('does not serve agents.x-k8s.io: sandboxes are StatefulSets');
    await expect(dryRun({ sandboxes: { runtime: 'agent-sandbox' } })).rejects.toThrow('this cluster serves no agents.x-k8s.io');
    expect(await dryRun({ agentSandbox: { install: true } })).toContain('and its controller are being installed');

    const { definition } = await agentSandboxFiles();
    const vendored = await promisify(execFile)(process.execPath, [repositoryPath('scripts', 'vendor-agent-sandbox.mjs'), definition], { maxBuffer: 1e7 }); // prettier-ignore
    expect(await readFile(join(chart, 'files', 'agent-sandbox-definition.json'), 'utf8')).toBe(vendored.stdout);
    expect(vendored.stdout.length).toBeLessThan(200_000);
    await cluster.apply(JSON.parse(vendored.stdout) as { apiVersion: string; kind: string; metadata: { name: string } });
    await waitFor(() => cluster.request('GET', '/apis/agents.x-k8s.io/v1beta1/sandboxes'), {
      within: 30_000,
      describe: 'Sandboxes to be served',
    });
    // What the API server serves it lists a moment later.
    const told = (notes: string) => notes.includes('This cluster serves agents.x-k8s.io/v1beta1');
    await waitFor(() => dryRun({}), { within: 30_000, every: 500, describe: 'the version to be told' }, told);
    await expect(dryRun({ agentSandbox: { install: true } })).rejects.toThrow('has the definition of Sandbox from somebody else (v1beta1)');
  }, 60_000);

  it('names what it makes after the release, so that two can share a cluster', async () => {
    const names = (objects: { kind: string; metadata: { name: string; namespace?: string } }[]) =>
      objects.map(({ kind, metadata }) => `${kind} ${metadata.namespace ?? ''}/${metadata.name}`);
    const one = names(await manifests());
    const other = names(yamlDocuments(await helm(['template', 'second', chart, '--namespace', 'other'])));
    expect(other.filter((name) => one.includes(name))).toEqual([]);
    expect(new Set(other).size).toBe(other.length);
  });
});
