import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { prometheusBinaries } from '@sandlot/testbed';
import { atEnd, freePort, tempDir, waitFor } from '@sandlot/testing';
import { stringify } from 'yaml';

export interface ScrapeConfig {
  job_name: string;
  static_configs: { targets: string[]; labels?: Record<string, string> }[];
}

/** A real Prometheus of this test file's own, which asks every second. */
export class Prometheus {
  private constructor(
    readonly url: string,
    private readonly said: () => string,
  ) {}

  /** @param ruleFiles paths of files with rules */
  static async start(scrape: ScrapeConfig[], ruleFiles: string[], externalLabels: Record<string, string> = {}): Promise<Prometheus> {
    const { prometheus: program } = await prometheusBinaries();
    const [folder, port] = [await tempDir(), await freePort()];
    const config = join(folder, 'prometheus.yml');
    const global = { scrape_interval: '1s', evaluation_interval: '1s', external_labels: externalLabels };
    await writeFile(config, stringify({ global, rule_files: ruleFiles, scrape_configs: scrape }));
    const args = [`--config.file=${config}`, `--storage.tsdb.path=${join(folder, 'data')}`, `--web.listen-address=127.0.0.1:${port}`];
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], cwd: folder });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (said += text));
    atEnd(() => void child.kill('SIGKILL'));
    const prometheus = new Prometheus(`http://127.0.0.1:${port}`, () => said);
    await waitFor(async () => (await fetch(`${prometheus.url}/-/ready`)).ok || child.exitCode !== null, {
      within: 30_000,
      describe: 'Prometheus is ready',
    });
    if (child.exitCode !== null) throw new Error(`Prometheus ended with ${child.exitCode}; it said:\n${said}`);
    return prometheus;
  }

  async ask<Data>(path: string, params: Record<string, string> = {}): Promise<Data> {
    const response = await fetch(`${this.url}/api/v1/${path}?${new URLSearchParams(params)}`);
    const answer = (await response.json()) as { status: string; data: Data; error?: string };
    if (answer.status !== 'success') throw new Error(`${path} ${JSON.stringify(params)}: ${answer.error}\n${this.said().slice(-500)}`);
    return answer.data;
  }

  /** Alerts that fire, with their labels and annotations. */
  async firing(): Promise<{ labels: Record<string, string>; annotations: Record<string, string> }[]> {
    const { alerts } = await this.ask<{ alerts: { state: string; labels: Record<string, string>; annotations: Record<string, string> }[] }>(
      'alerts',
    );
    return alerts.filter(({ state }) => state === 'firing');
  }
}
