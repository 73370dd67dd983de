import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startCluster, type TestCluster } from '@sandlot/testbed';
import { tempDir } from '@sandlot/testing';
import { chart, helm } from './testing/chart.js';
import { scripts, type Script } from './testing/cluster-scripts.js';
import { repositoryPath } from './testing/repository-file.js';

/** A chart that is deployed as soon as it is there. */
async function smallChart(name: string, version: string): Promise<string> {
  const dir = join(await tempDir(), name);
  await mkdir(join(dir, 'templates'), { recursive: true });
  await writeFile(join(dir, 'Chart.yaml'), `apiVersion: v2\nname: ${name}\nversion: ${version}\n`);
  const map = `apiVersion: v1\nkind: ConfigMap\nmetadata: { name: ${name} }\ndata: { revision: '{{ .Release.Revision }}' }\n`;
  await writeFile(join(dir, 'templates', 'map.yaml'), map);
  return dir;
}

describe('scripts for clusters', () => {
  let cluster: TestCluster;
  let script: Script;
  beforeAll(async () => {
    cluster = await startCluster({ volumes: true });
    script = await scripts(cluster.kubeconfigPath);
  }, 120_000);
  const names = async (kind: string) => (await cluster.kubectl('get', kind, '-A', '-o', 'custom-columns=:.metadata.name', '--no-headers')).split('\n').filter(Boolean); // prettier-ignore

  it.each(['check-prereqs', 'deploy-all', 'teardown', 'setup-kind', 'scale', 'render-kustomize', 'verify-deployment'])(
    '%s explains itself, and refuses an option that it does not know',
    async (name) => {
      const help = await script(`${name}.sh`, ['--help']);
      expect([help.code, help.stderr]).toEqual([0, '']);
      expect(help.stdout).toContain(`scripts/${name}.sh `);
      expect(help.stdout).not.toMatch(/^#|set -e/m);
      if (name === 'deploy-all' || name === 'render-kustomize') return; // theirs go on to helm
      expect(await script(`${name}.sh`, ['--nonsense'])).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('--nonsense is unknown'),
      });
    },
  );

  describe('check-prereqs.sh', () => {
    it('S2-22 S0-36 tells what there is: kubectl, Helm, a cluster that is reached, Docker, jq, openssl', async () => {
      const { code, stdout } = await script('check-prereqs.sh');
      expect([code, stdout.includes('MISSING')]).toEqual([0, false]);
      for (const what of [
        'ok       kubectl',
        'ok       helm       v4',
        'ok       cluster    Kubernetes 1.',
        'ok       rights',
        'default class',
      ])
        expect(stdout).toContain(what);
      for (const tool of ['docker', 'jq', 'openssl']) expect(stdout).toMatch(new RegExp(`(ok|mind) +${tool} `));
      expect(stdout).toContain('does not serve agents.x-k8s.io');
    });

    it('S2-22 fails when no cluster is reached, or Helm is too old, and says what to do', async () => {
      const away = await script('check-prereqs.sh', [], { env: { KUBECONFIG: '/nowhere' } });
      expect(away).toMatchObject({ code: 1, stdout: expect.stringMatching(/MISSING {2}cluster .*KUBECONFIG/) });
      const old = await scripts(cluster.kubeconfigPath, { 'old-helm': 'echo v3.9.4' });
      expect(await old('check-prereqs.sh', ['--no-cluster'], { env: { HELM: 'old-helm' } })).toMatchObject({
        code: 1,
        stdout: expect.stringContaining('v3.9.4 is too old'),
      });
    });
  });

  describe('deploy-all.sh', () => {
    let env: Record<string, string>;
    const revisionOf = async (name: string) =>
      (
        (await cluster.kubectl('get', 'configmaps', '-A', '-o', `jsonpath={.items[?(@.metadata.name=="${name}")].data.revision}`)) || '0'
      ).trim();
    beforeAll(async () => {
      env = {
        ...{ DEPLOY_VAULT: 'true', DEPLOY_VSO: 'true', SKIP_SANDLOT: 'true' },
        ...{ VAULT_CHART: await smallChart('vault', '1.0.0'), VSO_CHART: await smallChart('vault-secrets-operator', '1.0.0') },
      };
    });

    it('S2-16 S2-18 deploys what is wanted, at the same time when asked to', async () => {
      const { code, stdout, stderr } = await script('deploy-all.sh', [], { env: { ...env, PARALLEL: 'true' } });
      expect([code, stderr]).toEqual([0, '']);
      for (const part of ['vault', 'vault-secrets-operator']) expect(stdout).toContain(`${part}: is deployed\n`);
      expect([await revisionOf('vault'), await revisionOf('vault-secrets-operator')]).toEqual(['1', '1']);
    }, 60_000);

    it('S2-17 leaves out with RESUME=auto what is deployed in that version, and deploys another version', async () => {
      const newer = { ...env, RESUME: 'auto', VSO_CHART: await smallChart('vault-secrets-operator', '1.1.0') };
      const { code, stdout } = await script('deploy-all.sh', [], { env: newer });
      expect([code, stdout]).toEqual([0, expect.stringContaining('vault: is deployed already')]);
      expect([await revisionOf('vault'), await revisionOf('vault-secrets-operator')]).toEqual(['1', '2']);
    }, 60_000);

    it('S2-19 leaves out what is to be skipped, in any combination', async () => {
      const { stdout } = await script('deploy-all.sh', ['--dry-run'], {
        env: { ...env, SKIP_SANDLOT: 'false', SKIP_VAULT: 'true', SKIP_BOUNDARY: 'true' },
      });
      expect(stdout).not.toMatch(/^vault:/m);
      expect(stdout).toMatch(/^vault-secrets-operator: would be deployed/m);
      expect(stdout).toMatch(/^sandlot: would be deployed from deploy\/helm\/sandlot into sandlot/m);
      const nothing = { ...env, SKIP_VAULT: 'true', SKIP_VSO: 'true' };
      expect(await script('deploy-all.sh', [], { env: nothing })).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('everything is left out'),
      });
    });

    it('S2-23 takes settings from .env, over which those of the caller win; the example has each of them', async () => {
      const cwd = await tempDir();
      const example = await readFile(repositoryPath('scripts', 'platform.env.example'), 'utf8');
      for (const setting of ['DEVENV_REPLICAS', 'DEPLOY_BOUNDARY', 'DEPLOY_VAULT', 'DEPLOY_VSO', 'DEBUG'])
        expect(example).toMatch(new RegExp(`^${setting}=`, 'm'));
      await writeFile(join(cwd, '.env'), example.replace('DEPLOY_VAULT=false', 'DEPLOY_VAULT=true'));
      const planned = async (settings: Record<string, string>) =>
        (await script('deploy-all.sh', ['--dry-run'], { cwd, env: { RESUME: 'no', ...settings } })).stdout.match(/^[a-z-]+(?=:)/gm);
      expect(await planned({})).toEqual(['vault', 'sandlot']);
      expect(await planned({ DEPLOY_VAULT: 'false' })).toEqual(['sandlot']);
      expect(await readFile(repositoryPath('.gitignore'), 'utf8')).toMatch(/^\.env$/m);
    });

    it('says which part has failed, and how to go on', async () => {
      const broken = { ...env, VAULT_CHART: '/nowhere', SKIP_VSO: 'true' };
      expect(await script('deploy-all.sh', [], { env: broken })).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/failed: vault; mend it, and RESUME=auto/),
      });
    });
  });

  describe('teardown.sh', () => {
    const teardown = (args: string[], input = '') => script('teardown.sh', args, { input });
    const inNamespace = (kind: string) => cluster.kubectl('get', kind, '-n', 'sandlot', '-o', 'name');
    beforeAll(async () => {
      await helm(['install', 'sandlot', chart, '--namespace', 'sandlot', '--create-namespace'], { KUBECONFIG: cluster.kubeconfigPath });
      const marks = { 'app.kubernetes.io/managed-by': 'sandlot' };
      await cluster.apply(
        { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'user-alice', labels: marks } },
        { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'theirs' } },
        {
          apiVersion: 'v1',
          kind: 'Secret',
          metadata: { name: 'sandlot-master-key', namespace: 'sandlot', labels: { 'app.kubernetes.io/managed-by': 'sandlot-setup' } },
        },
        { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'theirs', namespace: 'sandlot' } },
      );
    }, 60_000);

    it('S2-20 shows what would go, and removes nothing in a dry run or without a yes', async () => {
      const dry = await teardown(['--all', '--dry-run']);
      expect(dry.code).toBe(0);
      for (const what of [
        'release sandlot in sandlot',
        'namespace/user-alice',
        'persistentvolumeclaim/data-sandlot-nats-0',
        'secret/sandlot-master-key',
      ])
        expect(dry.stdout).toContain(what);
      expect(dry.stdout).not.toContain('theirs');
      expect(await teardown(['--all'], 'n\n')).toMatchObject({ code: 1, stderr: expect.stringContaining('Nothing was removed.') });
      expect(await teardown(['--all'], '')).toMatchObject({ code: 1 });
      expect(await inNamespace('deployments')).toContain('sandlot-proxy');
    }, 60_000);

    it('S2-34 keeps volumes, keys and users by itself', async () => {
      expect(await teardown([], 'y\n')).toMatchObject({ code: 0 });
      expect(await inNamespace('deployments,statefulsets,jobs')).toBe('');
      expect(await inNamespace('pvc')).toContain('data-sandlot-nats-0');
      expect(await inNamespace('secrets')).toContain('sandlot-master-key');
      expect(await names('namespaces')).toContain('user-alice');
    }, 120_000);

    it('S2-20 removes users and data where it is told to, and nothing of anybody else', async () => {
      expect(await teardown(['--users', '--data', '--yes'])).toMatchObject({ code: 0 });
      expect(await inNamespace('secrets')).toMatch(/^secret\/theirs\s*$/);
      expect(await names('namespaces')).toEqual(expect.arrayContaining(['theirs', 'sandlot']));
      expect(await names('namespaces')).not.toContain('user-alice');
      expect(await teardown(['--all', '--yes'])).toMatchObject({ code: 0 });
      expect(await names('namespaces')).not.toContain('sandlot');
    }, 180_000);

    it('does nothing when the cluster does not answer', async () => {
      const away = await script('teardown.sh', ['--all', '--yes'], { env: { KUBECONFIG: '/nowhere' } });
      expect(away).toMatchObject({ code: 1, stderr: expect.stringContaining('the cluster does not answer') });
    });
  });

  it('S2-21 S4-14 setup-kind.sh makes a cluster of kind once, with both images in it', async () => {
    const calls = join(await tempDir(), 'calls');
    const record = (name: string, more = '') => `echo "${name} $*" >>${calls}; ${more}`;
    const kind = await scripts(cluster.kubeconfigPath, {
      kind: record(
        'kind',
        `[ "$1 $2" != 'get clusters' ] || cat ${calls}.clusters 2>/dev/null; [ "$1" != create ] || echo mine >${calls}.clusters`,
      ),
      docker: record('docker'),
    });
    expect(await kind('setup-kind.sh', ['--name', 'mine'])).toMatchObject({ code: 0 });
    const first = await readFile(calls, 'utf8');
    expect(first).toContain('kind create cluster --name mine');
    expect(first).toMatch(/docker build --target platform .* -t sandlot\/platform:0\.1\.0 \.\n/);
    expect(first).toContain('kind load docker-image --name mine sandlot/platform:0.1.0 sandlot/sandbox:0.1.0');
    await writeFile(calls, '');
    expect((await kind('setup-kind.sh', ['--name', 'mine', '--no-images'])).stdout).toContain('is there already');
    expect(await readFile(calls, 'utf8')).toBe('kind get clusters\n');
  }, 60_000);

  it('verify-deployment.sh says what waits when nothing is rolled out', async () => {
    const { code, stderr } = await script('verify-deployment.sh', ['--namespace', 'nowhere', '--timeout', '1']);
    expect([code, stderr]).toEqual([1, expect.stringContaining('sandlot-auth is not rolled out')]);
  });
});
