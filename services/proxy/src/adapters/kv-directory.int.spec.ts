import { Kvm, type KV } from '@nats-io/kv';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import {
  discoveredRouteKey,
  keyRecordKey,
  KEYS_BUCKET,
  routeKey,
  ROUTES_BUCKET,
  usernameRecordKey,
  userRecordKey,
  type RouteRecord,
} from '@sandlot/contracts';
import { newId } from '@sandlot/kernel';
import { stableTcpProxy, startTestNats, waitFor, type StableTcpProxy } from '@sandlot/testing';
import { DirectoryUnavailable } from '../directory.js';
import { KvDirectory } from './kv-directory.js';

const owner = newId('usr');
const route = (state: RouteRecord['state']): RouteRecord => ({
  sandboxId: newId('sbx'),
  owner,
  username: 'alice',
  name: 's1',
  state,
  ports: [{ port: 8888, address: '10.0.0.1:8888' }],
});

describe('the directory over KV', () => {
  let direct: NatsConnection;
  let connection: NatsConnection;
  let network: StableTcpProxy;
  let keys: KV;
  let routes: KV;
  let directory: KvDirectory;

  beforeAll(async () => {
    const nats = await startTestNats();
    direct = await connect({ servers: nats.url });
    network = await stableTcpProxy(nats.port);
  });

  beforeEach(async () => {
    const manager = new Kvm(direct);
    keys = await manager.create(KEYS_BUCKET, { allow_direct: true });
    routes = await manager.create(ROUTES_BUCKET, { allow_direct: true });
    connection = await connect({ servers: `127.0.0.1:${network.port}`, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
    directory = KvDirectory.open(connection, { missingForMs: 60_000, lookupTimeoutMs: 10_000 });
    await current();
  });

  afterEach(async () => {
    network.restore();
    await directory.close();
    await connection.close();
    await keys.destroy().catch(() => undefined);
    await routes.destroy().catch(() => undefined);
  });

  afterAll(async () => {
    await direct.close();
    await network.close();
  });

  const current = () => waitFor(() => directory.current, { describe: 'both watches' });
  const put = (state: RouteRecord['state']) => routes.put(routeKey('alice', 's1'), JSON.stringify(route(state)));
  const state = async () => (await directory.route('alice', 's1'))?.state;

  it('knows what was discovered where that is switched on, and keeps it apart from own routes, also those of a user called d…', async () => {
    const found = { uid: 'u', namespace: 'n', username: 'alice', name: 's1', state: 'running', ports: [], shared: false };
    await routes.put(discoveredRouteKey('alice', 's1'), JSON.stringify(found));
    await routes.put(routeKey('discovered', 's1'), JSON.stringify({ ...route('running'), username: 'discovered' }));
    const open = KvDirectory.open(connection, { discovery: true });
    expect(await open.discovered('alice', 's1')).toEqual(found);
    expect(await open.route('alice', 's1')).toBeUndefined();
    expect(await open.route('discovered', 's1')).toMatchObject({ username: 'discovered' });
    expect(directory.discovered('alice', 's1')).toBeUndefined();
    await open.close();
  });

  it('fetches what it does not know once, and then answers from memory', async () => {
    await put('running');
    await keys.put(keyRecordKey('ab'), JSON.stringify({ keyId: newId('key'), userId: owner, status: 'active', expiresAt: null }));
    await keys.put(userRecordKey(owner), JSON.stringify({ userId: owner, username: 'alice', role: 'user', status: 'active' }));
    await keys.put(usernameRecordKey('alice'), JSON.stringify({ userId: owner }));
    const fresh = KvDirectory.open(connection);
    const both = [fresh.route('alice', 's1'), fresh.route('alice', 's1')];
    expect(both[0]).toBe(both[1]);
    expect((await both[0])!.state).toBe('running');
    expect(fresh.route('alice', 's1')).toMatchObject({ state: 'running' });
    expect(await fresh.key('ab')).toMatchObject({ status: 'active' });
    expect(await fresh.user(owner)).toMatchObject({ username: 'alice' });
    expect(await fresh.username('alice')).toEqual({ userId: owner });
    expect(await fresh.username('bob')).toBeUndefined();
    expect(await fresh.key('cd')).toBeUndefined();
    expect(fresh.key('cd')).toBeUndefined();
    await fresh.close();
  });

  it('sees every change of what it knows, removal and return included', async () => {
    await put('starting');
    expect(await state()).toBe('starting');
    await put('running');
    await waitFor(async () => (await state()) === 'running', { describe: 'the change' });
    await routes.delete(routeKey('alice', 's1'));
    await waitFor(async () => (await state()) === undefined, { describe: 'the removal' });
    await put('running');
    await waitFor(async () => (await state()) === 'running', { describe: 'the return' });
  });

  it('asks for a route anew when told to, without waiting for the watch', async () => {
    await put('starting');
    expect(await state()).toBe('starting');
    for (const next of ['running', 'paused', 'resuming', 'running'] as const) {
      await put(next);
      expect((await directory.freshRoute('alice', 's1'))?.state).toBe(next);
    }
  });

  it('sees at once what it has remembered as missing', async () => {
    expect(await state()).toBeUndefined();
    await put('running');
    await waitFor(async () => (await state()) === 'running', { describe: 'the new route' });
  });

  it('serves what it knows while NATS is away, says of the rest that it cannot know, and catches up on what it missed', async () => {
    await put('running');
    expect(await state()).toBe('running');
    network.cut();
    await waitFor(() => attempt(() => directory.route('alice', 'other')) instanceof DirectoryUnavailable, {
      describe: 'the loss to be noticed',
    });
    expect(directory.route('alice', 's1')).toMatchObject({ state: 'running' });
    expect(await directory.freshRoute('alice', 's1')).toMatchObject({ state: 'running' });
    await put('paused');
    expect(directory.route('alice', 's1')).toMatchObject({ state: 'running' });
    network.restore();
    await waitFor(async () => (await state()) === 'paused', { describe: 'the missed change' });
  });

  it('does not wait long for a NATS that is silent', async () => {
    network.stall();
    await expect(directory.route('alice', 's1')).rejects.toThrow(DirectoryUnavailable);
  });

  it('forgets what it knew when a bucket was made anew', async () => {
    await put('running');
    expect(await state()).toBe('running');
    network.cut();
    await routes.destroy();
    routes = await new Kvm(direct).create(ROUTES_BUCKET, { allow_direct: true });
    network.restore();
    await waitFor(async () => (await state()) === undefined, { describe: 'the old route to be forgotten' });
    await put('paused');
    await waitFor(async () => (await state()) === 'paused', { describe: 'the new route' });
  });

  it('takes a record that does not fit for none', async () => {
    await routes.put(routeKey('alice', 's1'), '{"state":"running"}');
    await routes.put(routeKey('alice', 's2'), 'not json');
    expect(await state()).toBeUndefined();
    expect(await directory.route('alice', 's2')).toBeUndefined();
  });

  it('tells who watches a route of each of its changes, over a loss of the connection, until that stops', async () => {
    const seen: (string | undefined)[] = [];
    const stop = directory.watchRoute('alice', 's1', (changed) => seen.push(changed?.state));
    const other = directory.watchRoute('alice', 's2', () => seen.push('other'));
    await put('resuming');
    await waitFor(() => seen.length === 1);
    network.cut();
    await put('running');
    network.restore();
    await waitFor(() => seen.length === 2, { describe: 'the change that happened meanwhile' });
    await routes.delete(routeKey('alice', 's1'));
    await waitFor(() => seen.length === 3);
    expect(seen).toEqual(['resuming', 'running', undefined]);
    stop();
    other();
    await put('starting');
    await waitFor(async () => (await state()) === 'starting');
    expect(seen).toHaveLength(3);
  });

  it('tells of every change of a route to a sandbox, not of those that are discovered', async () => {
    const seen: string[] = [];
    const stop = directory.watchRoutes(({ name, state: now }) => seen.push(`${name} ${now}`));
    const found = { uid: 'u', namespace: 'n', username: 'alice', name: 's3', state: 'running', ports: [], shared: false };
    await routes.put(discoveredRouteKey('alice', 's3'), JSON.stringify(found));
    await put('running');
    await put('deleting');
    await waitFor(() => seen.length === 2);
    expect(seen).toEqual(['s1 running', 's1 deleting']);
    stop();
  });

  it('tells of every change of a key or user, also one that a look-up has found before', async () => {
    const seen: string[] = [];
    const stop = directory.watchCredentials((change) => seen.push(change.status));
    const userId = newId('usr');
    await keys.put(userRecordKey(userId), JSON.stringify({ userId, username: 'a', role: 'user', status: 'active' }));
    await directory.user(userId);
    await keys.put(keyRecordKey('h'), JSON.stringify({ keyId: newId('key'), userId, status: 'revoked', expiresAt: null }));
    await waitFor(() => seen.length === 2);
    expect(seen).toEqual(['active', 'revoked']);
    stop();
  });
});

function attempt(look: () => unknown): unknown {
  try {
    const answer = look();
    if (answer instanceof Promise) answer.catch(() => undefined);
    return answer;
  } catch (error) {
    return error;
  }
}
