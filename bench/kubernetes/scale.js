/**
 * What many users cost a cluster: 500 users with 2,000 sandboxes on a real API server with its controllers, without a real node.
 * Every call of the provisioner passes through a front that counts it. What plays the kubelet talks to the API server directly.
 *
 *   node bench/kubernetes/scale.js [--users 500] [--sandboxes 2000] [--runtime statefulset] [--rounds 1] [--write] [--wait-for-quiet MINUTES]
 */
import { setTimeout as pause } from 'node:timers/promises';
import { operationsOf, provisionerMessages } from '@sandlot/contracts';
import { newId } from '@sandlot/kernel';
import { faultyApiServer, startCluster } from '@sandlot/testbed';
import { waitFor } from '@sandlot/testing';
import { standInNode } from '../../services/provisioner/dist/adapters/kubernetes/testing/stand-in-node.js';
import { memoryOf, startCpuMeter } from '../platform/machine.js';
import { summary } from '../platform/percentiles.js';
import { meets, runRounds } from '../platform/rounds.js';
import { contextOf, startProvisioner } from './provisioner.js';

const operations = operationsOf('provisioner');
/** Commands under way at once: as many as come in from the doors of a busy installation, not a queue of all. */
const atOnce = 16;
/** Without a call for so long, what was asked for is done. */
const settledAfterMs = 15_000;
const policiesDeleted = 20;

async function measure({ users, sandboxes, runtime, progress = console.error }) {
  const cluster = await startCluster({ volumes: true });
  await standInNode(cluster);
  const front = await faultyApiServer(cluster);
  const provisioner = await startProvisioner({ SANDLOT_RUNTIME: runtime, SANDLOT_KUBECONFIG: front.kubeconfigPath });
  const counted = () => front.calls().filter(({ verb }) => verb !== 'watch');
  const meter = startCpuMeter({ provisioner: provisioner.pid, bench: process.pid });

  const people = Array.from({ length: Number(users) }, (_, n) => ({ userId: newId('usr'), username: `user-${n}` }));
  const perUser = Math.ceil(Number(sandboxes) / people.length);
  const requests = people.flatMap((person) => Array.from({ length: perUser }, (_, n) => ({ person, name: `s${n}` })));
  const create = async (some) => {
    const began = performance.now();
    front.forget();
    const waiting = [...some];
    const worker = async () => {
      for (let next = waiting.shift(); next; next = waiting.shift()) await provisioner.request(next.person, next.name);
    };
    await Promise.all(Array.from({ length: atOnce }, worker));
    const lastCallAt = await quiet(counted);
    return { seconds: +((lastCallAt - began) / 1000).toFixed(1), calls: counted() };
  };

  // The first sandbox of each user brings a namespace with everything in it; the others are steady creation.
  const first = await create(requests.filter(({ name }) => name === 's0'));
  progress(`${people.length} namespaces after ${first.seconds} s, ${first.calls.length} calls`);
  const steady = await create(requests.filter(({ name }) => name !== 's0'));
  progress(`${requests.length} sandboxes after ${steady.seconds} s more, ${steady.calls.length} calls`);
  const allRunAfter = await allRun(provisioner, requests.length, progress);
  progress(`all run ${allRunAfter} s later: the controllers and the stand-in are behind`);
  await quiet(counted);
  const { rss } = memoryOf(provisioner.pid);

  front.forget();
  await pause(60_000);
  const inAQuietMinute = counted();
  progress(`${inAQuietMinute.length} calls in a quiet minute`);

  const drift = await fullPass(provisioner, counted, front);
  progress(`a full pass took ${drift.seconds} s`);
  const policyBackMs = await deletePolicies(cluster, people);

  const { cpuMs, othersCores } = meter();
  await provisioner.stop();
  await cluster.stop();
  const steadyCount = requests.length - people.length;
  return {
    users: people.length,
    sandboxes: requests.length,
    runtime,
    othersCores,
    first: { seconds: first.seconds, callsPerUser: per(first.calls.length, people.length), by: byKind(first.calls, people.length) },
    steady: { seconds: steady.seconds, callsPerSandbox: per(steady.calls.length, steadyCount), by: byKind(steady.calls, steadyCount) },
    memoryMiB: Math.round(rss),
    quietMinute: { calls: inAQuietMinute.length, by: byKind(inAQuietMinute, 1) },
    drift,
    policyBackMs: summary(policyBackMs),
    provisionerCpuSeconds: Math.round(cpuMs.provisioner / 1000),
  };
}

/** Until no call has been made for a while. Returns when the last one was. */
async function quiet(counted) {
  let last = { count: -1, at: 0 };
  while (performance.now() - last.at < settledAfterMs || last.count !== counted().length) {
    if (last.count !== counted().length) last = { count: counted().length, at: performance.now() };
    await pause(100);
  }
  return last.at;
}

