/**
 * What other proxies do with the requests of the conformance table and of the smuggling payloads: asks those that `install-peers.sh` has found,
 * and keeps their answers beside the tests, which compare ours with them. After `npm run build`:
 *
 *   bench/proxy/install-peers.sh && node bench/proxy/peers.ts && make docs
 */
import { fork } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { CONFORMANCE_CASES, see } from '../../services/proxy/dist/testing/conformance-cases.js';
import { readForwarded } from '../../services/proxy/dist/testing/forwarded-requests.js';
import { answeringEach, probe } from '../../services/proxy/dist/testing/http-probe.js';
import { rawUpstream } from '../../services/proxy/dist/testing/raw-peers.js';
import { SMUGGLING_PAYLOADS } from '../../services/proxy/dist/testing/smuggling-payloads.js';
import { versionOf } from './parts/native.js';

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const repository = join(import.meta.dirname, '../..');
const file = join(repository, 'bench/proxy/results/peers.json');

const npmVersion = (path: string): string =>
  (JSON.parse(readFileSync(join(repository, path, 'package.json'), 'utf8')) as { version: string }).version;
const peers = {
  nginx: () => `nginx ${versionOf('nginx', '-v')}`,
  haproxy: () => `HAProxy ${versionOf('haproxy', '-v')}`,
  envoy: () => `Envoy ${versionOf('envoy', '--version')}`,
  'http-proxy-3': () => `http-proxy-3 ${npmVersion('.cache/peers/node_modules/http-proxy-3')}`,
  'configurable-http-proxy': () => `configurable-http-proxy ${npmVersion('node_modules/configurable-http-proxy')}`,
};

type Options = Parameters<typeof answeringEach>[0];

/** A peer in front of an upstream of its own. */
async function start(peer: string) {
  let answer: ReturnType<typeof answeringEach> = () => undefined;
  const upstream = await rawUpstream((socket, text) => answer(socket, text));
  const child = fork(join(import.meta.dirname, 'parts', `${peer}.js`), [String(upstream.port)]);
  process.once('exit', () => child.kill());
  const { port } = await new Promise<{ port: number }>((done, failed) => {
    child.once('message', done as (message: unknown) => void);
    child.once('exit', (code) => failed(new Error(`${peer} ended with ${code}`)));
  });
  const prefix = peer === 'configurable-http-proxy' ? '/user/alice/' : '/';

  /** Asks with an upstream that has forgotten every earlier connection. */
  async function ask(bytes: string, options: Options, how = {}) {
    for (const socket of upstream.sockets) socket.destroy();
    upstream.received.length = 0;
    await pause(20); // for the peer to notice
    answer = answeringEach(options);
    const theirs = bytes.replaceAll('/proxy/s1', prefix.slice(0, -1)).replaceAll('/proxy', '/alice');
    return probe({ port, prefix, credentials: '' }, upstream, theirs, how);
  }
  const stop = () => {
    child.kill();
    return upstream.close();
  };
  return { ask, stop };
}

const recorded = {
  date: new Date().toISOString().slice(0, 10),
  versions: {} as Record<string, string>,
  conformance: {} as Record<string, Record<string, string>>,
  smuggling: {} as Record<string, Record<string, { count: number; flaws: string[] }>>,
};
async function record(peer: string, version: string): Promise<void> {
  const { ask, stop } = await start(peer);
  for (const one of CONFORMANCE_CASES) {
    const seen = see(await ask(one.request, { answer: OK, ...one }, one));
    recorded.conformance[`${one.rfc} ${one.what}`]![peer] = one.read(seen);
  }
  for (const { name, bytes } of SMUGGLING_PAYLOADS) {
    recorded.smuggling[name]![peer] = readForwarded((await ask(bytes, { answer: OK })).upstream);
  }
  await stop();
  console.error(`${version} has answered`);
}

for (const [peer, version] of Object.entries(peers)) recorded.versions[peer] = version();
for (const { rfc, what } of CONFORMANCE_CASES) recorded.conformance[`${rfc} ${what}`] = {};
for (const { name } of SMUGGLING_PAYLOADS) recorded.smuggling[name] = {};
await Promise.all(Object.entries(recorded.versions).map(([peer, version]) => record(peer, version)));
writeFileSync(file, `${JSON.stringify(recorded, null, 1)}\n`);
