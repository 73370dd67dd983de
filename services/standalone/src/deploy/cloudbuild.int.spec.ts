import { execFile } from 'node:child_process';
import { cp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { controlPlaneBinaries, helmBinary } from '@sandlot/testbed';
import { tempDir } from '@sandlot/testing';
import type { Manifest } from './testing/chart.js';
import { repositoryPath, yamlDocuments, yamlFile } from './testing/repository-file.js';

interface CloudBuild {
  substitutions: Record<string, string>;
  options: { automapSubstitutions: boolean };
  steps: { id: string; name: string; waitFor?: string[]; script: string }[];
}
const cloudBuild = () => yamlFile<CloudBuild>('cloudbuild.yaml');
const run = promisify(execFile);

/** What its step `render` leaves, as the overlay gives it. */
async function rendered(overlay: string, substitutions: Record<string, string>): Promise<Manifest[]> {
  const { steps, substitutions: defaults } = await cloudBuild();
  const checkout = await tempDir();
  for (const part of ['scripts', 'deploy']) await cp(repositoryPath(part), join(checkout, part), { recursive: true });
  const env = { ...process.env, ...defaults, PROJECT_ID: 'acme', ...substitutions, HELM: await helmBinary() };
  await run('bash', ['-c', steps.find(({ id }) => id === 'render')!.script], { cwd: checkout, env });
  const { kube } = await controlPlaneBinaries();
  const built = await run(kube, ['kubectl', 'kustomize', join(checkout, 'deploy', 'kustomize', 'overlays', overlay)], { maxBuffer: 1e8 });
  return yamlDocuments<Manifest>(built.stdout);
}

describe('cloudbuild.yaml', () => {
  it('builds, pushes, renders, deploys and verifies, each after what it needs (S0-40)', async () => {
    const { steps } = await cloudBuild();
    const ids = steps.map(({ id }) => id);
    expect(ids).toEqual(['build', 'push', 'render', 'deploy', 'bind', 'verify']);
    steps.forEach(({ waitFor = [], id }, at) => {
      for (const before of waitFor) expect([id, before === '-' || ids.slice(0, at).includes(before)]).toEqual([id, true]);
    });
    expect(steps.find(({ id }) => id === 'deploy')!.waitFor).toEqual(['push', 'render']);
  });

  it('takes the eleven substitutions, and uses each (S0-41)', async () => {
    const { substitutions, steps, options } = await cloudBuild();
    const eleven = ['_REGION', '_REPO_NAME', '_IMAGE_TAG', '_GKE_CLUSTER', '_GKE_LOCATION', '_OVERLAY', '_GCS_BUCKET_NAME', '_GCS_SERVICE_ACCOUNT', '_DEFAULT_SANDBOX_IMAGE', '_PROXY_SA', '_GCS_SA']; // prettier-ignore
    expect(Object.keys(substitutions)).toEqual(eleven);
    expect(options.automapSubstitutions).toBe(true);
    const used = new Set(steps.flatMap(({ script }) => [...script.matchAll(/\$\{?(_[A-Z_]+)/g)].map(([, name]) => name!)));
    expect([...used].sort()).toEqual([...eleven].sort());
  });

  it('has scripts that bash understands, which stop at the first failure', async () => {
    for (const { script } of (await cloudBuild()).steps) {
      expect(script).toMatch(/^#!\/usr\/bin\/env bash\nset -euo pipefail\n/);
      await run('bash', ['-n', '-c', script]);
    }
  });

  it('builds targets that the Dockerfile has', async () => {
    const dockerfile = await readFile(repositoryPath('Dockerfile'), 'utf8');
    const { script } = (await cloudBuild()).steps.find(({ id }) => id === 'build')!;
    for (const target of /for target in ([\w ]+);/.exec(script)![1]!.split(' ')) expect(dockerfile).toContain(` AS ${target}\n`);
  });

  it.each(['dev', 'staging', 'prod'])('renders the overlay %s with what it was given (S0-45, S0-49, S0-51)', async (overlay) => {
    const objects = await rendered(overlay, {
      _IMAGE_TAG: 'abc123',
      _GCS_BUCKET_NAME: 'acme-sandboxes',
      _GCS_SERVICE_ACCOUNT: 'sandboxes@acme.iam.gserviceaccount.com',
      _PROXY_SA: 'sandlot@acme.iam.gserviceaccount.com',
    });
    const find = (kind: string, name: string) => JSON.stringify(objects.find((one) => one.kind === kind && one.metadata.name === name));
    const provisioner = find('Deployment', 'sandlot-provisioner');
    expect(provisioner).toContain('"us-central1-docker.pkg.dev/acme/sandlot/sandlot/platform:abc123"');
    expect(provisioner).toContain('"SANDLOT_DEFAULT_IMAGE","value":"us-central1-docker.pkg.dev/acme/sandlot/sandlot/sandbox:abc123"');
    expect(provisioner).toContain('"SANDLOT_ALLOWED_BUCKETS","value":"acme-sandboxes"');
    expect(provisioner).toContain('iam.gke.io/gcp-service-account=sandboxes@acme.iam.gserviceaccount.com');
    expect(find('ServiceAccount', 'sandlot-provisioner')).toContain(
      '"iam.gke.io/gcp-service-account":"sandlot@acme.iam.gserviceaccount.com"',
    );
  });

  it('renders another sandbox image and no bucket where it is told so (S0-45)', async () => {
    const text = JSON.stringify(await rendered('dev', { _DEFAULT_SANDBOX_IMAGE: 'ghcr.io/acme/sandbox:1' }));
    expect(text).toContain('"SANDLOT_DEFAULT_IMAGE","value":"ghcr.io/acme/sandbox:1"');
    expect(text).not.toMatch(/SANDLOT_ALLOWED_BUCKETS|iam\.gke\.io/);
  });
});