/** The cluster's own controllers make pods at their own pace. */
async function allRun(provisioner, wanted, progress) {
  const began = performance.now();
  for (let before = 0, running = 0; running < wanted; before = running) {
    // Read models come back by themselves when a busy machine has kept them waiting.
    running = await waitFor(
      () => countRunning(provisioner),
      { within: 60_000, every: 500, describe: 'the read models to answer' },
      () => true,
    );
    if (running === wanted) break;
    if (running <= before && seconds(began) > 120) throw new Error(`${running} of ${wanted} sandboxes run, and no more come`);
    progress(`${running} of ${wanted} run`);
    await pause(20_000);
  }
  return seconds(began);
}

async function countRunning({ ask }) {
  let count = 0;
  for (let cursor; ;) {
    const page = await ask(provisionerMessages.ListSandboxes, { state: 'running', limit: 200, cursor });
    count += page.items.length;
    if (page.nextCursor === null) return count;
    cursor = page.nextCursor;
  }
}

/** Every concern looks at everything once, all of them at the same time, as on a start; nothing is delivered again. */
async function fullPass({ ask }, counted, front) {
  const consumers = (await ask(operations.listConsumers, {})).filter(({ name }) => name !== 'provisioner-user');
  front.forget();
  const began = performance.now();
  const concerns = await Promise.all(
    consumers.map(async ({ name }) => {
      const from = { fromPosition: Number.MAX_SAFE_INTEGER };
      const context = { ...contextOf(newId('usr')), actor: { type: 'admin', id: newId('usr') } };
      const { reconciled, changed, failed } = await ask(operations.replayConsumer, { context, name, from }, 300_000);
      if (changed.length + failed.length > 0)
        throw new Error(`${name}: ${JSON.stringify({ changed: changed.slice(0, 3), failed: failed.slice(0, 3) })}`);
      return { name, reconciled, seconds: seconds(began) };
    }),
  );
  return { seconds: seconds(began), calls: counted().length, concerns };
}

/** As somebody with kubectl would. Back when one of that name is there with another uid. */
async function deletePolicies(cluster, people) {
  const times = [];
  for (const { username } of people.slice(0, policiesDeleted)) {
    const policies = `/apis/networking.k8s.io/v1/namespaces/user-${username}/networkpolicies`;
    const [{ metadata }] = (await cluster.request('GET', policies)).items;
    const look = async () => {
      const found = await cluster.request('GET', `${policies}/${metadata.name}`).catch(() => undefined);
      return found && found.metadata.uid !== metadata.uid;
    };
    const began = performance.now();
    await cluster.request('DELETE', `${policies}/${metadata.name}`);
    await waitFor(look, { within: 30_000, every: 5, describe: `the policy of ${username} to be back` });
    times.push(performance.now() - began);
  }
  return times;
}

const seconds = (began) => +((performance.now() - began) / 1000).toFixed(1);
const per = (calls, count) => +(calls / count).toFixed(2);

/** `patch statefulsets`, most first. */
function byKind(calls, count) {
  const kinds = Map.groupBy(calls, ({ verb, resource, subresource }) => [verb, resource ?? 'other', subresource].filter(Boolean).join(' '));
  const sorted = [...kinds].map(([kind, some]) => [kind, per(some.length, count)]).sort(([, a], [, b]) => b - a);
  return Object.fromEntries(sorted);
}

const rows = (title, by) => Object.entries(by).map(([kind, count]) => `| ${title} | ${kind} | ${count} |`);

await runRounds({
  folder: import.meta.dirname,
  title: 'Many users on Kubernetes',
  method:
    'A provisioner in a process of its own against a real API server with its controllers on the same machine; pods are played by a stand-in for the kubelet, which the calls leave out. Seconds of creation include all of them; policies are deleted one after the other.',
  options: {
    users: { type: 'string', default: '500' },
    sandboxes: { type: 'string', default: '2000' },
    runtime: { type: 'string', default: 'statefulset' },
    rounds: { type: 'string', default: '1' },
  },
  measure,
  by: ({ steady }) => steady.callsPerSandbox,
  table: ({ users, sandboxes, runtime, first, steady, memoryMiB, quietMinute, drift, policyBackMs, provisionerCpuSeconds }) => [
    `\`SANDLOT_RUNTIME=${runtime}\`, ${users} users, ${sandboxes} sandboxes.`,
    '',
    '| what | |',
    '|---|---|',
    `| API calls per sandbox in steady creation | ${meets(steady.callsPerSandbox, 12)} |`,
    `| API calls per user, with the first sandbox | ${first.callsPerUser} |`,
    `| memory of the provisioner, MiB resident | ${meets(memoryMiB, 238)}, which is 250 MB |`,
    `| full drift pass, s | ${meets(drift.seconds, 30)}, with ${drift.calls} calls |`,
    `| calls in a minute in which nothing changes | ${meets(quietMinute.calls, 0)} |`,
    `| a hand-deleted policy is back, ms | p50 ${policyBackMs.p50}, longest ${meets(policyBackMs.max, 2000)} |`,
    `| creation, s | ${first.seconds} for the first of each user, ${steady.seconds} for the others |`,
    `| CPU of the provisioner over all of it, s | ${provisionerCpuSeconds} |`,
    '',
    '| | call | per user or sandbox |',
    '|---|---|---|',
    ...rows('first', first.by),
    ...rows('steady', steady.by),
  ],
});
