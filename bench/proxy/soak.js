/**
 * The proxy at full load for minutes, with clients that come and go, break off, open WebSockets and tunnels and vanish, and a lasting load of
 * requests beside them: its memory and its open files come back to what they were. Ends with an error when they do not.
 *
 *   node bench/proxy/soak.js [--minutes 10] [--write]
 */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { memoryOf, start } from './forwarders.js';
import { tunnel, webSocket } from './loads/connections.js';
import { saturating } from './loads/paced.js';
import { report } from './result.js';

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '10' }, write: { type: 'boolean', default: false } } });
const minutes = Number(values.minutes);
/** MiB more than after the first minute that the heap may have grown to without anything being kept. */
const SLACK_MIB = 20;

spawnSync('taskset', ['-acp', '1', String(process.pid)]);
const upstream = await start('bodies', 1);
const proxy = await start('sandlot', 0, upstream.port);
const headers = Object.entries(proxy.headers).map(([name, value]) => `${name}: ${value}\r\n`).join(''); // prettier-ignore
const head = (method, more = '') => `${method} ${proxy.path} HTTP/1.1\r\nHost: x\r\n${headers}${more}\r\n`;
const held = () => ({ files: readdirSync(`/proc/${proxy.pid}/fd`).length, MiB: Math.round(memoryOf(proxy.pid)) });

/** One client's life: `bytes`, and then gone after `after` bytes of what comes back. */
const client = (bytes, after, end) =>
  new Promise((done) => {
    const socket = connect(proxy.port, '127.0.0.1');
    let got = 0;
    socket.on('data', (data) => (got += data.length) >= after && socket[end]());
    socket.on('error', () => undefined).on('close', done);
    socket.setTimeout(5000, () => socket.destroy());
    socket.write(bytes);
  });
const lives = [
  () => client(head('POST', 'Content-Length: 2\r\nConnection: close\r\n') + 'ok', Infinity, 'end'),
  () => client(head('POST', 'Content-Length: 2\r\n') + 'ok', 1, 'resetAndDestroy'),
  () => client(head('POST', 'Content-Length: 2\r\n') + 'ok', 1, 'end'),
  () => client(head('GET'), 1_000_000, 'resetAndDestroy'),
  () => client(head('GET', 'Connection: close\r\n'), Infinity, 'end'),
  () => client(webSocket(proxy), 1, 'resetAndDestroy'),
  () => client(webSocket(proxy), 1, 'end'),
  () => client(tunnel(proxy), 1, 'resetAndDestroy'),
  () => client('GET /proxy/s1/ HTTP/1.1\r\nHost: x\r\n\r\n', 1, 'end'),
  () => client('GET /proxy/s1/ HTTP/1.1\nHost: x\r\n\r\n', Infinity, 'end'),
];

let [clients, requests, until] = [0, 0, 0];
const worker = async () => {
  while (performance.now() < until) await lives[clients++ % lives.length]();
};
const small = { ...proxy, path: '/proxy/s1/nothing' };
async function churn(seconds) {
  until = performance.now() + seconds * 1000;
  const load = saturating(small, seconds - 1);
  await Promise.all(Array.from({ length: 32 }, worker));
  requests += (await load) * (seconds - 1);
  await pause(14_000); // half-open connections are given 10 s, idle ones to the upstream are kept for 4
  return { clients, requests: Math.round(requests), ...held() };
}

const rows = [await churn(60)]; // what is compiled and cached is there
console.error('after the first minute', rows[0]);
while (rows.length < minutes) {
  rows.push(await churn(46)); // with its pause a minute
  console.error(`after ${rows.length} minutes`, rows.at(-1));
}
proxy.stop();
upstream.stop();
const [first, last] = [rows[0], rows.at(-1)];
const kept = last.files <= first.files && last.MiB <= first.MiB + SLACK_MIB;
report({
  name: 'soak',
  title: 'Full load with churn',
  method: `${minutes} minutes: 64 connections that ask as fast as they are answered, and 32 clients at a time that come, break off and go, in ${lives.length} ways; looked at when all have gone.`,
  table: [
    '| minute | clients so far | requests so far | open files | resident |',
    '|---|---|---|---|---|',
    ...rows.map((r, i) => `| ${i + 1} | ${r.clients} | ${r.requests} | ${r.files} | ${r.MiB} MiB |`),
  ].join('\n'),
  data: { rows, grownMiB: last.MiB - first.MiB, leakedFiles: Math.max(0, last.files - first.files) },
  write: values.write,
});
if (!kept) console.error('files or memory have not come back');
process.exit(kept ? 0 : 1);
