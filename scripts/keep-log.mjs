// Keeps the log of this version for ever: `node scripts/keep-log.mjs <version>`, when that version is released, after `npm run build`.
// A platform with a memory runtime lives through what its API can do; event types that such a run does not bring about are appended from the examples
// in libs/contracts. What is kept is a backup with its keys, which stand for nothing, and what the platform answered.
// released-logs.e2e.spec.ts restores it into the newest code and asks again.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { addMasterKey, FolderStore, takeBackup } from '../services/admin/dist/index.js';
import { aggregateRef, aggregates, catalogue, operationRef } from '../libs/contracts/dist/index.js';
import { findNatsServer, freePort, natsIdentities, natsUsers, startNats } from '../libs/embedded/dist/index.js';
import { JetStreamEventStore, nothing, serviceContext } from '../libs/event-store/dist/index.js';
import { newId } from '../libs/kernel/dist/index.js';
import { connectNats } from '../libs/service-kit/dist/index.js';

const root = join(import.meta.dirname, '..');
const [version] = process.argv.slice(2);
if (!/^\d+\.\d+\.\d+$/.test(version ?? '')) throw new Error('which version is it? node scripts/keep-log.mjs 0.1.0');
const kept = join(root, 'services', 'standalone', 'src', 'released', version);

/** What is asked again of every later version, as the first administrator and as alice. */
const questions = {
  admin: [
    '/api/v1/admin/users',
    '/api/v1/admin/users?status=deleted',
    '/api/v1/admin/namespaces/alice',
    '/api/v1/audit-logs?order=asc&action=sandbox.requested',
  ],
  alice: ['/api/v1/me', '/api/v1/me/apikeys', '/api/v1/me/quota', '/api/v1/sandboxes', '/api/v1/sandboxes/s1', '/api/v1/sandboxes/s2'],
};

const folder = await mkdtemp(join(tmpdir(), 'sandlot-keep-log-'));
try {
  const dataDir = join(folder, 'data');
  const answers = await lifeOf(dataDir);
  await mkdir(kept, { recursive: true });
  await withLog(dataDir, async (as) => {
    await addMissing(as);
    const store = new FolderStore(join(kept, 'backup'));
    await takeBackup(await as('backup'), store, {
      version,
      now: () => new Date(),
      checkLog: true,
      withoutAccess: true,
      log: () => undefined,
    });
  });
  for (const key of ['master.key', 'admin.key']) await cp(join(dataDir, key), join(kept, key));
  await writeFile(join(kept, 'answers.json'), `${JSON.stringify(answers, undefined, 1)}\n`);
} finally {
  await rm(folder, { recursive: true, force: true });
}

