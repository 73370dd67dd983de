import { readdir, readFile } from 'node:fs/promises';
import { repositoryPath, yamlFile } from '../../deploy/testing/repository-file.js';

export interface AlertRule {
  alert: string;
  expr: string;
  for?: string;
  labels: { severity: string };
  annotations: { summary: string; description: string; runbook_url: string };
}

export const alertsPath = repositoryPath('deploy', 'helm', 'sandlot', 'files', 'monitoring', 'alerts.yml');
export const alertCasesPath = repositoryPath('deploy', 'monitoring', 'alerts.test.yml');
export const runbooksPath = repositoryPath('docs', 'runbooks');

export async function alertRules(): Promise<AlertRule[]> {
  const { groups } = await yamlFile<{ groups: { rules: AlertRule[] }[] }>('deploy', 'helm', 'sandlot', 'files', 'monitoring', 'alerts.yml');
  return groups.flatMap(({ rules }) => rules);
}

export interface Dashboard {
  uid: string;
  title: string;
  panels: { title: string; targets: { expr: string }[] }[];
}

export async function dashboards(): Promise<Dashboard[]> {
  const folder = repositoryPath('deploy', 'helm', 'sandlot', 'files', 'dashboards');
  const files = (await readdir(folder)).sort();
  return Promise.all(files.map(async (file) => JSON.parse(await readFile(`${folder}/${file}`, 'utf8')) as Dashboard));
}

/** Everything that dashboards and alerts ask, with Grafana's variables filled in, by where it stands. */
export async function allQueries(): Promise<[string, string][]> {
  const asked = (await dashboards()).flatMap(({ title, panels }) =>
    panels.flatMap((panel) => panel.targets.map(({ expr }): [string, string] => [`${title} / ${panel.title}`, expr])),
  );
  const filled = asked.map(([where, expr]): [string, string] => [
    where,
    expr.replaceAll('$__rate_interval', '1m').replaceAll('$namespace', '.*'),
  ]);
  return [...filled, ...(await alertRules()).map(({ alert, expr }): [string, string] => [alert, expr])];
}
