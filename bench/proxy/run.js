/**
 * CPU per proxied request, ours and peers in one run on one machine: the forwarder alone on core 0, load and upstream on core 1.
 * CPU is user + system time of the forwarder's process from /proc/<pid>/stat over requests served in the measured window; it
 * holds still on a noisy machine, requests per second do not. Load: wrk when installed, else autocannon.
 *
 *   bench/proxy/install-peers.sh && node bench/proxy/run.js [--seconds 5] [--rounds 3] [--connections 64] [--only sandlot,envoy] [--write]
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { cpuOf, memoryOf, start } from './forwarders.js';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '3' },
    connections: { type: 'string', default: '64' },
    only: { type: 'string', default: 'sandlot,nginx,haproxy,envoy,bare,http-proxy-3,configurable-http-proxy,direct' },
    write: { type: 'boolean', default: false },
  },
});
const here = import.meta.dirname;
const names = {
  bare: 'the least in Node: node:http in, `http.request` out',
  undici: 'node:http in, undici `dispatch` out, no checks',
  nginx: 'nginx',
  haproxy: 'HAProxy',
  envoy: 'Envoy, one worker',
  direct: 'bare node:http "hello" (no forwarding)',
  sandlot: 'Sandlot: key, owner check and records on',
};
const hasWrk = spawnSync('which', ['wrk']).status === 0;
function run(command, args) {
  return new Promise((done, failed) => {
    const child = spawn('taskset', ['-c', '1', command, ...args]);
    let output = '';
    child.stdout.on('data', (bytes) => (output += bytes));
    child.stderr.on('data', (bytes) => (output += bytes));
    child.once('exit', (code) => (code === 0 ? done(output) : failed(new Error(output))));
  });
}

async function load({ port, path, headers }, seconds) {
  const url = `http://127.0.0.1:${port}${path}`;
  const flags = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]);
  if (!hasWrk) {
    const cli = join(here, '../../node_modules/autocannon/autocannon.js');
    const output = await run(process.execPath, [
      cli,
      '-j',
      '-c',
      values.connections,
      '-d',
      String(seconds),
      ...flags.map((f) => f.replace(': ', '=')),
      url,
    ]);
    const { requests, latency, non2xx } = JSON.parse(output.slice(output.indexOf('{')));
    return { requests: requests.total, perSecond: requests.average, p50: latency.p50, p99: latency.p99, failed: non2xx };
  }
  const output = await run('wrk', ['-t1', `-c${values.connections}`, `-d${seconds}s`, '--latency', ...flags, url]);
  return {
    requests: Number(/(\d+) requests in/.exec(output)[1]),
    perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(output)[1]),
    p50: milliseconds(/^\s+50%\s+(\S+)/m.exec(output)[1]),
    p99: milliseconds(/^\s+99%\s+(\S+)/m.exec(output)[1]),
    failed: Number(/Non-2xx or 3xx responses: (\d+)/.exec(output)?.[1] ?? 0) + (/Socket errors/.test(output) ? 1 : 0),
  };
}

/** Share of the machine that nobody uses, in percent: a busy neighbour takes the caches, and CPU per request grows for all. */
async function idleShare() {
  const read = () => readFileSync('/proc/stat', 'latin1').split('\n')[0].split(/\s+/).slice(1, 9).map(Number);
  const before = read();
  await new Promise((done) => setTimeout(done, 2000));
  const spent = read().map((ticks, i) => ticks - before[i]);
  return Math.round((100 * (spent[3] + spent[4])) / spent.reduce((sum, ticks) => sum + ticks, 0));
}

const milliseconds = (text) => parseFloat(text) * (text.endsWith('us') ? 0.001 : text.endsWith('ms') ? 1 : 1000);
const median = (numbers) => numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)];

const idle = await idleShare();
if (idle < 80) console.warn(`only ${idle} % of this machine is idle: compare within this run only`);
const upstream = await start('upstream', 1);
const parts = values.only.split(',');
const servers = {};
for (const part of parts) servers[part] = await start(part, 0, upstream.port);
const rounds = Object.fromEntries(parts.map((part) => [part, []]));
for (const part of parts) await load(servers[part], 2); // let the compiler finish
for (let round = 0; round < Number(values.rounds); round++) {
  for (const part of parts) {
    const { pid } = servers[part];
    const before = cpuOf(pid);
    const result = await load(servers[part], Number(values.seconds));
    if (result.failed) throw new Error(`${part}: ${result.failed} answers were not 2xx`);
    rounds[part].push({ ...result, cpuMicroseconds: (cpuOf(pid) - before) / result.requests, residentMiB: memoryOf(pid) });
  }
}
for (const { stop } of [...Object.values(servers), upstream]) stop();

const results = parts.map((part) => {
  const of = (field) => median(rounds[part].map((round) => round[field]));
  const [cpu, perSecond, p50, p99, rss] = ['cpuMicroseconds', 'perSecond', 'p50', 'p99', 'residentMiB'].map(of);
  return {
    part,
    cpuMicroseconds: +cpu.toFixed(1),
    requestsPerSecond: Math.round(perSecond),
    p50Ms: +p50.toFixed(2),
    p99Ms: +p99.toFixed(2),
    residentMiB: Math.round(rss),
  };
});
const distribution = /^PRETTY_NAME="?([^"\n]+)/m
  .exec(readFileSync('/etc/os-release', 'latin1'))[1]
  .replace(/^Debian GNU\/Linux (\d+).*/, 'Debian $1');
const machine = `2-core ${process.arch === 'x64' ? 'x86_64' : process.arch} VM, ${distribution}, Node ${process.versions.node}`;
const method = `${hasWrk ? 'wrk' : 'autocannon'}, ${values.connections} keep-alive connections, 128-byte answers, median of ${values.rounds} rounds of ${values.seconds} s; forwarder pinned to core 0, load and upstream to core 1; before the run the machine was ${idle} % idle`;
const table = [
  '| forwarder | CPU per request | req/s | p50 | p99 | resident |',
  '|---|---|---|---|---|---|',
  ...results.map(
    (r) =>
      `| ${names[r.part] ?? r.part} | ${r.cpuMicroseconds} us | ${r.requestsPerSecond} | ${r.p50Ms} ms | ${r.p99Ms} ms | ${r.residentMiB} MiB |`,
  ),
].join('\n');
console.log(`${machine}; ${method}\n\n${table}`);
if (values.write) {
  const date = new Date().toISOString().slice(0, 10);
  mkdirSync(join(here, 'results'), { recursive: true });
  writeFileSync(join(here, 'results', `${date}.md`), `# Proxied request, ${date}\n\n${machine}. ${method}.\n\n${table}\n`);
  writeFileSync(
    join(here, 'results', `${date}.json`),
    JSON.stringify({ date, machine, method, idlePercentBefore: idle, results, rounds }, null, 2) + '\n',
  );
}
