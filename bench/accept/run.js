/**
 * How long it takes until a sandbox is accepted: its events are in the log, on disk, and the answer is sent. 50 users with a kept
 * connection each. Paced, each asks for 2 sandboxes a second; in a closed loop, for the next one as soon as the last is answered. Beside it
 * the floor: a bare Fastify that publishes one event to JetStream per request.
 *
 *   node bench/accept/run.js [--seconds 20] [--closed-seconds 10] [--rounds 3] [--profile DIR] [--write] [--wait-for-quiet MINUTES]
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { atEnd, freePort } from '@sandlot/testing';
import { startCpuMeter } from '../platform/machine.js';
import { summary } from '../platform/percentiles.js';
import { meets, runRounds } from '../platform/rounds.js';
import { letIn, newUser, startStandalone } from '../platform/standalone.js';
import { startHops } from './hops.js';

const clients = 50;
const perSecond = 2;
const warmUpSeconds = 5;

async function measure(options) {
  const floor = await measureFloor(options);
  const sandlot = await measureSandlot(options);
  const othersCores = Math.max(...[sandlot.paced, sandlot.closed, floor.paced, floor.closed].map((load) => load.othersCores));
  return { floor, sandlot, othersCores };
}

async function measureFloor(options) {
  const child = fork(join(import.meta.dirname, 'parts/floor.js'));
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) await Promise.all([once(child, 'exit'), child.send('stop')]);
  };
  atEnd(stop);
  const [{ url }] = await once(child, 'message');
  const loads = await bothLoads({ url, keys: Array(clients).fill('none'), roots: { floor: child.pid } }, options);
  await stop();
  return loads;
}

async function measureSandlot(options) {
  const metricsPort = await freePort();
  const flags = options.profile ? ['--cpu-prof', `--cpu-prof-dir=${options.profile}`] : [];
  const env = { SANDLOT_RUNTIME: 'memory', SANDLOT_METRICS_PORT: String(metricsPort) };
  const { url, admin, pids, stop } = await startStandalone(env, flags);
  const users = [];
  for (let i = 0; i < clients; i += 1) users.push(await newUser(admin, `bench-${i}`, 10_000));
  await letIn(admin.as(users.at(-1).key));
  const hops = startHops(`http://127.0.0.1:${metricsPort}/metrics`);
  const loads = await bothLoads({ url, keys: users.map(({ key }) => key), roots: pids, hops }, options);
  await stop();
  return loads;
}

async function bothLoads({ url, keys, roots, hops }, options) {
  const load = (more) => generate({ url, path: '/api/v1/sandboxes', keys, ...more }, roots, hops);
  await load({ prefix: 'w', perSecond, seconds: warmUpSeconds });
  const paced = await load({ prefix: 'p', perSecond, seconds: Number(options.seconds) });
  const closed = await load({ prefix: 'c', seconds: Number(options['closed-seconds']) });
  return { paced, closed };
}

/** The load comes from a process of its own, which sees the times as a client does. */
async function generate(load, roots, hops) {
  const generator = fork(join(import.meta.dirname, 'parts/load.js'));
  atEnd(() => generator.kill('SIGKILL'));
  const before = await hops?.read();
  const meter = startCpuMeter({ ...roots, driver: process.pid });
  generator.send(load);
  const [{ times, refused, seconds }] = await once(generator, 'message');
  const { cpuMs, othersCores } = meter();
  generator.kill('SIGKILL');
  if (Object.keys(refused).length > 0) throw new Error(`not everything was accepted: ${JSON.stringify(refused)}`);
  const each = (name) => +(cpuMs[name] / times.length).toFixed(2);
  return {
    ...summary(times),
    perSecond: Math.round(times.length / seconds),
    cpuMsPerRequest: Object.fromEntries(Object.keys(roots).map((name) => [name, each(name)])),
    othersCores,
    ...(hops && { hopsMs: hops.between(before, await hops.read()) }),
  };
}

const row = (name, load, { p50, p90, p99, max, perSecond: rate, cpuMsPerRequest, othersCores }) =>
  `| ${name} | ${load} | ${rate} | ${p50} | ${p90} | ${p99} | ${max} | ${Object.values(cpuMsPerRequest).join(' + ')} | ${othersCores} |`;
const hopRow = (load, { hopsMs }) => `| ${load} | ${hopsMs.gateway} | ${hopsMs.provisioner} |`;

await runRounds({
  folder: import.meta.dirname,
  title: 'A sandbox accepted',
  method:
    `${clients} users on kept connections, load from a process of its own; ${warmUpSeconds} s of warm-up, then paced (${perSecond} a second each) ` +
    'and in a closed loop. The standalone with `SANDLOT_RUNTIME=memory`, so that the way to the answer is measured and not Node starting up; ' +
    'NATS syncs every write before it acknowledges. Times in ms as the client sees them, from when the request was due.',
  options: {
    seconds: { type: 'string', default: '20' },
    'closed-seconds': { type: 'string', default: '10' },
    profile: { type: 'string' },
  },
  measure,
  by: ({ sandlot }) => sandlot.paced.p50,
  table: ({ floor, sandlot }) => [
    `Goal, paced: p50 ${meets(sandlot.paced.p50, 20)}, p99 ${meets(sandlot.paced.p99, 100)}. ` +
      `Closed loop: p50 ${meets(sandlot.closed.p50, 20)}, p99 ${meets(sandlot.closed.p99, 100)}.`,
    '',
    '| what | load | accepted/s | p50 | p90 | p99 | max | CPU ms each | cores busy with others |',
    '|---|---|---|---|---|---|---|---|---|',
    row('Sandlot: Node + NATS + PostgreSQL', 'paced', sandlot.paced),
    row('Fastify and one publish', 'paced', floor.paced),
    row('Sandlot: Node + NATS + PostgreSQL', 'closed loop', sandlot.closed),
    row('Fastify and one publish', 'closed loop', floor.closed),
    '',
    'Mean time in ms inside the gateway (its HTTP request) and, of that, inside the provisioner (its handling of the message, the append included):',
    '',
    '| load | gateway | provisioner |',
    '|---|---|---|',
    hopRow('paced', sandlot.paced),
    hopRow('closed loop', sandlot.closed),
  ],
});
