import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { complaints } from './testing/accepted.js';
import { repositoryPath, yamlFile } from './testing/repository-file.js';

const document = (path: string) => readFile(repositoryPath(...path.split('/')), 'utf8');

/** A row, the document that has what it says, and what must stand there. */
const rows: [rows: string, document: string, says: (string | RegExp)[]][] = [
  ['S0-36', 'docs/how-to/install-on-gke.md', ['container.googleapis.com', 'cloudbuild.googleapis.com', 'artifactregistry', 'GcsFuseCsiDriver', 'agent-sandbox', 'check-prereqs.sh']],
  ['S0-37', 'docs/how-to/install-on-gke.md', ['PROJECT_ID=', 'BUCKET_NAME=', 'GCP_SA_NAME=', 'gcloud storage buckets create', 'gcloud iam service-accounts create']],
  ['S0-38', 'docs/how-to/install-on-gke.md', [/gcloud artifacts repositories create \w+ --repository-format docker/]],
  ['S0-39', 'docs/how-to/install-on-gke.md', ['--role roles/container.developer', '@cloudbuild.gserviceaccount.com']],
  ['S0-40 S0-52', 'docs/how-to/install-on-gke.md', ['gcloud builds submit', 'The same again is an update']],
  ['S0-41', 'docs/how-to/install-on-gke.md', ['_REGION', '_REPO_NAME', '_IMAGE_TAG', '_GKE_CLUSTER', '_GKE_LOCATION', '_OVERLAY', '_GCS_BUCKET_NAME', '_GCS_SERVICE_ACCOUNT', '_DEFAULT_SANDBOX_IMAGE', '_PROXY_SA', '_GCS_SA']],
  ['S0-42', 'docs/how-to/install-on-gke.md', ['fullnameOverride: sandbox-proxy', 'type: LoadBalancer', 'EXTERNAL-IP']],
  ['S0-49', 'docs/how-to/install-on-gke.md', ['--workload-pool', 'roles/iam.workloadIdentityUser', 'iam.gke.io/gcp-service-account', 'sandlot-sandbox']],
  ['S0-54', 'docs/architecture.md', ['services/proxy/src/data-plane.ts', 'libs/event-store', 'services/provisioner/src/sandboxes.ts']],
  ['S0-56', 'docs/how-to/troubleshooting.md', ['PERMISSION_DENIED', 'required', 'Workload Identity', 'not discovered', '<pending>']],
  ['S1-16', 'docs/how-to/troubleshooting.md', ['kubectl set image deployment/sandlot-proxy proxy=']],
  ['S1-17', 'docs/how-to/install-with-helm.md', ['docker build --target platform', 'docker push']],
  ['S1-18', 'docs/how-to/run-on-kubernetes.md', ['SANDLOT_KUBECONFIG', 'make up']],
  ['S1-19 S4-15', 'docs/how-to/install-with-helm.md', ['kubectl port-forward -n sandlot service/sandlot 8080:80']],
  ['S1-21', 'docs/how-to/multi-region.md', ['One region is the default: one installation per cluster']],
  ['S1-22', 'docs/how-to/multi-region.md', ['global load balancer', 'a host per region', '/health']],
  ['S1-23', 'docs/how-to/troubleshooting.md', ['teardown.sh', 'kubectl auth can-i', '<pending>', '**404**', '**503**', 'upgrade.md']],
  ['S1-30', 'docs/how-to/troubleshooting.md', ['kubectl get pods -n user-alice -l sandlot.dev/sandbox=s1']],
  ['S2-24', 'docs/how-to/deploy-with-kustomize.md', ['SKIP_VAULT=true SKIP_VSO=true scripts/deploy-all.sh', 'keys.existing']],
  ['S2-26', 'docs/how-to/install-on-kind.md', ['`standard` is the default', 'setup-kind.sh']],
  ['S2-26', 'docs/how-to/install-on-openshift.md', ['nonroot-v2', '`anyuid` is not needed', 'storageClass']],
  ['S2-28', 'docs/how-to/run-on-kubernetes.md', ['kubectl port-forward', 'LoadBalancer', 'kind: Ingress']],
  ['S2-30', 'docs/explanation/security-model.md', ['update the Secret, then pause and resume the sandbox']],
  ['S2-32', 'docs/how-to/troubleshooting.md', ['describe pod', 'finalizers', 'getent hosts', 'get networkpolicies', 'the nodes are short']],
  ['S2-33', 'docs/how-to/troubleshooting.md', ['kubectl get pods,events', 'kubectl logs', 'kubectl top']],
  ['S2-34', 'docs/how-to/deploy-with-kustomize.md', ['uninstalls, and keeps volumes, keys']],
  ['S2-35', 'docs/explanation/sizing.md', ['cpuRequest', 'idleTimeout', 'scale and cost']],
  ['S2-46', 'docs/how-to/deploy-with-kustomize.md', ['No file with a secret belongs into git']],
  ['S2-47', 'docs/how-to/troubleshooting.md', ['kubectl exec -it -n user-alice s1-0 -- sh', 'kubectl logs -n user-alice s1-0 -f', 'kubectl port-forward -n user-alice s1-0 8888:8888']],
]; // prettier-ignore

const operators = ['how-to', 'explanation'].map((folder) => `docs/${folder}`);

