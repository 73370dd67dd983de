import { itUnless } from '@sandlot/testing';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { complaints, programs } from './testing/accepted.js';
import { compose, environmentOf, programOf, type ComposeService } from './testing/compose.js';
import { repositoryPath, yamlFile } from './testing/repository-file.js';

describe('docker-compose.yml', () => {
  const each = async (): Promise<[string, ComposeService][]> => Object.entries((await compose()).services);

  it('gives every program an environment that it accepts', async () => {
    const ours = (await each()).filter(([, service]) => programs.includes(programOf(service) ?? ''));
    expect(ours.map(([name]) => name).sort()).toEqual([...programs].sort());
    for (const [name, service] of ours) expect([name, complaints(programOf(service)!, environmentOf(service))]).toEqual([name, []]);
  });

  it('has secrets in files alone, and shows a service its own', async () => {
    for (const [name, { environment, volumes = [], profiles }] of await each()) {
      for (const [variable, value] of Object.entries(environment ?? {}))
        if (/KEY|PASSWORD|DATABASE_URL$|READER_URL/.test(variable) && String(value) !== '')
          expect([name, variable, String(value)]).toEqual([name, variable, expect.stringMatching(/^\/keys\//)]);
      const keys = volumes.filter((volume) => (typeof volume === 'string' ? volume.startsWith('keys:') : volume.source === 'keys'));
      if (['setup', 'hand-out'].includes(name) || profiles?.includes('observability')) continue; // who makes them, hands them out, needs none
      expect([name, keys]).toEqual([
        name,
        [{ type: 'volume', source: 'keys', target: '/keys', read_only: true, volume: { subpath: name } }],
      ]);
    }
  });

  it('runs nothing with a root that can be written, or with a privilege', async () => {
    for (const [name, service] of await each()) {
      expect([name, service.read_only, service.cap_drop]).toEqual([name, true, ['ALL']]);
      expect(service.security_opt).toEqual(['no-new-privileges:true']);
    }
  });

  it('is reached from this machine alone, unless one says otherwise', async () => {
    for (const [, { ports = [] }] of await each()) for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/);
  });

  it('starts in order: keys, servers, migration, services, the door', async () => {
    const { services } = await compose();
    const after = (name: string): string[] =>
      Object.entries(services[name]!.depends_on ?? {}).flatMap(([other, { condition }]) => {
        const works = condition === 'service_healthy' ? !services[other]!.healthcheck?.disable : services[other]!.healthcheck?.disable;
        expect([name, other, Boolean(works)]).toEqual([name, other, true]); // health is asked of who has some, the end of who ends
        return [other, ...after(other)];
      });
    expect(new Set(after('proxy'))).toEqual(
      new Set(['auth', 'provisioner', 'gateway', 'hand-out', 'migrate', 'postgres', 'nats', 'setup']),
    );
  });

  it('declares every volume that it uses, and uses every one', async () => {
    const { services, volumes } = await compose();
    const used = Object.values(services).flatMap(({ volumes: mounts = [] }) =>
      mounts.map((mount) => (typeof mount === 'string' ? mount.split(':')[0]! : mount.source)).filter((source) => !/^[./]/.test(source)),
    );
    expect([...new Set(used)].sort()).toEqual(Object.keys(volumes).sort());
  });

  it('has three NATS servers with the profile ha, and three copies', async () => {
    const text = await readFile(repositoryPath('deploy', 'compose', 'ha.env'), 'utf8');
    const variables = Object.fromEntries(text.split('\n').filter((line) => /^\w/.test(line)).map((line) => line.split(/=(.*)/).slice(0, 2) as [string, string])); // prettier-ignore
    const { services } = await compose(variables);
    expect(variables['COMPOSE_PROFILES']).toBe('ha');
    expect(Object.keys(services).filter((name) => services[name]!.profiles?.includes('ha'))).toEqual(['nats-2', 'nats-3']);
    expect(services['nats']!.command).toContain('/keys/nats-of-3.conf');
    expect(environmentOf(services['migrate']!)).toMatchObject({ SANDLOT_STREAM_REPLICAS: '3' });
    expect(environmentOf(services['proxy']!)['SANDLOT_NATS_URL']!.split(',')).toHaveLength(3);
    expect(complaints('migrate', environmentOf(services['migrate']!))).toEqual([]);
  });

  it('S2-40 has Prometheus, Grafana, Tempo and Loki with the profile observability, provisioned with our rules, dashboards and sources', async () => {
    const text = await readFile(repositoryPath('deploy', 'compose', 'observability.env'), 'utf8');
    const variables = Object.fromEntries(text.split('\n').filter((line) => /^\w/.test(line)).map((line) => line.split(/=(.*)/).slice(0, 2) as [string, string])); // prettier-ignore
    const { services } = await compose(variables);
    const observers = Object.entries(services).filter(([, { profiles }]) => profiles?.includes(variables['COMPOSE_PROFILES']!));
    expect(observers.map(([name]) => name)).toEqual(['prometheus', 'grafana', 'tempo', 'loki', 'alloy']);
    for (const [name, { volumes = [] }] of observers)
      for (const volume of volumes.map((one) => String(one).split(':')[0]!).filter((source) => source.startsWith('./')))
        expect([name, volume, existsSync(repositoryPath(volume))]).toEqual([name, volume, true]);
    for (const [name, service] of await each())
      if (environmentOf(service)['SANDLOT_NATS_URL'])
        expect([name, 'OTEL_EXPORTER_OTLP_ENDPOINT' in environmentOf(service)]).toEqual([name, true]);
    expect(environmentOf(services['gateway']!)['OTEL_EXPORTER_OTLP_ENDPOINT']).toBe('http://tempo:4318');
    interface Sources {
      datasources: { url: string }[];
    }
    const { datasources } = await yamlFile<Sources>('deploy', 'compose', 'grafana', 'datasources', 'sandlot.yml');
    for (const { url } of datasources) expect(Object.keys(services)).toContain(new URL(url).hostname);
    interface Scrapes {
      scrape_configs: { static_configs: { targets: string[] }[] }[];
    }
    const { scrape_configs: scrapes } = await yamlFile<Scrapes>('deploy', 'compose', 'prometheus.yml');
    const targets = scrapes.flatMap(({ static_configs: all }) => all.flatMap((one) => one.targets));
    const metricsPort = (name: string) => environmentOf(services[name]!)['SANDLOT_METRICS_PORT'] ?? '9090';
    const host = (name: string) => services[name]!.network_mode?.replace('service:', '') ?? name;
    const ours = ['auth', 'provisioner', 'audit', 'gateway', 'proxy'].map((name) => `${host(name)}:${metricsPort(name)}`);
    expect(targets.sort()).toEqual(ours.sort());
  });

  itUnless(hasCompose() ? undefined : 'docker compose is not installed')('is understood by docker compose', () => {
    for (const args of [[], ['--env-file', 'deploy/compose/ha.env'], ['--env-file', 'deploy/compose/observability.env']])
      execFileSync('docker', ['compose', ...args, 'config', '--quiet'], { cwd: repositoryPath(), stdio: 'pipe' });
  });
});

function hasCompose(): boolean {
  try {
    execFileSync('docker', ['compose', 'version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
