import { spawn } from 'node:child_process';
import { chmod, symlink, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { controlPlaneBinaries, helmBinary } from '@sandlot/testbed';
import { tempDir } from '@sandlot/testing';
import { repositoryPath } from './repository-file.js';

export interface Said {
  code: number | null;
  stdout: string;
  stderr: string;
}
export type Script = (name: string, args?: string[], how?: { env?: Record<string, string>; input?: string; cwd?: string }) => Promise<Said>;

/** Runs scripts/ with the kubectl and helm of the testbed, and programs of one's own before those on PATH. */
export async function scripts(kubeconfig: string, programs: Record<string, string> = {}): Promise<Script> {
  const bin = await tempDir();
  const { kube } = await controlPlaneBinaries();
  const all = { kubectl: `exec ${kube} kubectl "$@"`, ...programs };
  for (const [name, body] of Object.entries(all)) {
    await writeFile(join(bin, name), `#!/bin/sh\n${body}\n`);
    await chmod(join(bin, name), 0o755);
  }
  await symlink(await helmBinary(), join(bin, 'helm'));
  return (name, args = [], { env = {}, input = '', cwd = '/' } = {}) =>
    new Promise((resolve, reject) => {
      const child = spawn(repositoryPath('scripts', name), args, {
        cwd,
        env: { PATH: `${bin}${delimiter}${process.env['PATH']}`, HOME: process.env['HOME'], KUBECONFIG: kubeconfig, ...env },
      });
      const said = { stdout: '', stderr: '' };
      for (const stream of ['stdout', 'stderr'] as const) child[stream].on('data', (data: Buffer) => (said[stream] += data.toString()));
      child.on('error', reject).on('close', (code) => resolve({ code, ...said }));
      child.stdin.on('error', () => undefined); // it may end without having read
      child.stdin.end(input);
    });
}