describe('the documents for operators', () => {
  it.each(rows)('%s: %s says it', async (_, path, says) => {
    const text = (await document(path)).replace(/\s+/g, ' '); // lines break anywhere
    for (const what of says)
      expect(text).toMatch(typeof what === 'string' ? new RegExp(what.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')) : what);
  });

  it('S0-53 S2-36 are there: how to begin, deploy and use it, its architecture and what goes wrong', async () => {
    for (const path of ['README.md', 'docs/how-to/use-the-api.md', 'docs/architecture.md', 'docs/how-to/install-with-helm.md', 'docs/how-to/troubleshooting.md', 'docs/explanation/security-model.md'])
      expect((await document(path)).length).toBeGreaterThan(2000);
  }); // prettier-ignore

  it('begin on Kubernetes with the same four commands in the README as in the how-to, which the benchmark runs', async () => {
    const first = async (path: string, heading: string) => (await document(path)).split(`\n## ${heading}\n`)[1]?.split('```')[1]?.trim();
    const commands = await first('docs/how-to/install-with-helm.md', 'Four commands to the first sandbox');
    expect(commands?.split('\n')).toHaveLength(4);
    expect(await first('README.md', 'On Kubernetes')).toBe(commands);
  });

  it('S0-57 S1-32 are under the Apache License, as everything else', async () => {
    expect(await document('LICENSE')).toMatch(/Apache License\s+Version 2\.0/);
    expect(JSON.parse(await document('package.json'))).toMatchObject({ license: 'Apache-2.0' });
    expect(await document('deploy/helm/sandlot/Chart.yaml')).toContain('artifacthub.io/license: Apache-2.0');
  });

  it('S2-46 keep what is secret out of git: what settings and keys are kept in is ignored', async () => {
    const ignored = (await document('.gitignore')).split('\n');
    for (const what of ['.env', '.sandlot/', '.cache/']) expect(ignored).toContain(what);
  });

  it('S0-50 are right that a service without a required setting ends and names it', () => {
    expect(complaints('proxy', {}).join()).toMatch(/SANDLOT_IDENTITY_KEY.*required/);
    expect(complaints('auth', {}).join()).toMatch(/SANDLOT_MASTER_KEY_PATH.*required.*|SANDLOT_DATABASE_URL.*required/);
  });

  it('name only scripts, make targets and values of the chart that exist', async () => {
    const values = await yamlFile<Record<string, unknown>>('deploy', 'helm', 'sandlot', 'values.yaml');
    const scripts = await readdir(repositoryPath('scripts'));
    const targets = new Set([...(await document('Makefile')).matchAll(/^([a-z0-9-]+):/gm)].map(([, target]) => target));
    const wrong: string[] = [];
    let seen = 0;
    const check = (path: string, what: string, exists: boolean) => {
      seen += 1;
      if (!exists) wrong.push(`${path}: ${what}`);
    };
    for (const folder of operators)
      for (const file of await readdir(repositoryPath(...folder.split('/')))) {
        const path = join(folder, file);
        const text = await document(path);
        for (const [, script] of text.matchAll(/scripts\/([\w.-]+\.(?:sh|mjs))/g)) check(path, script!, scripts.includes(script!));
        for (const [, target] of text.matchAll(/`make ([a-z0-9-]+)/g)) check(path, `make ${target}`, targets.has(target!));
        for (const [, value] of text.matchAll(/`([a-z]\w*(?:\.\w+)+)[`:]/g)) {
          const [top] = value!.split('.');
          if (top! in values && !/\.(?:yaml|json|conf|ts|md|net|com)$/.test(value!))
            check(path, value!, isValue(values, value!.split('.')));
        }
      }
    expect(wrong).toEqual([]);
    expect(seen).toBeGreaterThan(100);
  });

  it('say of sizes what the chart asks for', async () => {
    const read = (file: string) => yamlFile<Record<string, Part | undefined>>('deploy', 'helm', 'sandlot', file);
    const [own, more] = [await read('values.yaml'), await read('values-production.yaml')];
    const parts = ['proxy', 'gateway', 'auth', 'provisioner', 'audit', 'nats', 'postgresql'];
    const sum = (count: (part: string) => number, of: (part: string) => Requests) =>
      parts.reduce(
        (all, part) => [all[0]! + count(part) * cores(of(part).cpu), all[1]! + count(part) * gibibytes(of(part).memory)],
        [0, 0],
      );
    const first = sum(() => 1, (part) => own[part]!.resources!.requests); // prettier-ignore
    const replicas = (part: string) => (part === 'postgresql' ? 0 : (more[part]?.autoscaling?.minReplicas ?? more[part]?.replicas ?? 1));
    const production = sum(replicas, (part) => ({ ...own[part]!.resources!.requests, ...more[part]?.resources?.requests }));
    const text = await document('docs/explanation/sizing.md');
    expect(text).toContain(`requests of ${first[0]!.toFixed(1)} cores and ${first[1]!.toFixed(1)} GiB in all`);
    expect(text).toContain(`at least ${production[0]!.toFixed(1)} cores and ${production[1]!.toFixed(1)} GiB are requested`);
  });
});

interface Requests {
  cpu: string;
  memory: string;
}
interface Part {
  replicas?: number;
  autoscaling?: { minReplicas?: number };
  resources?: { requests: Requests };
}
const cores = (quantity: string) => (quantity.endsWith('m') ? Number(quantity.slice(0, -1)) / 1000 : Number(quantity));
const gibibytes = (quantity: string) => (quantity.endsWith('Gi') ? Number(quantity.slice(0, -2)) : Number(quantity.slice(0, -2)) / 1024);

function isValue(values: unknown, [key, ...rest]: string[]): boolean {
  if (key === undefined) return true;
  if (typeof values !== 'object' || values === null || !(key in values)) return false;
  return isValue((values as Record<string, unknown>)[key], rest);
}
