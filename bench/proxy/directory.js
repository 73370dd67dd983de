/**
 * What a proxy knows: how much memory its own program takes that knows 100,000 keys with their users and 20,000 routes, each learnt by a request
 * that needed it; and how soon a route's change is known in each of several proxies. The buckets are those of a real nats-server.
 *
 *   npm run build && node bench/proxy/directory.js [--keys 100000] [--routes 20000] [--replicas 3] [--changes 500] [--write]
 */
import { fork } from 'node:child_process';
import { connect as dial } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { connect } from '@nats-io/transport-node';
import { formatApiKey, hashApiKey, newId } from '@sandlot/kernel';
import { cleanUp, startTestNats } from '@sandlot/testing';
import { summary } from '../platform/percentiles.js';
import { memoryOf, start } from './forwarders.js';
import { makeBuckets, spawnProxy } from './real-proxy.js';
import { report } from './result.js';

const { values } = parseArgs({
  options: {
    keys: { type: 'string', default: '100000' },
    routes: { type: 'string', default: '20000' },
    replicas: { type: 'string', default: '3' },
    changes: { type: 'string', default: '500' },
    write: { type: 'boolean', default: false },
  },
});
const [keyCount, routeCount] = [Number(values.keys), Number(values.routes)];
const KEYS_PER_USER = 10;

/** Runs all of them, so many at a time. */
async function inParallel(atOnce, tasks) {
  const left = tasks.values();
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      for (const task of left) await task();
    }),
  );
}

const nats = await startTestNats();
const connection = await connect({ servers: nats.url });
const buckets = await makeBuckets(connection);
const upstream = await start('upstream', 1);

const keys = Array.from({ length: keyCount }, (_, i) => {
  const bytes = Buffer.alloc(32);
  bytes.writeUInt32BE(i);
  return formatApiKey(bytes);
});
const users = Array.from({ length: keyCount / KEYS_PER_USER }, (_, i) => ({
  userId: newId('usr'),
  username: `user${i}`,
  role: 'user',
  status: 'active',
}));
const names = Array.from({ length: routeCount }, (_, i) => `s${i}`);
const userOf = (i) => users[i % users.length];
const routeTo = (name, address) => ({
  sandboxId: newId('sbx'), owner: users[0].userId, username: users[0].username, name, state: 'running',
  ports: [{ name: 'http', port: 8888, address }],
}); // prettier-ignore

await inParallel(500, [
  ...keys.map((key, i) => () => {
    const expiresAt = new Date(Date.now() + 1e9 + i).toISOString();
    return buckets.putKey(hashApiKey(key), { keyId: newId('key'), userId: userOf(i).userId, status: 'active', expiresAt });
  }),
  ...users.map((user) => () => buckets.putUser(user)),
  ...names.map((name) => () => buckets.putRoute(routeTo(name, `127.0.0.1:${upstream.port}`))),
]);

/** Asks a proxy, on a connection that is kept. @returns the status, again and again */
async function asking(port) {
  const socket = dial(port, '127.0.0.1').setNoDelay();
  await new Promise((done, failed) => socket.once('connect', done).once('error', failed));
  let answered;
  let text = '';
  socket.on('data', (bytes) => {
    text += bytes.toString('latin1');
    const end = text.indexOf('\r\n\r\n');
    if (end < 0 || text.length < end + 4 + Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0)) return;
    answered(Number(text.slice(9, 12)));
    text = '';
  });
  return {
    ask(path, key) {
      socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nX-API-Key: ${key}\r\n\r\n`);
      return new Promise((done) => (answered = done));
    },
    close: () => socket.destroy(),
  };
}

const proxy = await spawnProxy(nats.url);
let first;
while (!(first = await asking(proxy.port).catch(() => undefined))) await Promise.race([pause(20), proxy.ended]);
first.close();
await pause(2000);
const before = memoryOf(proxy.pid);
const askers = await Promise.all(Array.from({ length: 64 }, () => asking(proxy.port)));
const expecting = (status, path, key) => async () => {
  const asker = askers.pop();
  const got = await asker.ask(path, key);
  askers.push(asker);
  if (got !== status) throw new Error(`${path} was answered ${got}`);
};
await inParallel(
  64,
  names.map((name) => expecting(200, `/proxy/${name}/`, keys[0])),
);
await inParallel(
  64,
  keys.map((key) => expecting(404, '/proxy/none/', key)),
);
for (const asker of askers) asker.close();
await pause(10_000);
const resident = memoryOf(proxy.pid);
proxy.kill();
upstream.stop();

const replicas = await Promise.all(
  Array.from({ length: Number(values.replicas) }, async () => {
    const child = fork(join(import.meta.dirname, 'parts/directory.js'), [nats.url, users[0].username]);
    process.once('exit', () => child.kill());
    await new Promise((done) => child.once('message', done));
    return child;
  }),
);
const times = [];
for (let i = 0; i < Number(values.changes); i++) {
  const address = `10.0.0.1:${i + 1}`;
  const seen = replicas.map((child) => new Promise((done) => {
    const look = (message) => {
      if (message.address !== address) return;
      child.off('message', look);
      done();
    };
    child.on('message', look);
  })); // prettier-ignore
  const began = performance.now();
  await Promise.all([...seen, buckets.putRoute(routeTo('watched', address))]);
  times.push(performance.now() - began);
}
for (const child of replicas) child.kill();
await connection.close();
await cleanUp();

const visible = summary(times);
report({
  name: 'directory',
  title: 'What a proxy knows',
  method: `${values.keys} keys of ${users.length} users and ${values.routes} routes in the buckets of a real nats-server, learnt by requests; ${values.changes} changes of a route, one after the other.`,
  table: [
    '| | |',
    '|---|---|',
    `| resident with all of it known | ${resident.toFixed(0)} MiB (${before.toFixed(0)} MiB before) |`,
    `| a route's change visible in each of ${values.replicas} processes, from the put on: p50 | ${visible.p50} ms |`,
    `| the same: p99 | ${visible.p99} ms |`,
  ].join('\n'),
  data: { resident, before, visible },
  write: values.write,
});
process.exit();
