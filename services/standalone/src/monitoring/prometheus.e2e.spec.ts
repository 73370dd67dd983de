import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { metricTable, type MetricInfo } from '@sandlot/contracts';
import { tempDir, waitFor } from '@sandlot/testing';
import { repository } from '../testing/build.js';
import { startPlatform, type Platform } from '../testing/platform.js';
import { refused, succeeded } from '../testing/problems.js';
import { newSandbox, newTenant, run } from '../testing/tenants.js';
import { alertRules, alertsPath, allQueries } from './testing/monitoring-files.js';
import { shownMetrics, type ShownMetric } from './testing/exposition.js';
import { Prometheus } from './testing/prometheus.js';

type Service = MetricInfo['services'][number];

/** What this test does not bring about: the metrics that say so are shown by other tests, of Kubernetes, TLS and consumers. */
const notHere = [
  'on Kubernetes',
  'on Kubernetes, once there is one',
  'with TLS',
  'with `SANDLOT_JWT_ISSUERS`',
  'once there is one',
  'once one expires',
];
/** The audit service appends only what operators do to its read models. */
const seldom: Partial<Record<Service, string[]>> = {
  audit: ['sandlot_events_appended_total', 'sandlot_event_append_duration_seconds', 'sandlot_append_conflicts_total'],
};
const settings = {
  SANDLOT_METRICS_SANDBOXES: '5',
  SANDLOT_WAKE_TIMEOUT: '20',
  SANDLOT_MAX_REQUESTS_PER_SECOND: '1000000',
};
const ready = { prefer: 'wait=30' };
const publicUrl = 'https://sandlot.example.com';

