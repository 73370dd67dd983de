import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { helm3Binary, helmBinary } from '@sandlot/testbed';
import { tempDir } from '@sandlot/testing';
import { stringify } from 'yaml';
import { repositoryPath, yamlDocuments } from './repository-file.js';

export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string; labels?: Record<string, string>; annotations?: Record<string, string> };
  [part: string]: unknown;
}

export interface Container {
  name: string;
  args?: string[];
  env?: { name: string; value?: string; valueFrom?: unknown }[];
  volumeMounts?: { name: string; mountPath: string }[];
}
export interface PodTemplate {
  metadata?: { labels?: Record<string, string>; annotations?: Record<string, string> };
  spec: {
    initContainers?: Container[];
    containers: Container[];
    volumes?: Record<string, unknown>[];
    serviceAccountName: string;
    automountServiceAccountToken?: boolean;
  };
}

export const chart = repositoryPath('deploy', 'helm', 'sandlot');
export const productionValues = join(chart, 'values-production.yaml');

export async function helm(args: string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
  return run(await helmBinary(), args, env);
}

export async function helm3(args: string[]): Promise<string> {
  return run(await helm3Binary(), args);
}

async function run(program: string, args: string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
  const { stdout } = await promisify(execFile)(program, args, { env: { ...process.env, ...env }, maxBuffer: 64 * 1024 * 1024 });
  return stdout;
}

/** `helm template` of these values over the chart's own; rejects with what helm says. */
export async function render(values: object = {}, files: string[] = [], by: (args: string[]) => Promise<string> = helm): Promise<string> {
  return by([
    'template',
    'sandlot',
    chart,
    '--namespace',
    'sandlot',
    ...files.flatMap((file) => ['-f', file]),
    '-f',
    await valuesFile(values),
  ]);
}

export async function valuesFile(values: object): Promise<string> {
  const file = join(await tempDir(), 'values.yaml');
  await writeFile(file, stringify(values));
  return file;
}

export async function manifests(values: object = {}, files: string[] = []): Promise<Manifest[]> {
  return yamlDocuments<Manifest>(await render(values, files));
}

/** The pods that an object makes. */
export function podTemplate(manifest: Manifest): PodTemplate | undefined {
  if (manifest.kind === 'Pod') return { metadata: manifest.metadata, spec: manifest['spec'] as PodTemplate['spec'] };
  return (manifest['spec'] as { template?: PodTemplate } | undefined)?.template;
}
