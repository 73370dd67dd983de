/**
 * How soon a revoked key is refused everywhere: at the standalone's own proxy and at a second one in a process of its own on the same NATS.
 * One user, a sandbox that runs, and a key at a time that both doors have just served; a client at each sends requests through to the sandbox
 * without a pause while an administrator deletes the key.
 *
 *   node bench/revocation/run.js [--keys 100] [--rounds 3] [--write] [--wait-for-quiet MINUTES]
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '@sandlot/testing';
import { Client } from '../platform/client.js';
import { startCpuMeter } from '../platform/machine.js';
import { summary } from '../platform/percentiles.js';
import { meets, runRounds } from '../platform/rounds.js';
import { letIn, newKey, newUser, startProgram, startStandalone } from '../platform/standalone.js';

const sandbox = 's1';
const path = `/proxy/${sandbox}/health`;
const givenUpAfterMs = 10_000;

async function measure({ keys }) {
  const standalone = await startStandalone({ SANDLOT_RUNTIME: 'process' });
  const { admin, url } = standalone;
  const doors = [url, await secondProxy(standalone)];
  const { id: userId, key } = await newUser(admin, 'bench');
  const api = new Client(url, key);
  await letIn(api);
  await api.expect(201, 'POST', '/api/v1/sandboxes', { name: sandbox }, { prefer: 'wait=30' });

  const times = { sinceAnswer: [], sinceRequest: [], answer: [] };
  let servedAfterRefusal = 0;
  const meter = startCpuMeter({ ours: process.pid });
  for (let i = 0; i < Number(keys); i += 1) {
    const revoked = await revokeOne(admin, doors, userId, `key-${i}`);
    for (const [name, time] of Object.entries(revoked.times)) times[name].push(time);
    servedAfterRefusal += revoked.servedAfterRefusal;
  }
  const { othersCores } = meter();
  if (servedAfterRefusal > 0) throw new Error(`${servedAfterRefusal} requests were served after one had been refused`);
  api.close();
  await standalone.stop();
  return { ...Object.fromEntries(Object.entries(times).map(([name, each]) => [name, summary(each)])), othersCores };
}

/** Knows the embedded NATS and the gateway's key, as an operator would tell it; it needs no gateway for what passes through to sandboxes. */
async function secondProxy({ dataDir }) {
  const port = await freePort();
  const nats = join(dataDir, 'nats');
  const portsFile = readdirSync(nats).find((name) => name.endsWith('.ports'));
  const metricsPort = await freePort();
  await startProgram(
    'services/proxy/dist/main.js',
    {
      SANDLOT_PORT: String(port),
      SANDLOT_HOST: '127.0.0.1',
      SANDLOT_METRICS_PORT: String(metricsPort),
      SANDLOT_METRICS_HOST: '127.0.0.1',
      SANDLOT_NATS_URL: JSON.parse(readFileSync(join(nats, portsFile), 'utf8')).nats[0],
      SANDLOT_NATS_NKEY_FILE: join(dataDir, 'identities/proxy.nk'),
      SANDLOT_IDENTITY_KEY_FILE: join(dataDir, 'identity.key'),
      SANDLOT_RUNTIME: 'process',
      SANDLOT_LOG_LEVEL: 'info',
    },
    (output) => output.includes('"msg":"ready"'),
  );
  return `http://127.0.0.1:${port}`;
}

async function revokeOne(admin, doors, userId, name) {
  const { id, key } = await newKey(admin, userId, name);
  const clients = doors.map((door) => new Client(door, key));
  await Promise.all(clients.map(letThrough));
  const hammering = clients.map((client) => hammer(client));
  await Promise.all(hammering.map(({ begun }) => begun));
  const asked = performance.now();
  await admin.expect(204, 'DELETE', `/api/v1/admin/apikeys/${id}`);
  const answered = performance.now();
  const refused = await Promise.all(hammering.map(({ refusedAt }) => refusedAt));
  const after = await Promise.all(clients.map(async (client) => (await client.send('GET', path)).status));
  for (const client of clients) client.close();
  const last = Math.max(...refused);
  return {
    // Not under 0: the doors know of it before the answer is out.
    times: { sinceAnswer: Math.max(0, last - answered), sinceRequest: last - asked, answer: answered - asked },
    servedAfterRefusal: after.filter((status) => status !== 401).length,
  };
}

async function letThrough(client) {
  for (const deadline = performance.now() + givenUpAfterMs; ;) {
    const { status, text } = await client.send('GET', path).catch(() => ({ status: 0, text: 'no connection' }));
    if (status === 200) return;
    if (performance.now() > deadline) throw new Error(`a new key is not let through: ${status} ${text}`);
  }
}

/** `refusedAt` is when the first refusal was there. */
function hammer(client) {
  const begun = Promise.withResolvers();
  const deadline = performance.now() + givenUpAfterMs;
  const refusedAt = (async () => {
    for (;;) {
      const { status } = await client.send('GET', path);
      begun.resolve();
      if (status === 401) return performance.now();
      if (status !== 200) throw new Error(`${path} is ${status}`);
      if (performance.now() > deadline) throw new Error('the key is still good 10 s after it was revoked');
    }
  })();
  return { begun: begun.promise, refusedAt };
}

const row = (name, { count, p50, p90, p99, max }) => `| ${name} | ${count} | ${p50} | ${p90} | ${p99} | ${max} |`;

await runRounds({
  folder: import.meta.dirname,
  title: 'A revoked key is refused everywhere',
  method:
    "The standalone with `SANDLOT_RUNTIME=process` and a second proxy in a process of its own on its NATS; one key at a time. Times in ms, to the first 401 at the door that is last to give one; a client's own round trip is part of them.",
  options: { keys: { type: 'string', default: '100' } },
  measure,
  by: ({ sinceRequest: { p99 } }) => p99,
  table: (result) => [
    `Goal: p99 ${meets(result.sinceAnswer.p99, 250)} after the answer; after the request itself ${meets(result.sinceRequest.p99, 250)}.`,
    '',
    '| from | keys | p50 | p90 | p99 | max |',
    '|---|---|---|---|---|---|',
    row("the DELETE's answer to the first 401 at both doors", result.sinceAnswer),
    row("the DELETE's sending to the first 401 at both doors", result.sinceRequest),
    row("the DELETE's sending to its answer", result.answer),
  ],
});
