import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { controlPlaneBinaries, helmBinary, startCluster, type TestCluster } from '@sandlot/testbed';
import { tempDir } from '@sandlot/testing';
import { podTemplate, type Manifest } from './testing/chart.js';
import { repositoryPath, yamlDocuments } from './testing/repository-file.js';

const run = promisify(execFile);
const overlays = ['dev', 'staging', 'prod'];
const renderBases = async (...args: string[]) =>
  run(repositoryPath('scripts', 'render-kustomize.sh'), args, { env: { ...process.env, HELM: await helmBinary() } });

/** As `kubectl kustomize` gives it. */
async function built(overlay: string, folder = repositoryPath('deploy', 'kustomize', 'overlays')): Promise<Manifest[]> {
  const { kube } = await controlPlaneBinaries();
  const { stdout } = await run(kube, ['kubectl', 'kustomize', join(folder, overlay)], { maxBuffer: 16 * 1024 * 1024 });
  return yamlDocuments<Manifest>(stdout);
}
const named = (objects: Manifest[], kind: string, name: string) =>
  objects.find((object) => object.kind === kind && object.metadata.name === name)!;

describe('the overlays of kustomize', () => {
  it('are built on what the chart gives (S0-47)', async () => {
    await renderBases('--check');
    await expect(renderBases('--check', '--set', 'image.tag=0.9.0')).rejects.toThrow('is not what the chart gives');
  });

  it('are one per environment, in which everything says which (S0-51)', async () => {
    for (const overlay of overlays) {
      const objects = await built(overlay);
      expect(objects.length).toBeGreaterThan(30);
      expect(objects.filter(({ metadata }) => metadata.labels?.['environment'] !== overlay)).toEqual([]);
    }
    const idle = ({ spec }: Manifest) => JSON.stringify(spec).match(/"SANDLOT_IDLE_TIMEOUT","value":"(\d+)"/)?.[1];
    expect(idle(named(await built('dev'), 'Deployment', 'sandlot-provisioner'))).toBe('1800');
    const staging = await built('staging');
    expect(named(staging, 'Service', 'sandlot')['spec']).toMatchObject({ type: 'LoadBalancer', ports: [{ port: 80 }] });
    expect(named(staging, 'Deployment', 'sandlot-proxy')['spec']).toMatchObject({ replicas: 2 });
    const prod = await built('prod');
    expect(named(prod, 'StatefulSet', 'sandlot-nats')['spec']).toMatchObject({ replicas: 3 });
    expect(prod.filter(({ metadata }) => metadata.name.includes('postgresql'))).toEqual([]);
  });

  it('hold no secret, and no hook of helm', async () => {
    for (const overlay of overlays) {
      const objects = await built(overlay);
      expect(objects.filter(({ kind }) => kind === 'Secret' || kind === 'Pod')).toEqual([]);
      expect(JSON.stringify(objects)).not.toContain('helm.sh/hook');
    }
  });

  it('are rendered for another image and namespace by the same script, migration included', async () => {
    const into = join(await tempDir(), 'base');
    await renderBases('--into', into, '--namespace', 'elsewhere', '--set', 'image.tag=0.9.0');
    const objects = await built('evaluation', into);
    expect(objects.filter(({ metadata: { namespace } }) => namespace && namespace !== 'elsewhere')).toEqual([]);
    const jobs = (all: Manifest[]) => all.filter(({ kind }) => kind === 'Job').map(({ metadata }) => metadata.name);
    expect(jobs(objects)).not.toEqual(jobs(await built('dev')));
    for (const job of objects.filter(({ kind }) => kind === 'Job'))
      expect(JSON.stringify(podTemplate(job))).toContain('"sandlot/platform:0.9.0"');
  });

  describe('on Kubernetes', () => {
    let cluster: TestCluster;
    beforeAll(async () => {
      cluster = await startCluster();
      await cluster.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'sandlot' } });
    }, 120_000);

    it.each(overlays)('are accepted by the API server: %s (S0-47)', async (overlay) => {
      const file = join(await tempDir(), 'built.json');
      await writeFile(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: await built(overlay) }));
      await cluster.kubectl('apply', '--server-side', '--dry-run=server', '-f', file);
    });
  });
});