/** Starts a platform, does what can be done, and returns what it answers to the questions. */
async function lifeOf(dataDir) {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const child = spawn(process.execPath, [join(root, 'services/standalone/dist/main.js')], {
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      ...(process.env.SANDLOT_NATS_SERVER && { SANDLOT_NATS_SERVER: process.env.SANDLOT_NATS_SERVER }),
      SANDLOT_DATA_DIR: dataDir,
      SANDLOT_PORT: String(port),
      SANDLOT_METRICS_PORT: '0',
      SANDLOT_RUNTIME: 'memory',
      SANDLOT_PREVIEW_DOMAIN: 'preview.localhost',
      SANDLOT_EXPIRY_WARNING: '55',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const gone = once(child, 'exit');
  try {
    await said(child, 'Sandlot is ready at');
    return await session(url, dataDir);
  } finally {
    child.kill('SIGTERM');
    await gone;
  }
}

async function session(url, dataDir) {
  const adminKey = (await readFile(join(dataDir, 'admin.key'), 'utf8')).trim();
  const client =
    (key) =>
    async (method, path, body, headers = {}) => {
      const response = await fetch(url + path, {
        method,
        headers: { authorization: `Bearer ${key}`, ...(body && { 'content-type': 'application/json' }), prefer: 'wait=30', ...headers },
        ...(body && { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
      return text ? JSON.parse(text) : undefined;
    };
  const admin = client(adminKey);
  const newUser = async (username, more) => {
    const { id } = await admin('POST', '/api/v1/admin/users', { username, ...more });
    const { id: keyId, key } = await admin('POST', `/api/v1/admin/users/${id}/apikeys`, { name: 'laptop' });
    await until(async () => (await fetch(`${url}/api/v1/me`, { headers: { authorization: `Bearer ${key}` } })).ok);
    return { id, keyId, key, api: client(key) };
  };
  const alice = await newUser('alice', { email: 'alice@example.com', displayName: 'Alice Äpfel' });
  const bob = await newUser('bob', { email: 'bob@example.com' });
  const carol = await newUser('carol', {});
  await admin('PATCH', `/api/v1/admin/users/${alice.id}`, { displayName: 'Alice' }, { 'content-type': 'application/merge-patch+json' });
  await admin('PATCH', `/api/v1/admin/users/${carol.id}`, { role: 'admin' }, { 'content-type': 'application/merge-patch+json' });
  for (const status of ['disabled', 'active'])
    await admin('PATCH', `/api/v1/admin/users/${carol.id}`, { status }, { 'content-type': 'application/merge-patch+json' });
  await admin('PUT', `/api/v1/admin/users/${alice.id}/limits`, { requestsPerSecond: 500 });
  await admin('PUT', `/api/v1/admin/users/${alice.id}/quota`, { sandboxes: 5 });
  const second = await alice.api('POST', '/api/v1/me/apikeys', { name: 'old' });
  await alice.api('PATCH', `/api/v1/me/apikeys/${second.id}`, { name: 'older' });
  await alice.api('DELETE', `/api/v1/me/apikeys/${second.id}`);

  await alice.api('POST', '/api/v1/sandboxes', { name: 's1', labels: { team: 'blue' } });
  await alice.api('POST', '/api/v1/sandboxes', { name: 's2', resources: { requests: { cpu: '500m', memory: '256Mi' } } });
  await alice.api('POST', '/api/v1/sandboxes/s2/pause');
  await alice.api('POST', '/api/v1/sandboxes/s1/pause');
  await alice.api('POST', '/api/v1/sandboxes/s1/resume');
  await alice.api('POST', '/api/v1/sandboxes', { name: 's3' });
  await alice.api('DELETE', '/api/v1/sandboxes/s3');
  const preview = await alice.api('POST', '/api/v1/sandboxes/s1/previews', { port: 8888 });
  if (preview) await alice.api('DELETE', `/api/v1/sandboxes/s1/previews/${preview.id}`);
  const ending = await alice.api('POST', '/v1/sessions', { ttl: 60 });
  await alice.api('POST', `/v1/sessions/${ending.id}/extend`, { ttl: 61 });

  await bob.api('POST', '/api/v1/sandboxes', { name: 's1' });
  await admin('DELETE', `/api/v1/admin/users/${bob.id}`);
  await admin('POST', `/api/v1/admin/users/${bob.id}/forget`);
  await admin('POST', '/api/v1/admin/projections/auth/users/rebuild', { reason: 'to have done it' });
  const until_ = new Date(Date.now() + 60_000).toISOString();
  await admin('POST', '/api/v1/admin/consumers/auth-forget/pause', { until: until_ });
  await admin('POST', '/api/v1/admin/consumers/auth-forget/resume');
  await admin('POST', '/api/v1/admin/consumers/auth-forget/replay', { fromPosition: 1 });
  await addMasterKey(join(dataDir, 'master.key'));
  await admin('POST', '/api/v1/admin/master-key/rewrap', {});
  await admin('POST', '/api/v1/admin/rebuild', { reason: 'to have done it' });
  await until(async () => (await alice.api('GET', '/v1/sessions')).items.length === 0, 120_000);
  await until(async () =>
    (await admin('GET', '/api/v1/admin/projections')).items.every(({ status, lagEvents }) => status === 'running' && lagEvents === 0),
  );

  const answers = { keys: { alice: alice.key } };
  for (const [who, api] of Object.entries({ admin, alice: alice.api }))
    answers[who] = Object.fromEntries(await Promise.all(questions[who].map(async (path) => [path, await api('GET', path)])));
  return answers;
}

/** Event types that have not happened, each on an aggregate that nothing else happens to. */
async function addMissing(as) {
  const seen = new Set();
  const auth = await as('auth');
  const { jetstream } = await import('@nats-io/jetstream');
  const messages = await (await jetstream(auth).consumers.get('DOMAIN')).consume();
  for await (const message of messages) {
    seen.add(message.headers.get('ce-type').replace('dev.sandlot.', ''));
    if (message.info.pending === 0) break;
  }
  const added = [];
  for (const type of catalogue.keys()) {
    if (seen.has(type)) continue;
    const [example] = JSON.parse(await readFile(join(root, 'libs/contracts/src/fixtures', `${type}.json`), 'utf8'));
    const kind = type.slice(0, type.indexOf('.'));
    const context = aggregates[kind] ?? 'provisioner';
    const ref = kind in aggregates ? aggregateRef(kind, newId('cmd')) : operationRef(context, kind, `example-${newId('cmd')}`);
    const store = await JetStreamEventStore.open(await as(context));
    await store.append(serviceContext(context, nothing), [{ aggregate: ref, expected: nothing, facts: [example] }]);
    added.push(type);
  }
  process.stderr.write(`${seen.size} event types happened, ${added.length} were added: ${added.join(', ')}\n`);
}

/** The NATS of the data folder, while nothing else runs on it, and connections to it. */
async function withLog(dataDir, work) {
  const identities = await natsIdentities(join(dataDir, 'identities'));
  const nats = await startNats({
    binary: await findNatsServer({ log: () => undefined }),
    dataDir: join(dataDir, 'nats'),
    users: natsUsers(identities),
  });
  const connections = [];
  try {
    await work(async (identity) => {
      const seed = (await readFile(identities[identity].seedFile, 'utf8')).trim();
      const connection = await connectNats({ SANDLOT_NATS_URL: nats.url, SANDLOT_NATS_NKEY: seed }, identity);
      connections.push(connection);
      return connection;
    });
  } finally {
    for (const connection of connections) await connection.close();
    await nats.stop();
  }
}

async function said(child, text) {
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (chunk) => (output += chunk));
  await until(() => {
    if (child.exitCode !== null) throw new Error(`the platform did not start: ${output}`);
    return output.includes(text);
  });
}

async function until(look, withinMs = 30_000) {
  for (const deadline = Date.now() + withinMs; !(await look());) {
    if (Date.now() > deadline) throw new Error(`it did not become so: ${look}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
