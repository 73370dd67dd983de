import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { natsServices } from '@sandlot/embedded';
import { natsServerBinary, tempDir } from '@sandlot/testing';
import { keyGroups } from '../setup/keys.js';
import { alertRules, dashboards, type AlertRule, type Dashboard } from '../monitoring/testing/monitoring-files.js';
import { complaints, programs, settingsOf } from './testing/accepted.js';
import {
  chart,
  helm,
  helm3,
  manifests,
  podTemplate,
  productionValues,
  render,
  valuesFile,
  type Container,
  type Manifest,
  type PodTemplate,
} from './testing/chart.js';
import { yamlDocuments, yamlFile } from './testing/repository-file.js';

const production = {
  accessUrl: 'https://sandlot.example.com',
  ingress: { enabled: true, host: 'sandlot.example.com', previewHost: '*.sandboxes.example.com', tls: { enabled: true } },
  keys: { existing: { masterKey: 'master', postgresql: 'database' } },
};
const minimalRights = { sandboxes: { namespaces: ['user-alice', 'user-bob'] } };
const external = {
  nats: { embedded: false, url: 'tls://nats.example.com:4222', streamReplicas: 3, tlsSecret: 'nats-ca', tlsClientCertificate: true },
  postgresql: { embedded: false },
  keys: { existing: { natsIdentities: 'nats', identityKey: 'identity', masterKey: 'master', adminKey: 'admin', postgresql: 'database' } },
};
/** Every value that an environment depends on, other than its default. */
const everySetting = {
  logLevel: 'debug',
  accessUrl: 'https://sandlot.example.com',
  extraEnv: [{ name: 'OTEL_EXPORTER_OTLP_ENDPOINT', value: 'http://collector:4318' }],
  previews: { domain: 'sandboxes.example.net', existingSecret: 'preview' },
  proxy: {
    trustedProxies: ['10.0.0.0/8', '192.0.2.1'],
    limits: { requestsPerSecond: 1_000_000, requestsPerUser: 0, connectionsPerUser: 100_000 },
    tunnelIdleSeconds: 604_800,
    tls: { secretName: 'tls', clientCaSecret: 'clients', clientUser: 'URI=spiffe://example.org/user/{username}' },
    jwt: {
      issuers: [
        {
          ...{ name: 'corp', issuer: 'https://login.example.com/', jwksUrl: 'https://login.example.com/jwks.json', audience: 'sandlot' },
          ...{ authorizedParty: 'cli', algorithms: ['ES256'], userClaim: 'preferred_username', userBy: 'username' },
        },
      ],
      existingSecret: 'jwt',
    },
  },
  sandboxes: {
    image: 'ghcr.io/acme/sandbox:1',
    imagePullSecrets: ['pull'],
    namespaces: ['user-alice'],
    defaults: { runtimeClass: 'gvisor', storageClass: 'fast' },
    allowed: {
      images: ['ghcr.io/acme/*'],
      runtimeClasses: ['kata'],
      nodeLabels: ['pool=gpu'],
      taints: ['gpu=*'],
      storageClasses: ['*'],
      buckets: ['b'],
    },
    relaxedImages: ['ghcr.io/acme/*=writable-root+image-user'],
    egress: { mode: 'gateway', peers: ['egress/app=gateway'], deny: ['192.0.2.0/24'] },
    discovery: { namespaces: ['*'], shared: true, port: 8080, refreshSeconds: 60 },
    serviceAccountAnnotations: { 'iam.gke.io/gcp-service-account': 'sandbox@acme.iam.gserviceaccount.com' },
  },
};
const variants: [string, object, string[]][] = [
  ['by default', {}, []],
  ['for production', production, [productionValues]],
  ['with minimal rights', minimalRights, []],
  ['with external servers', external, []],
  ['with every setting', everySetting, []],
];

