/**
 * What a forwarder adds and takes besides the CPU of a small request: time at half load, CPU of large bodies and of WebSocket messages, memory of
 * what is idle. Each forwarder alone on core 0; load and upstream on core 1.
 *
 *   bench/proxy/install-peers.sh && node bench/proxy/depth.js [--only sandlot,haproxy] [--measure latency,bodies,echo,idle] [--seconds 5] [--write]
 */
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { percentile } from '../platform/percentiles.js';
import { start } from './forwarders.js';
import { bodies } from './loads/bodies.js';
import { echo, idleKiB, tunnel, webSocket } from './loads/connections.js';
import { listen, paced, saturating } from './loads/paced.js';
import { report } from './result.js';

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: 'sandlot,nginx,haproxy,envoy,bare,http-proxy-3,configurable-http-proxy' },
    measure: { type: 'string', default: 'latency,bodies,echo,idle' },
    seconds: { type: 'string', default: '5' },
    write: { type: 'boolean', default: false },
  },
});
const [parts, measures, seconds] = [values.only.split(','), values.measure.split(','), Number(values.seconds)];
/** The least that there can be of Node has no WebSockets. */
const withoutWebSockets = ['bare'];
/** Are configured for fewer connections than are opened here. */
const withoutRoom = ['bare', 'nginx', 'haproxy'];
const idle = 5000;

spawnSync('taskset', ['-acp', '1', String(process.pid)]);
const [small, large] = [await listen(), await start('bodies', 1)];
const direct = { port: small.address().port, path: '/', headers: {} };
const results = Object.fromEntries(parts.map((part) => [part, { part }]));
const data = {};

/** With the forwarder alone on its core, which is why each is started for each measure. */
async function withEach(upstreamPort, what) {
  for (const part of parts) {
    const server = await start(part, 0, upstreamPort);
    Object.assign(results[part], await what(server, part));
    server.stop();
    console.error(JSON.stringify(results[part]));
  }
}

if (measures.includes('latency')) {
  const ours = await start('sandlot', 0, direct.port);
  await saturating(ours, 2);
  data.rate = Math.round((await saturating(ours, 3)) / 2);
  ours.stop();
  const times = await paced(direct, data.rate, seconds);
  data.direct = { p50Ms: percentile(times, 50), p99Ms: percentile(times, 99) };
  await withEach(direct.port, async (server) => {
    await saturating(server, 2); // until compilers have done their work
    const through = await paced(server, data.rate, seconds);
    if (!through) return {};
    return { added50Ms: percentile(through, 50) - data.direct.p50Ms, added99Ms: percentile(through, 99) - data.direct.p99Ms };
  });
}
if (measures.includes('bodies'))
  await withEach(large.port, async (server) => ({
    downloadSecondsPerGiB: await bodies(server, 'GET', 2),
    uploadSecondsPerGiB: await bodies(server, 'POST', 2),
  }));
if (measures.includes('echo'))
  await withEach(large.port, async (server, part) => {
    if (withoutWebSockets.includes(part)) return {};
    const { cpuMicroseconds, perSecond } = await echo(server, seconds);
    return { echoMicroseconds: cpuMicroseconds, echoesPerSecond: perSecond };
  });
if (measures.includes('idle'))
  await withEach(large.port, async (server, part) => {
    if (withoutRoom.includes(part)) return {};
    const result = { idleWebSocketKiB: await idleKiB(server, webSocket(server), idle) };
    if (!server.tunnelTo) return result;
    const another = await start(part, 0, large.port);
    result.idleTunnelKiB = await idleKiB(another, tunnel(another), idle);
    another.stop();
    return result;
  });
small.close();
large.stop();

const shown = (value, digits, unit) => (value === undefined ? '-' : `${value.toFixed(digits)} ${unit}`);
const table = [
  '| forwarder | added p50 | added p99 | download, CPU per GiB | upload, CPU per GiB | WebSocket echo, CPU | echoes/s | idle WebSocket | idle tunnel |',
  '|---|---|---|---|---|---|---|---|---|',
  ...Object.values(results).map((r) => {
    const cells = [
      shown(r.added50Ms, 3, 'ms'), shown(r.added99Ms, 2, 'ms'), shown(r.downloadSecondsPerGiB, 2, 's'), shown(r.uploadSecondsPerGiB, 2, 's'),
      shown(r.echoMicroseconds, 1, 'us'), shown(r.echoesPerSecond, 0, '').trim(), shown(r.idleWebSocketKiB, 1, 'KiB'), shown(r.idleTunnelKiB, 1, 'KiB'),
    ]; // prettier-ignore
    return `| ${r.part} | ${cells.join(' | ')} |`;
  }),
].join('\n');
const method =
  (data.rate ? `Half load: ${data.rate} requests/s over 64 connections, half of what Sandlot can; direct: p50 ${data.direct.p50Ms.toFixed(3)} ms, p99 ${data.direct.p99Ms.toFixed(2)} ms. ` : '') +
  `16 MiB bodies, 4 at a time; 1,000 WebSockets with one 64-byte message each on the way; ${idle.toLocaleString('en')} idle ones. Forwarder alone on core 0.`; // prettier-ignore
report({
  name: 'depth',
  title: 'Time, large bodies and WebSockets',
  method,
  table,
  data: { ...data, results: Object.values(results) },
  write: values.write,
});
process.exit();
