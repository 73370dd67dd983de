/**
 * How long it takes from the request for a sandbox to its first answer: POST, then `execute` through the proxy every 10 ms until it is 200;
 * and the same with `Prefer: wait`, where the POST itself answers when the sandbox runs. One at a time, each sandbox deleted again. Beside it
 * the floor: the runtime's program started by hand, until it has executed the same command.
 *
 *   node bench/first-execute/run.js [--sandboxes 30] [--rounds 3] [--write] [--wait-for-quiet MINUTES]
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { atEnd, tempDir, waitFor } from '@sandlot/testing';
import { Client } from '../platform/client.js';
import { startCpuMeter } from '../platform/machine.js';
import { summary } from '../platform/percentiles.js';
import { meets, runRounds } from '../platform/rounds.js';
import { letIn, newUser, repository, startStandalone } from '../platform/standalone.js';

const command = { command: 'echo hello' };
const everyMs = 10;
const givenUpAfterMs = 30_000;

async function measure({ sandboxes }) {
  const { url, admin, stop } = await startStandalone({ SANDLOT_RUNTIME: 'process' });
  const { key } = await newUser(admin, 'bench');
  const api = new Client(url, key);
  await letIn(api);
  const count = Number(sandboxes);
  await polled(api, 'warm-up');
  const times = { polled: [], waited: [], runtimeAlone: [] };
  const meter = startCpuMeter({ ours: process.pid });
  for (let i = 0; i < count; i += 1) {
    times.polled.push(await polled(api, `p-${i}`));
    times.waited.push(await waited(api, `w-${i}`));
    times.runtimeAlone.push(await runtimeAlone());
  }
  const { othersCores } = meter();
  api.close();
  await stop();
  return { ...Object.fromEntries(Object.entries(times).map(([name, each]) => [name, summary(each)])), othersCores };
}

async function polled(api, name) {
  const began = performance.now();
  await api.expect(202, 'POST', '/api/v1/sandboxes', { name });
  const took = await untilExecuted(api, `/proxy/${name}/execute`, began);
  await remove(api, name);
  return took;
}

async function waited(api, name) {
  const began = performance.now();
  await api.expect(201, 'POST', '/api/v1/sandboxes', { name }, { prefer: 'wait=30' });
  const took = await untilExecuted(api, `/proxy/${name}/execute`, began);
  await remove(api, name);
  return took;
}

async function untilExecuted(client, path, began) {
  for (;;) {
    const { status, text } = await client.send('POST', path, command).catch(() => ({ status: 0, text: 'no connection' }));
    if (status === 200) return performance.now() - began;
    if (performance.now() - began > givenUpAfterMs) throw new Error(`${path} is still ${status}: ${text}`);
    await pause(everyMs);
  }
}

/** Gone with all its processes, so that the next one has the machine to itself. */
async function remove(api, name) {
  await api.expect(204, 'DELETE', `/api/v1/sandboxes/${name}`, undefined, { prefer: 'wait=30' });
  await waitFor(async () => (await api.send('GET', `/proxy/${name}/health`)).status === 404, { describe: `${name} to be gone` });
}

async function runtimeAlone() {
  const dir = await tempDir();
  const began = performance.now();
  const child = spawn(process.execPath, [join(repository, 'runtime/dist/main.js')], {
    cwd: dir,
    env: { PATH: process.env.PATH, SANDLOT_RUNTIME_HOST: '127.0.0.1', SANDLOT_RUNTIME_PORT: '0', SANDLOT_RUNTIME_WORKDIR: dir },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  atEnd(() => child.kill('SIGKILL'));
  const [line] = await once(createInterface(child.stdout), 'line');
  const client = new Client(`http://127.0.0.1:${JSON.parse(line).listening.port}`);
  const took = await untilExecuted(client, '/execute', began);
  client.close();
  child.kill('SIGTERM');
  await once(child, 'exit');
  return took;
}

const row = (name, { count, p50, p90, p99, max }) => `| ${name} | ${count} | ${p50} | ${p90} | ${p99} | ${max} |`;

await runRounds({
  folder: import.meta.dirname,
  title: 'Created to first execute',
  method:
    'The standalone with `SANDLOT_RUNTIME=process`; one sandbox at a time, each deleted before the next. Times in ms from the sending of the ' +
    'POST to the answer of the first `execute` that is 200.',
  options: { sandboxes: { type: 'string', default: '30' } },
  measure,
  by: ({ polled: { p50 } }) => p50,
  table: (result) => [
    `Goal: p50 ${meets(result.polled.p50, 400)}.`,
    '',
    '| what | times | p50 | p90 | p99 | max |',
    '|---|---|---|---|---|---|',
    row(`asked for, then \`execute\` every ${everyMs} ms`, result.polled),
    row('asked for with `Prefer: wait`, then `execute`', result.waited),
    row('the runtime alone, started by hand', result.runtimeAlone),
  ],
});
