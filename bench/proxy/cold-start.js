/**
 * How long after its start a proxy gives its first authenticated answer: the service's own program against a real nats-server that has the key and
 * the route, and an upstream that answers at once. It is asked again and again from the start on.
 *
 *   npm run build && node bench/proxy/cold-start.js [--rounds 11] [--write]
 */
import { connect as dial } from 'node:net';
import { parseArgs } from 'node:util';
import { connect } from '@nats-io/transport-node';
import { formatApiKey, hashApiKey, newId } from '@sandlot/kernel';
import { cleanUp, startTestNats } from '@sandlot/testing';
import { summary } from '../platform/percentiles.js';
import { start } from './forwarders.js';
import { makeBuckets, spawnProxy } from './real-proxy.js';
import { report } from './result.js';

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '11' }, write: { type: 'boolean', default: false } } });

const nats = await startTestNats();
const connection = await connect({ servers: nats.url });
const buckets = await makeBuckets(connection);
const upstream = await start('upstream', 1);
const key = formatApiKey(Buffer.alloc(32, 7));
const userId = newId('usr');
await buckets.putKey(hashApiKey(key), { keyId: newId('key'), userId, status: 'active', expiresAt: null });
await buckets.putUser({ userId, username: 'alice', role: 'user', status: 'active' });
const ports = [{ port: 8888, address: `127.0.0.1:${upstream.port}` }];
await buckets.putRoute({ sandboxId: newId('sbx'), owner: userId, username: 'alice', name: 's1', state: 'running', ports });
await connection.close();

const request = `GET /proxy/s1/hello HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${key}\r\nConnection: close\r\n\r\n`;

/** Whether the answer is 200; nobody there yet is no answer. */
const ask = (port) =>
  new Promise((done) => {
    const socket = dial(port, '127.0.0.1', () => socket.write(request));
    socket.on('error', () => done(false)).on('data', (bytes) => {
      done(bytes.toString('latin1').startsWith('HTTP/1.1 200'));
      socket.destroy();
    });
  }); // prettier-ignore

async function once() {
  const began = performance.now();
  const proxy = await spawnProxy(nats.url);
  while (!(await Promise.race([ask(proxy.port), proxy.ended]))) await new Promise((done) => setTimeout(done, 2));
  const took = performance.now() - began;
  proxy.kill();
  await proxy.ended.catch(() => undefined);
  return took;
}

await once(); // from the disk into its cache
const times = [];
for (let round = 0; round < Number(values.rounds); round++) times.push(await once());
upstream.stop();
await cleanUp();

const result = summary(times);
report({
  name: 'cold-start',
  title: 'From the start of a proxy to its first authenticated answer',
  method: `${values.rounds} starts of the built program, with its files in the cache of the system; asked every 2 ms.`,
  table: `| | |\n|---|---|\n| p50 | ${result.p50} ms |\n| longest | ${result.max} ms |`,
  data: { result, times },
  write: values.write,
});
process.exit();