function containers(objects: Manifest[]): { manifest: Manifest; container: Container }[] {
  return objects.flatMap((manifest) => {
    const spec = podTemplate(manifest)?.spec;
    return [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])].map((container) => ({ manifest, container }));
  });
}

/** Of a container of ours: what it runs, and with what. */
function environments(objects: Manifest[]): { program: string; env: Record<string, string> }[] {
  return containers(objects).flatMap(({ container: { args = [], env = [] } }) => {
    const program = /^services\/(?:(\w+)\/dist\/main|standalone\/dist\/(migrate))\.js$/.exec(args[0] ?? '');
    if (!program) return [];
    return [
      { program: (program[1] ?? program[2]) as string, env: Object.fromEntries(env.map(({ name, value }) => [name, value as string])) },
    ];
  });
}

describe('the Helm chart', () => {
  it.each(variants)('gives the same bytes every time, without a secret in them, %s', async (_, values, files) => {
    const [one, other] = await Promise.all([render(values, files), render(values, files)]);
    expect(one).toBe(other);
    expect(one).not.toMatch(/kind: Secret\n|SU[A-Z2-7]{50}|slk_[0-9A-Za-z]{10}|PRIVATE KEY/);
  });

  it.each(variants)('is the same objects for Helm 3, which finds no fault with it, %s', async (_, values, files) => {
    const args = [...files, await valuesFile(values)].flatMap((file) => ['-f', file]);
    expect(await helm3(['lint', chart, '--strict', '--namespace', 'sandlot', ...args])).toContain('0 chart(s) failed');
    expect(yamlDocuments(await render(values, files, helm3))).toEqual(await manifests(values, files));
  });

  it.each(variants)('gives every program an environment that it accepts, %s', async (_, values, files) => {
    const found = environments(await manifests(values, files));
    expect(found.map(({ program }) => program).sort()).toEqual([...programs].sort());
    for (const { program, env } of found) expect([program, complaints(program, env)]).toEqual([program, []]);
  });

  it('has a value for every setting, but for those that a pod of it has no use for', async () => {
    const noUse: Record<string, string> = {
      SANDLOT_CRASH_AT: 'for crash tests',
      SANDLOT_DATA_DIR: 'of the process runtime',
      SANDLOT_SANDBOX_PATH: 'of the process runtime',
      SANDLOT_HOST: 'all addresses of the pod',
      SANDLOT_PORT: 'the Service has the port that counts',
      SANDLOT_METRICS_HOST: 'all addresses of the pod',
      SANDLOT_METRICS_PORT: 'nothing else is in the pod',
      SANDLOT_NATS_CREDS: 'identities are nkeys here',
      SANDLOT_KUBECONFIG: 'it is the service account',
      SANDLOT_ROUTE_BY: 'within the cluster by Service; provisioner.extraEnv for another way',
    };
    const set: Record<string, Set<string>> = {};
    for (const [, values, files] of variants)
      for (const { program, env } of environments(await manifests(values, files)))
        for (const name of Object.keys(env)) (set[program] ??= new Set()).add(name).add(name.replace(/_FILE$/, ''));
    for (const program of programs)
      expect([program, settingsOf(program).filter((name) => !set[program]!.has(name) && !(name in noUse))]).toEqual([program, []]);
    const settable = Object.keys(noUse).filter((name) => Object.values(set).some((names) => names.has(name)));
    expect(settable).toEqual([]);
  });

  it.each([
    ['an unknown value', { sandboxs: {} }],
    ['an unknown value inside another', { proxy: { replica: 2 } }],
    ['two NATS servers', { nats: { replicas: 2 } }],
    ['a runtime that isolates nothing', { sandboxes: { runtime: 'process' } }],
    [
      'an issuer of tokens whose keys come in the clear',
      { proxy: { jwt: { issuers: [{ name: 'a', issuer: 'a', jwksUrl: 'http://a', audience: 'a', userClaim: 'sub' }] } } },
    ],
  ])('refuses %s', async (_, values) => {
    await expect(render(values)).rejects.toThrow(/values don't meet the specifications of the schema/);
  });

  it('has a closed schema, for every value that it has and for no other', async () => {
    const schema = JSON.parse(await readFile(join(chart, 'values.schema.json'), 'utf8')) as Schema;
    const values = await yamlFile<object>('deploy', 'helm', 'sandlot', 'values.yaml');
    expect(differences(values, schema, schema.$defs ?? {}, '')).toEqual([]);
  });

  it('refuses for production what is not safe, all of it at once', async () => {
    const unsafe = {
      ...{ nats: { replicas: 1 }, postgresql: { embedded: true }, networkPolicy: { enabled: false }, rbac: { confine: false } },
      ...{ image: { tag: 'latest' }, sandboxes: { podSecurity: 'baseline' }, auth: { replicas: 1 }, ingress: { enabled: true, host: 'x' } },
    };
    const said = await render(unsafe, [productionValues]).catch((error: Error) => error.message);
    // prettier-ignore
    for (const value of ['nats.replicas', 'postgresql.embedded', 'keys.existing.masterKey', 'accessUrl', 'ingress.tls.enabled', 'networkPolicy.enabled',
      'rbac.confine', 'the tag latest', 'sandboxes.podSecurity', 'auth.replicas'])
      expect(said).toContain(value);
  });

  it('needs no ClusterRole where the namespaces are given, and gives rights in those alone', async () => {
    const objects = await manifests(minimalRights);
    expect(objects.filter(({ kind }) => /^Cluster|Admission/.test(kind))).toEqual([]);
    const roles = objects.filter(({ kind }) => kind === 'Role').map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
    expect(roles.sort()).toEqual(['sandlot/sandlot-setup', 'user-alice/sandlot-provisioner', 'user-bob/sandlot-provisioner']);
  });

  it('S1-15 reads Sandboxes of others only where discovery is switched on, in the named namespaces or in all, and lets the proxy reach those', async () => {
    const found = async (namespaces: string[]) => {
      const objects = await manifests({ sandboxes: { namespaces: ['user-alice'], discovery: { namespaces } } });
      const roles = objects.filter(({ kind, metadata }) => /Role$/.test(kind) && metadata.name.endsWith('-discovery'));
      for (const { rules } of roles as unknown as { rules: { verbs: string[] }[] }[])
        for (const { verbs } of rules) expect(verbs).toEqual(['get', 'list', 'watch']);
      const reached = objects.filter((object) => object.kind === 'NetworkPolicy' && JSON.stringify(object).includes('sandbox-name-hash'));
      return [...roles, ...reached].map(({ kind, metadata }) => `${kind} ${metadata.namespace ?? ''}/${metadata.name}`);
    };
    expect(await found([])).toEqual([]);
    expect(await found(['a', 'b'])).toEqual([
      'Role a/sandlot-discovery',
      'Role b/sandlot-discovery',
      'NetworkPolicy sandlot/sandlot-proxy',
    ]);
    expect(await found(['*'])).toEqual(['ClusterRole /sandlot-sandlot-discovery', 'NetworkPolicy sandlot/sandlot-proxy']);
  });

  it('gives a token of Kubernetes to the provisioner and to the Jobs alone', async () => {
    const withToken = (await manifests()).filter((manifest) => {
      const spec = podTemplate(manifest)?.spec;
      return spec && (spec.automountServiceAccountToken !== false || JSON.stringify(spec.volumes).includes('serviceAccountToken'));
    });
    expect(withToken.map(({ kind, metadata }) => `${kind} ${metadata.name.replace(/-\w{8,9}$/, '')}`).sort()).toEqual([
      'Deployment sandlot-provisioner',
      'Job sandlot-keys',
      'Job sandlot-migrate',
    ]);
  });

  it('gives each service its own keys and nobody else’s', async () => {
    const objects = await manifests();
    const keysOf = (service: string): string[] => {
      const { volumes } = podTemplate(
        objects.find(({ kind, metadata }) => kind === 'Deployment' && metadata.name === `sandlot-${service}`)!,
      )!.spec;
      return [...JSON.stringify(volumes).matchAll(/"key":"([^"]+)"/g)]
        .map(([, key]) => key as string)
        .filter((key) => !/^m\w{8}$/.test(key));
    };
    expect(keysOf('auth')).toEqual(['auth.nk', 'master.key', 'admin.key', 'auth.url', 'auth.reader-url']);
    expect(keysOf('provisioner')).toEqual(['provisioner.nk', 'provisioner.url', 'provisioner.reader-url']);
    expect(keysOf('audit')).toEqual(['audit.nk', 'audit.url', 'audit.reader-url']);
    expect(keysOf('gateway')).toEqual(['gateway.nk', 'identity.key']);
    expect(keysOf('proxy')).toEqual(['proxy.nk', 'identity.key']);
  });

  it('has pods wait for the migration of their version, under another name for another version', async () => {
    const waitsFor = (objects: Manifest[]) =>
      new Set(objects.filter(({ kind }) => kind === 'Deployment').map((object) => /"key":"(m\w{8})"/.exec(JSON.stringify(object))?.[1]));
    const [now, next] = [await manifests(), await manifests({ image: { tag: '0.2.0' } })];
    for (const objects of [now, next]) {
      const [migration] = waitsFor(objects);
      expect(waitsFor(objects).size).toBe(1);
      expect(objects.filter(({ kind, metadata }) => kind === 'Job' && metadata.name === `sandlot-migrate-${migration}`)).toHaveLength(1);
    }
    expect(waitsFor(now)).not.toEqual(waitsFor(next));
    expect(waitsFor(now)).toEqual(waitsFor(await manifests({ proxy: { replicas: 5 } })));
  });

  it.each([1, 3])('configures %i NATS server(s) as nats-server understands it, with the permissions of the code', async (replicas) => {
    const objects = await manifests({ nats: { replicas } });
    const config = objects.find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === 'sandlot-nats')!['data'] as Record<
      string,
      string
    >;
    const file = join(await tempDir(), 'nats.conf');
    await writeFile(file, config['nats.conf']!.replace('/data', await tempDir()));
    const identities: Record<string, string> = keyGroups['nats-identities']({});
    const env = Object.fromEntries(natsServices.map((service) => [`SANDLOT_NKEY_${service.toUpperCase()}`, identities[`${service}.pub`]]));
    const all = { ...env, POD_NAME: 'sandlot-nats-0', SANDLOT_ROUTE_PASSWORD: identities['route-password'] };
    await promisify(execFile)(await natsServerBinary(), ['-c', file, '-t'], { env: { ...process.env, ...all } });
    const { container } = containers(objects).find(({ container: { name } }) => name === 'nats')!;
    for (const variable of Object.keys(all).slice(0, replicas === 1 ? -1 : undefined))
      expect(container.env!.map(({ name }) => name)).toContain(variable);
    const permissions = JSON.parse(await readFile(join(chart, 'files', 'nats-permissions.json'), 'utf8')) as object;
    expect(Object.keys(permissions)).toEqual(natsServices);
  });

  it.each([
    ['into a volume', { claim: 'backups', access: false }, ['/backups', '--keep', '14', '--without-access']],
    [
      'into a bucket',
      { place: 's3://bucket/sandlot', existingSecret: 'bucket', endpoint: 'https://minio.example.com' },
      ['s3://bucket/sandlot', '--keep', '14'],
    ],
  ])('backs up on a schedule %s, as the identity that may take snapshots (S0-62)', async (_, values, args) => {
    const objects = await manifests({ backup: { enabled: true, ...values } });
    const job = objects.find(({ kind }) => kind === 'CronJob')!['spec'] as { jobTemplate: { spec: { template: PodTemplate } } };
    const { spec } = job.jobTemplate.spec.template;
    expect(spec.containers[0]!.args).toEqual(['services/admin/dist/main.js', 'backup', 'create', ...args]);
    expect(JSON.stringify(spec.volumes)).toContain('"key":"backup.nk"');
    expect(JSON.stringify(spec)).not.toMatch(/restorer|master/);
    const settings = spec.containers[0]!.env!.filter(({ name }) => name.startsWith('SANDLOT_'));
    expect(complaints('admin', Object.fromEntries(settings.map(({ name, value }) => [name, value!])))).toEqual([]);
    await expect(render({ backup: { enabled: true } })).rejects.toThrow('backup.enabled needs backup.claim, or backup.place');
  });

  it.each([
    [false, []],
    [true, ['--replace', '--yes']],
  ])('puts a backup back while no service runs, as the identity that may, over a log that has events: %s', async (replace, flags) => {
    const values = { backup: { claim: 'backups', restore: '20261127T021700Z', replace }, proxy: { autoscaling: { enabled: true } } };
    const objects = await manifests(values);
    const job = objects.find(({ metadata }) => metadata.name === 'sandlot-restore-1')!['spec'] as { template: PodTemplate };
    const [container] = job.template.spec.containers;
    expect(container!.args).toEqual([
      'services/admin/dist/main.js', 'restore', '/backups', '20261127T021700Z', ...flags,
    ]); // prettier-ignore
    for (const key of ['restorer.nk', 'master.key', 'migrated']) expect(JSON.stringify(job.template.spec.volumes)).toContain(key);
    const settings = container!.env!.map(({ name, value }) => [name, value!]);
    expect(complaints('admin', Object.fromEntries(settings))).toEqual([]);
    const replicas = objects.filter(({ kind }) => kind === 'Deployment').map(({ spec }) => (spec as { replicas: number }).replicas);
    expect(replicas).toEqual([0, 0, 0, 0, 0]);
    expect(objects.map(({ kind }) => kind)).not.toContain('HorizontalPodAutoscaler');
    expect(objects.map(({ kind }) => kind)).not.toContain('CronJob');
    const syncs = async (values: object) => /sync_interval: (\S+)/.exec(await render(values))![1];
    expect([await syncs({}), await syncs({ backup: { claim: 'backups', restore: 'latest' } })]).toEqual(['always', '2s']);
    await expect(render({ backup: { restore: 'latest' } })).rejects.toThrow('backup.restore needs backup.claim, or backup.place');
    await expect(render({ backup: { claim: 'backups', restore: 'yesterday' } })).rejects.toThrow('backup/restore');
    await expect(render({ backup: { replace: true } })).rejects.toThrow('backup.replace is true without backup.restore');
  });

  it('lets in the identities of before, with the rights of their service alone, while they are changed', async () => {
    const old = `U${'A'.repeat(55)}`;
    const rendered = await render({ keys: { previousNatsIdentities: { audit: old } } });
    const users = [...rendered.matchAll(/\{ nkey: (\S+), permissions: (.+) \}$/gm)].map(([, nkey, permissions]) => ({ nkey, permissions }));
    expect(users).toHaveLength(9);
    expect(users.find(({ nkey }) => nkey === old)!.permissions).toBe(users.find(({ nkey }) => nkey === '$SANDLOT_NKEY_AUDIT')!.permissions);
    await expect(render({ keys: { previousNatsIdentities: { audit: 'SUAM' } } })).rejects.toThrow('previousNatsIdentities');
    await expect(render({ keys: { previousNatsIdentities: { admin: old } } })).rejects.toThrow('previousNatsIdentities');
  });

  it('says in NOTES how to get in, and warns of what an evaluation leaves open', async () => {
    const notes = await helm(['install', 'sandlot', chart, '--namespace', 'sandlot', '--dry-run=client']);
    expect(notes).toContain('kubectl port-forward -n sandlot service/sandlot 8080:80');
    for (const warning of ['One NATS server', 'PostgreSQL is one pod', 'master key', 'No TLS', "nodes' kernel"])
      expect(notes).toContain(warning);
  });

  it('has the alert rules of deploy, about its own namespace and pods, with runbooks at its own address (S0-60, S2-40)', async () => {
    const objects = await manifests({ accessUrl: 'https://s.example.com/', metrics: { prometheusRule: { enabled: true }, serviceMonitor: { enabled: true } } }); // prettier-ignore
    const monitoring = objects.filter(({ kind }) => ['PrometheusRule', 'ServiceMonitor'].includes(kind));
    expect(monitoring).toHaveLength(2);
    const { groups } = monitoring.find(({ kind }) => kind === 'PrometheusRule')!['spec'] as { groups: { rules: AlertRule[] }[] };
    const rules = groups.flatMap((group) => group.rules);
    expect(rules.map(({ alert }) => alert)).toEqual((await alertRules()).map(({ alert }) => alert));
    for (const { alert, expr, annotations } of rules) {
      expect([alert, expr.includes('namespace="sandlot"'), /namespace=~|job="sandlot"/.test(expr)]).toEqual([alert, true, false]);
      expect(annotations.runbook_url).toBe(`https://s.example.com/docs/runbooks/${alert}`);
    }
    const service = objects.find(({ kind, metadata }) => kind === 'Service' && metadata.name === 'sandlot-metrics');
    expect(service).toBeDefined(); // the job, in the words of prometheus-operator
    expect(rules.find(({ alert }) => alert === 'SandlotServiceDown')!.expr).toContain('job="sandlot-metrics"');
  });

  it('has the dashboards as ConfigMaps that the sidecar of Grafana finds, behind a switch (S2-40)', async () => {
    const maps = (objects: Manifest[]) =>
      objects.filter(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name.includes('dashboard'));
    expect(maps(await manifests())).toEqual([]);
    const found = maps(await manifests({ metrics: { dashboards: { enabled: true } } }));
    const shown = found.flatMap(({ data }) => Object.values(data as Record<string, string>).map((json) => JSON.parse(json) as Dashboard));
    expect(shown).toEqual(await dashboards());
    for (const { metadata } of found) {
      expect(metadata.labels).toMatchObject({ grafana_dashboard: '1' });
      expect(metadata.annotations).toEqual({ grafana_folder: 'Sandlot' });
    }
  });

  it('lets the gateway ask every NATS server how it is, and nobody else', async () => {
    const objects = await manifests({ nats: { replicas: 3 } });
    const gateway = environments(objects).find(({ program }) => program === 'gateway')!.env;
    const urls = [0, 1, 2].map((server) => `http://sandlot-nats-${server}.sandlot-nats:8222`);
    expect(gateway['SANDLOT_NATS_MONITORING_URLS']).toBe(urls.join(','));
    const policies = objects.filter((object) => object.kind === 'NetworkPolicy' && /"(monitor|8222)"|:8222/.test(JSON.stringify(object)));
    expect(policies.map(({ metadata }) => metadata.name).sort()).toEqual(['sandlot-gateway-to-nats-monitoring', 'sandlot-nats-monitoring']);
  });

  it('opens the public port to the world as a LoadBalancer on port 80, under the name that one asks for (S0-42, S1-12)', async () => {
    const objects = await manifests({ fullnameOverride: 'sandbox-proxy', service: { type: 'LoadBalancer' } });
    const { spec } = objects.find(({ kind, metadata }) => kind === 'Service' && metadata.name === 'sandbox-proxy')! as { spec?: object };
    expect(spec).toMatchObject({ type: 'LoadBalancer', ports: [{ port: 80, targetPort: 'http' }] });
  });

  it('has an Ingress with TLS, for a wildcard of hosts too, or a route of the Gateway API (S2-39, S0-59)', async () => {
    const ingress = (await manifests(production, [productionValues])).find(({ kind }) => kind === 'Ingress')!['spec'];
    const hosts = ['sandlot.example.com', '*.sandboxes.example.com'];
    expect(ingress).toMatchObject({ tls: [{ secretName: 'sandlot-tls', hosts }], rules: hosts.map((host) => ({ host })) });
    const parentRefs = [{ name: 'public', namespace: 'gateways', sectionName: 'https' }];
    const route = await manifests({ httpRoute: { enabled: true, parentRefs, hostnames: hosts.slice(0, 1) } });
    expect(route.find(({ kind }) => kind === 'HTTPRoute')!['spec']).toMatchObject({
      parentRefs,
      rules: [{ backendRefs: [{ name: 'sandlot', port: 80 }] }],
    });
  });

  it('runs as many of each service as one asks for, with budgets and scaling (S1-14)', async () => {
    const objects = await manifests(production, [productionValues]);
    const ofKind = (kind: string) => objects.filter((object) => object.kind === kind).map(({ metadata }) => metadata.name.replace('sandlot-', '')).sort(); // prettier-ignore
    const replicas = objects
      .filter(({ kind }) => kind === 'Deployment')
      .map(({ metadata, ...rest }) => [metadata.name, (rest['spec'] as { replicas?: number }).replicas]);
    expect(Object.fromEntries(replicas)).toEqual({
      'sandlot-audit': 2,
      'sandlot-auth': 2,
      'sandlot-provisioner': 2,
      'sandlot-gateway': undefined,
      'sandlot-proxy': undefined,
    });
    expect(ofKind('HorizontalPodAutoscaler')).toEqual(['gateway', 'proxy']);
    expect(ofKind('PodDisruptionBudget')).toEqual(['audit', 'auth', 'gateway', 'nats', 'provisioner', 'proxy']);
  });

  it('keeps PostgreSQL in a StatefulSet with a Service and a Secret of its own (S0-46)', async () => {
    const objects = await manifests();
    const kinds = objects.filter(({ metadata }) => metadata.name === 'sandlot-postgresql').map(({ kind }) => kind);
    expect(kinds.sort()).toEqual(['NetworkPolicy', 'Service', 'StatefulSet']);
    const { volumes } = podTemplate(
      objects.find(({ kind, metadata }) => kind === 'StatefulSet' && metadata.name === 'sandlot-postgresql')!,
    )!.spec;
    expect(JSON.stringify(volumes)).toContain('"secretName":"sandlot-postgresql"');
  });

  it('keeps the labels that operators rely on (S0-55, S1-16)', async () => {
    const objects = await manifests();
    const pods = objects.flatMap((manifest) => podTemplate(manifest) ?? []);
    const app = (name: string) => pods.filter(({ metadata }) => metadata?.labels?.['app'] === name);
    expect(app('sandbox-proxy')[0]?.spec.containers[0]?.name).toBe('proxy');
    expect(app('postgres')).toHaveLength(1);
  });
});

interface Schema {
  $ref?: string;
  $defs?: Record<string, Schema>;
  type?: string | string[];
  properties?: Record<string, Schema>;
  additionalProperties?: boolean | Schema;
}

/** Values without a schema, schemas without a value, and objects of ours that are not closed. */
function differences(value: unknown, schema: Schema, defs: Record<string, Schema>, path: string): string[] {
  const own = schema.$ref ? defs[schema.$ref.replace('#/$defs/', '')]! : schema;
  if (!own.properties || typeof value !== 'object' || value === null) return [];
  const optional = /\.(resources|claims)$|\.claims/.test(path) || path === '.global';
  const values = value as Record<string, unknown>;
  return [
    ...(own.additionalProperties === false || path === '.global' ? [] : [`${path} is not closed`]),
    ...Object.keys(values).flatMap((key) => (own.properties![key] ? [] : [`${path}.${key} has no schema`])),
    ...Object.entries(own.properties).flatMap(([key, inner]) => {
      if (key in values) return differences(values[key], inner, defs, `${path}.${key}`);
      return optional ? [] : [`${path}.${key} is not in values.yaml`];
    }),
  ];
}
