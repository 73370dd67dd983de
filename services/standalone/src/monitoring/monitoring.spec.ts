import { readdir, readFile } from 'node:fs/promises';
import { metricTable } from '@sandlot/contracts';
import { yamlFile } from '../deploy/testing/repository-file.js';
import { alertRules, allQueries, dashboards, runbooksPath } from './testing/monitoring-files.js';

const theirs = ['up']; // Prometheus' own
const metricName = /\b(?:sandlot|http_server|nodejs|v8js|process)_[a-z0-9_]+/g;
const known = (name: string) => metricTable[name] ?? metricTable[name.replace(/_(bucket|sum|count)$/, '')];

describe('what is monitored (S0-60, S2-40)', () => {
  it('asks in dashboards and alerts for metrics that there are, and for nothing else', async () => {
    const unknown = (await allQueries()).flatMap(([where, expr]) => {
      const names = expr.match(metricName) ?? [];
      if (names.length === 0 && !theirs.some((name) => expr.includes(name))) return [`${where}: no metric`];
      return names.filter((name) => !known(name)).map((name) => `${where}: ${name}`);
    });
    expect(unknown).toEqual([]);
  });

  it('shows every metric of ours in a dashboard', async () => {
    const asked = (await allQueries()).map(([, expr]) => expr).join('\n');
    const shown = new Set((asked.match(metricName) ?? []).map((name) => name.replace(/_(bucket|sum|count)$/, '')));
    const apart = ['sandlot_sandbox_requests_total']; // by name of user and sandbox: whoever asks for it looks for one of them
    const hidden = Object.keys(metricTable).filter(
      (name) => /^(sandlot|http_server)_/.test(name) && !shown.has(name) && !apart.includes(name),
    );
    expect(hidden).toEqual([]);
  });

  it('has six dashboards, each of whose panels has a title of its own', async () => {
    const all = await dashboards();
    expect(all.map(({ title }) => title).sort().map((title) => title.slice(0, 9))).toEqual([1, 2, 3, 4, 5, 6].map((n) => `Sandlot ${n}`)); // prettier-ignore
    expect(new Set(all.map(({ uid }) => uid)).size).toBe(6);
    for (const { panels } of all) expect(new Set(panels.map(({ title }) => title)).size).toBe(panels.length);
  });

  it('says of every alert how bad it is, what it means and where to read on', async () => {
    for (const { alert, labels, annotations } of await alertRules()) {
      expect([alert, labels.severity]).toEqual([alert, expect.stringMatching(/^(critical|warning)$/)]);
      expect(annotations).toEqual({
        summary: expect.stringMatching(/.{10}/),
        description: expect.stringMatching(/.{10}\.$/),
        runbook_url: `{{ $externalLabels.sandlot_url }}/docs/runbooks/${alert}`,
      });
    }
  });

  it('has a runbook for every alert and for nothing else, with symptom, cause, how to look and what to do', async () => {
    const alerts = (await alertRules()).map(({ alert }) => alert);
    expect((await readdir(runbooksPath)).sort()).toEqual(alerts.map((alert) => `${alert}.md`).sort());
    for (const alert of alerts) {
      const text = await readFile(`${runbooksPath}/${alert}.md`, 'utf8');
      expect([alert, ...text.matchAll(/^#+ .*$/gm)].map(String)).toEqual([
        alert,
        `# ${alert}`,
        '## Symptom',
        '## Cause',
        '## How to look',
        '## What to do',
      ]);
      expect([alert, text.split(/\s+/).length < 350]).toEqual([alert, true]); // two minutes
    }
  });

  it('has a case in which every alert fires, and one in which it does not', async () => {
    interface Case {
      name: string;
      promql_expr_test: { expr: string; exp_samples: unknown[] }[];
    }
    const { tests } = await yamlFile<{ tests: Case[] }>('deploy', 'monitoring', 'alerts.test.yml');
    const cases = tests.flatMap(({ promql_expr_test: asked }) =>
      asked.map(({ expr, exp_samples: samples }) => `${/alertname="(\w+)"/.exec(expr)?.[1]} ${samples.length > 0}`),
    );
    const wanted = (await alertRules()).flatMap(({ alert }) => [`${alert} true`, `${alert} false`]);
    expect(wanted.filter((one) => !cases.includes(one))).toEqual([]);
  });
});
