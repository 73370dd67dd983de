import { spawn } from 'node:child_process';
import { jetstreamManager } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import { ACCESS_STREAM, KEYS_BUCKET, keyRecordKey, routeKey, ROUTES_BUCKET, userRecordKey } from '@sandlot/contracts';
import { freePort } from '@sandlot/testing';
import { proxyFlags, proxyProgram } from './forwarders.js';

/** The proxy's own program as it is deployed, against a NATS. It listens some time after it is started. */
export async function spawnProxy(natsUrl) {
  const port = await freePort();
  const env = {
    PATH: process.env.PATH,
    SANDLOT_LOG_LEVEL: 'fatal',
    SANDLOT_NATS_URL: natsUrl,
    SANDLOT_IDENTITY_KEY: 'x'.repeat(32),
    SANDLOT_RUNTIME: 'process', // the upstream is on this machine
    SANDLOT_HOST: '127.0.0.1',
    SANDLOT_PORT: String(port),
    SANDLOT_METRICS_PORT: String(await freePort()),
    SANDLOT_METRICS_HOST: '127.0.0.1',
  };
  const child = spawn(process.execPath, [...proxyFlags, proxyProgram], { env, stdio: ['ignore', 'inherit', 'inherit'] });
  const killNow = () => child.kill();
  process.once('exit', killNow);
  const ended = new Promise((_, failed) => child.once('exit', (code) => failed(new Error(`the proxy ended with ${code}`))));
  ended.catch(() => process.off('exit', killNow));
  return { port, pid: child.pid, ended, kill: () => child.kill('SIGKILL') };
}

/** The buckets that proxies read, as the services fill them, and the stream that takes their records. */
export async function makeBuckets(connection) {
  await (await jetstreamManager(connection)).streams.add({ name: ACCESS_STREAM, subjects: ['access.>'] });
  const manager = new Kvm(connection);
  const keys = await manager.create(KEYS_BUCKET, { allow_direct: true });
  const routes = await manager.create(ROUTES_BUCKET, { allow_direct: true });
  return {
    putKey: (hash, record) => keys.put(keyRecordKey(hash), JSON.stringify(record)),
    putUser: (record) => keys.put(userRecordKey(record.userId), JSON.stringify(record)),
    putRoute: (record) => routes.put(routeKey(record.username, record.name), JSON.stringify(record)),
  };
}