describe('a real Prometheus beside a running platform (S0-60, S0-63, S1-29, S2-40)', () => {
  let platform: Platform;
  let prometheus: Prometheus;
  let shown: Record<Service, Map<string, ShownMetric>>;

  const pages = async () => {
    const urls = platform.metricsUrls!();
    const read = async ([service, url]: [string, string]) => [service, shownMetrics(await (await fetch(`${url}/metrics`)).text())];
    return Object.fromEntries(await Promise.all(Object.entries(urls).map(read))) as typeof shown;
  };

  /** Everything that is done once, so that what counts it is there. */
  beforeAll(async () => {
    platform = await startPlatform({ mode: 'processes', env: settings });
    const alice = await newTenant(platform.admin, 'alice', { email: 'alice@example.com' });
    await newSandbox(alice.api, 's1');
    await run(alice.api, 's1', 'true');
    succeeded(await alice.api.post('/api/v1/sandboxes/s1/pause', undefined, ready), 200);
    await run(alice.api, 's1', 'true'); // which wakes it
    await newSandbox(alice.api, 's2');
    succeeded(await alice.api.delete('/api/v1/sandboxes/s2', ready), 204);
    refused(await platform.nobody.get('/api/v1/me'), 'UNAUTHENTICATED');
    succeeded(await platform.admin.get('/api/v1/admin/routing?user=alice&path=/proxy/s1/'), 200);
    const backup = [join(repository, 'services/admin/dist/main.js'), 'backup', 'create', join(await tempDir(), 'backups')];
    await promisify(execFile)(process.execPath, backup, { env: { ...process.env, SANDLOT_DATA_DIR: platform.dataDir } });

    const rules = join(await tempDir(), 'alerts.yml'); // as they are, but for their patience
    await writeFile(rules, (await readFile(alertsPath, 'utf8')).replaceAll(/^( +for: ).*$/gm, '$11s'));
    const targets = Object.entries(platform.metricsUrls!()).map(([service, url]) => ({
      targets: [new URL(url).host],
      labels: { instance: service },
    }));
    prometheus = await Prometheus.start([{ job_name: 'sandlot', static_configs: targets }], [rules], { sandlot_url: publicUrl });
    shown = await waitFor(pages, { within: 60_000, describe: 'the gateway to have heard of the backup' }, ({ gateway }) =>
      gateway.has('sandlot_backup_last_success_timestamp_seconds'),
    );
  }, 180_000);
  afterAll(() => platform?.stop(), 60_000);

  it('reaches every process, and finds no fault in any rule', async () => {
    interface Targets {
      activeTargets: { labels: { instance: string }; health: string; lastError: string }[];
    }
    const { activeTargets } = await waitFor(
      () => prometheus.ask<Targets>('targets'),
      { within: 30_000, describe: 'every target to be found and up' }, // Prometheus waits 5 s before it believes in any
      ({ activeTargets: all }) => all.length === 5 && all.every(({ health }) => health === 'up'),
    );
    expect(activeTargets.map(({ labels }) => labels.instance).sort()).toEqual(['audit', 'auth', 'gateway', 'provisioner', 'proxy']);
    interface Rules {
      groups: { rules: { name: string; health: string; lastError?: string }[] }[];
    }
    const { groups } = await waitFor(
      () => prometheus.ask<Rules>('rules'),
      { describe: 'every rule to be evaluated' },
      ({ groups: all }) => all.flatMap(({ rules }) => rules).every(({ health }) => health !== 'unknown'),
    );
    const rules = groups.flatMap((group) => group.rules);
    expect(rules.map(({ name }) => name).sort()).toEqual((await alertRules()).map(({ alert }) => alert).sort());
    expect(rules.filter(({ health }) => health !== 'ok')).toEqual([]);
  }, 60_000);

  it('is shown every metric of the reference by the services that it names, and none that is not in it', () => {
    const wrong: string[] = [];
    for (const [service, metrics] of Object.entries(shown) as [Service, Map<string, ShownMetric>][]) {
      for (const [name, { type, help, labels }] of metrics) {
        const info = metricTable[name];
        const fits =
          info && info.services.includes(service) && info.type === type && [...labels].every((label) => info.labels.includes(label));
        if (!fits || info.help !== help) wrong.push(`${service} shows ${name} (${type}: ${help}) {${[...labels].join()}}`);
      }
      for (const [name, { services, only = '' }] of Object.entries(metricTable))
        if (services.includes(service) && !notHere.includes(only) && !seldom[service]?.includes(name) && !metrics.has(name))
          wrong.push(`${service} does not show ${name}`);
    }
    expect(wrong).toEqual([]);
  });

  it('understands every query of dashboards and alerts, each about metrics and labels that are shown', async () => {
    const given = ['__name__', 'namespace', 'job', 'instance', 'le'];
    const wrong: string[] = [];
    for (const [where, query] of await allQueries()) {
      const metrics = selectorsIn(await prometheus.ask<Node>('parse_query', { query }));
      await prometheus.ask('query', { query });
      for (const { name, labels } of metrics) {
        const family = metricTable[name] ? name : name.replace(/_(bucket|sum|count)$/, '');
        const info = metricTable[family];
        const isShown = Object.values(shown).some((page) => page.has(family)) || notHere.includes(info?.only ?? '');
        const odd = labels.filter((label) => !given.includes(label) && !info?.labels.includes(label));
        if (name !== 'up' && (!isShown || odd.length > 0)) wrong.push(`${where}: ${name} {${odd.join()}}`);
      }
    }
    expect(wrong).toEqual([]);
  }, 60_000);

  it('fires no alert while all is well', async () => {
    // Before the first scrape, nobody told how the platform is.
    await waitFor(
      () => prometheus.firing(),
      { within: 30_000, describe: 'no alert' },
      (alerts) => alerts.length === 0,
    );
  }, 40_000);

  it('fires when a service is killed, with a runbook that the gateway serves, and is quiet when it is back', async () => {
    const firing = async () => (await prometheus.firing()).filter(({ labels }) => labels['alertname'] === 'SandlotServiceDown');
    await platform.kill('audit');
    const [alert] = await waitFor(firing, { within: 30_000, describe: 'the alert' }, (alerts) => alerts.length > 0);
    expect(alert).toMatchObject({
      labels: { severity: 'critical', instance: 'audit' },
      annotations: { summary: 'audit cannot be scraped', runbook_url: `${publicUrl}/docs/runbooks/SandlotServiceDown` },
    });
    const page = succeeded(await platform.nobody.get(new URL(alert!.annotations['runbook_url']!).pathname), 200);
    expect([page.headers['content-type'], page.text]).toEqual(['text/plain; charset=utf-8', expect.stringContaining('## What to do')]);
    refused(await platform.nobody.get('/docs/runbooks/..%2f..%2fpackage.json'), 'MALFORMED_REQUEST');
    refused(await platform.nobody.get('/docs/runbooks/SandlotNothing'), 'NOT_FOUND');
    await platform.restart('audit');
    await waitFor(firing, { within: 30_000, describe: 'its end' }, (alerts) => alerts.length === 0);
  }, 90_000);

  it('fires when PostgreSQL is killed, by way of a health code', async () => {
    const firing = async () => (await prometheus.firing()).map(({ labels }) => labels['alertname']);
    await platform.kill('postgres');
    await waitFor(firing, { within: 60_000, describe: 'the alert' }, (names) => names.includes('SandlotDatabaseUnavailable'));
    await platform.restart('postgres');
    await waitFor(firing, { within: 60_000, describe: 'its end' }, (names) => !names.includes('SandlotDatabaseUnavailable'));
  }, 150_000);
});

interface Node {
  type?: string;
  name?: string;
  matchers?: { name: string }[];
  grouping?: string[];
  [part: string]: unknown;
}

/** The selectors of a parsed query, each with the labels that it names, and those that an aggregation above it keeps. */
function selectorsIn(node: Node, kept: string[] = []): { name: string; labels: string[] }[] {
  const labels = [...kept, ...(node.grouping ?? [])];
  const own =
    node.type === 'vectorSelector' || node.type === 'matrixSelector'
      ? [{ name: node.name ?? '', labels: [...labels, ...(node.matchers ?? []).map(({ name }) => name)] }]
      : [];
  const below = Object.values(node).flatMap((part) => (Array.isArray(part) ? part : [part]));
  const nodes = below.filter((part): part is Node => typeof part === 'object' && part !== null && 'type' in part);
  return [...own, ...nodes.flatMap((part) => selectorsIn(part, labels))];
}
