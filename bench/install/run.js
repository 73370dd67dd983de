/**
 * How long it takes from nothing to the first code in a sandbox, with the commands of docs/how-to/install-with-helm.md as they are there, on a
 * node that has the images; and what the platform has in memory when nothing happens afterwards.
 *
 *   node bench/install/run.js [--helm 3] [--idle 60] [--rounds 1] [--write] [--wait-for-quiet MINUTES]
 */
import { execFile } from 'node:child_process';
import { readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { controlPlaneBinaries, helm3Binary, helmBinary } from '@sandlot/testbed';
import { freePort, tempDir } from '@sandlot/testing';
import { chartCluster, namespace } from '../../services/standalone/dist/deploy/testing/chart-cluster.js';
import { memoryOf, startCpuMeter } from '../platform/machine.js';
import { percentile } from '../platform/percentiles.js';
import { meets, runRounds } from '../platform/rounds.js';
import { repository } from '../platform/standalone.js';

const howTo = 'docs/how-to/install-with-helm.md';
const atMostSeconds = 180;
const atMostMB = 900;
const looks = 11;

async function measure({ helm, idle }) {
  const cluster = await chartCluster();
  const tools = await toolsFor(cluster, helm);
  const meter = startCpuMeter({ ours: process.pid });
  const commands = await timed(documentedCommands(), tools);
  const { othersCores } = meter();
  await pause(Number(idle) * 1000);
  const pods = await memoryOfPods(cluster);
  await cluster.stop();
  const sum = (of) => +pods.reduce((total, pod) => total + pod[of], 0).toFixed(1);
  return {
    helm,
    idle: Number(idle),
    seconds: +commands.reduce((total, { seconds }) => total + seconds, 0).toFixed(1),
    commands,
    pssMB: sum('pssMB'),
    workingSetMB: sum('workingSetMB'),
    pods,
    othersCores,
  };
}

/** The four, and the first of the block after them, which runs code. */
function documentedCommands() {
  const [, four, then] = /## Four commands[^`]*```\n(.*?)```.*?```\n(.*?)```/s.exec(readFileSync(join(repository, howTo), 'utf8')) ?? [];
  const commands = four?.trim().split('\n') ?? [];
  const execute = then?.split('\n')[0];
  if (commands.length !== 4 || !execute?.includes('/execute'))
    throw new Error(`${howTo} has no block of four commands with an execute after it: ${commands.length} commands, then ${execute}`);
  return [...commands, execute];
}

/** What the commands find: helm, and kubectl, which is a part of the testbed's one program. */
async function toolsFor(cluster, version) {
  const folder = await tempDir();
  const { kube } = await controlPlaneBinaries();
  symlinkSync(version === '3' ? await helm3Binary() : await helmBinary(), join(folder, 'helm'));
  writeFileSync(join(folder, 'kubectl'), `#!/bin/sh\nexec '${kube}' kubectl "$@"\n`, { mode: 0o755 });
  return { PATH: `${folder}:${process.env.PATH}`, HOME: folder, KUBECONFIG: cluster.kubeconfigPath };
}

/** In one shell, one after the other, as they are but for the port of this machine, which may be taken. */
async function timed(commands, env) {
  const port = await freePort();
  const mine = commands.map((command) => command.replace(' 8080:80 ', ` ${port}:80 `).replace('127.0.0.1:8080/', `127.0.0.1:${port}/`));
  const script = ['trap "kill %1" EXIT', 'echo "@$EPOCHREALTIME"', ...mine.map((command) => `${command}\necho; echo "@$EPOCHREALTIME"`)];
  const { stdout } = await promisify(execFile)('bash', ['--norc', '-euo', 'pipefail', '-c', script.join('\n')], { cwd: repository, env });
  const answer = JSON.parse(stdout.match(/^\{.*\}$/gm)?.at(-1) ?? '{}');
  if (answer.stdout !== 'hello\n') throw new Error(`the first execute did not say hello:\n${stdout}`);
  const times = [...stdout.matchAll(/^@([\d.]+)$/gm)].map(([, time]) => Number(time));
  return commands.map((command, at) => ({ command, seconds: +(times[at + 1] - times[at]).toFixed(2) }));
}

/** In MB. The kubelet's own number is what `kubectl top` shows and what limits are about. */
async function memoryOfPods(cluster) {
  const { items } = await cluster.request('GET', `/api/v1/namespaces/${namespace}/pods?fieldSelector=status.phase%3DRunning`);
  const taken = items.map(({ metadata }) => ({ pod: metadata.labels['app.kubernetes.io/component'], uid: metadata.uid, pss: [] }));
  // Several times, for a probe that is run in a pod is there for a moment.
  for (let look = 0; look < looks; look += 1) {
    for (const { uid, pss } of taken) pss.push(processesOf(uid).reduce((sum, pid) => sum + memoryOf(pid).pss, 0));
    await pause(500);
  }
  const summary = await cluster.request('GET', `/api/v1/nodes/${cluster.node.name}/proxy/stats/summary?only_cpu_and_memory=true`);
  const workingSet = (uid) => summary.pods.find(({ podRef }) => podRef.uid === uid).memory.workingSetBytes;
  return taken
    .map(({ pod, uid, pss }) => ({
      pod,
      processes: processesOf(uid).length,
      pssMB: +((percentile(pss, 50) * 2 ** 20) / 1e6).toFixed(1),
      workingSetMB: +(workingSet(uid) / 1e6).toFixed(1),
    }))
    .sort((a, b) => b.pssMB - a.pssMB);
}

/** All that are in the pod's cgroup, its pause included. */
function processesOf(uid) {
  const inPod = (pid) => {
    try {
      return readFileSync(`/proc/${pid}/cgroup`, 'latin1').includes(`pod${uid}/`);
    } catch {
      return false; // it has ended meanwhile
    }
  };
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name) && inPod(name));
}

await runRounds({
  folder: import.meta.dirname,
  title: 'Installed with Helm: time to the first code, and memory',
  method:
    `The commands of \`${howTo}\`, read from there, on a fresh cluster with one real node on the same machine, the default values, and all images ` +
    'on the node. Memory: of every process in the cgroups of the pods in the namespace of the release, what is its own and its share of what it ' +
    'shares (PSS of `smaps_rollup`), the median of 11 looks; and the working set that the kubelet reports, which counts file pages that were used of late.',
  options: {
    helm: { type: 'string', default: '4' },
    idle: { type: 'string', default: '60' },
    rounds: { type: 'string', default: '1' },
  },
  measure,
  by: ({ seconds }) => seconds,
  table: ({ helm, seconds, commands, idle, pssMB, workingSetMB, pods }) => [
    `Helm ${helm}, 4 commands, and the first answer of \`execute\` after ${meets(seconds, atMostSeconds)} s.`,
    '',
    '| command | s |',
    '|---|---|',
    ...commands.map((one) => `| \`${one.command.replace(/ -H .* (?=http)/, ' … ').replaceAll('|', '\\|')}\` | ${one.seconds} |`),
    '',
    `${idle} s later, with one idle sandbox, which is not counted: ${meets(pssMB, atMostMB)} MB (PSS); working set ${workingSetMB} MB.`,
    '',
    '| pod | processes | PSS, MB | working set, MB |',
    '|---|---|---|---|',
    ...pods.map((one) => `| ${one.pod} | ${one.processes} | ${one.pssMB} | ${one.workingSetMB} |`),
    `| all ${pods.length} | | ${pssMB} | ${workingSetMB} |`,
  ],
});
