import type { AccessRecord, DiscoveredRoute, KeyRecord, RouteRecord, UserRecord } from '@sandlot/contracts';
import { formatApiKey, hashApiKey, type Id, type IdPrefix } from '@sandlot/kernel';
import { EventEmitter } from 'node:events';
import { DataPlane, type DataPlaneOptions } from '../data-plane.js';
import { DirectoryUnavailable, type Directory } from '../directory.js';

const id = <Prefix extends IdPrefix>(prefix: Prefix, text: string) => `${prefix}_${text.padEnd(26, '0')}` as Id<Prefix>;

/** What a test's proxy knows: users alice, bob and root (an administrator), each with a key. */
export class FakeDirectory implements Directory {
  readonly keys = new Map<string, KeyRecord>();
  readonly users = new Map<string, UserRecord>();
  readonly routes = new Map<string, RouteRecord>();
  readonly discoveredRoutes = new Map<string, DiscoveredRoute>();
  /** Nothing that is not in memory can be asked for. */
  away = false;
  /** Answers come as promises, as for what is not in memory yet. */
  slow = false;
  asked = 0;
  /** How many listen for changes of routes. */
  get listening(): number {
    return this.changes.listenerCount('route');
  }
  private readonly changes = new EventEmitter().setMaxListeners(0);

  key(hash: string) {
    return this.answer(this.keys.get(hash));
  }

  user(userId: string) {
    return this.answer(this.users.get(userId));
  }

  username(username: string) {
    const user = [...this.users.values()].find((each) => each.username === username);
    return this.answer(user && { userId: user.userId });
  }

  route(username: string, sandbox: string) {
    return this.answer(this.routes.get(`${username}.${sandbox}`));
  }

  discovered(username: string, sandbox: string) {
    return this.answer(this.discoveredRoutes.get(`${username}.${sandbox}`));
  }

  freshRoute(username: string, sandbox: string) {
    return Promise.resolve(this.routes.get(`${username}.${sandbox}`));
  }

  watchRoute(username: string, sandbox: string, listener: (route: RouteRecord | undefined) => void) {
    const change = (changed: string) => changed === `${username}.${sandbox}` && listener(this.routes.get(changed));
    this.changes.on('route', change);
    return () => void this.changes.off('route', change);
  }

  watchRoutes(listener: (change: RouteRecord) => void) {
    this.changes.on('any-route', listener);
    return () => void this.changes.off('any-route', listener);
  }

  /** Changes a route, or ends it, as the watch of the real directory would tell. */
  changeRoute(username: string, sandbox: string, change: Partial<RouteRecord> | undefined): void {
    const key = `${username}.${sandbox}`;
    if (change) this.routes.set(key, { ...this.routes.get(key)!, ...change });
    else this.routes.delete(key);
    this.changes.emit('route', key);
    if (change) this.changes.emit('any-route', this.routes.get(key));
  }

  watchCredentials(listener: (change: KeyRecord | UserRecord) => void) {
    this.changes.on('credential', listener);
    return () => void this.changes.off('credential', listener);
  }

  /** Changes a key, as the watch of the real directory would tell. */
  changeKey(key: string, change: Partial<KeyRecord>): void {
    const changed = { ...this.keys.get(hashApiKey(key))!, ...change };
    this.keys.set(hashApiKey(key), changed);
    this.changes.emit('credential', changed);
  }

  changeUser(username: string, change: Partial<UserRecord>): void {
    const changed = { ...this.users.get(id('usr', username))!, ...change };
    this.users.set(changed.userId, changed);
    this.changes.emit('credential', changed);
  }

  addUser(username: string, record: Partial<UserRecord> = {}): string {
    const userId = id('usr', username);
    this.users.set(userId, { userId, username, role: 'user', status: 'active', ...record });
    return this.addKey(username);
  }

  /** @returns the key, as a client sends it */
  addKey(username: string, record: Partial<KeyRecord> = {}): string {
    const key = formatApiKey(crypto.getRandomValues(new Uint8Array(32)));
    const userId = id('usr', username);
    this.keys.set(hashApiKey(key), { keyId: id('key', username), userId, status: 'active', expiresAt: null, ...record });
    return key;
  }

  addSandbox(username: string, name: string, address: string, record: Partial<RouteRecord> = {}): void {
    const ports = [{ name: 'http', port: 8888, address }];
    const owner = id('usr', username);
    this.routes.set(`${username}.${name}`, {
      sandboxId: id('sbx', `${username}${name}`),
      owner,
      username,
      name,
      state: 'running',
      ports,
      ...record,
    });
  }

  /** One that somebody else made, with the label `user` or, as `default`, without it. */
  addDiscovered(username: string, name: string, address: string, record: Partial<DiscoveredRoute> = {}): void {
    const port = { port: 8888, address };
    const place = { uid: `uid-${username}-${name}`, namespace: 'research', username, name };
    this.discoveredRoutes.set(`${username}.${name}`, { ...place, state: 'running', ports: [port], shared: false, ...record });
  }

  private answer<T>(known: T | undefined): T | undefined | Promise<T | undefined> {
    this.asked++;
    if (known === undefined && this.away) throw new DirectoryUnavailable('nobody to ask');
    return this.slow ? new Promise((done) => setImmediate(done, known)) : known;
  }
}

export interface ProxyUnderTest {
  plane: DataPlane;
  port: number;
  url: string;
  directory: FakeDirectory;
  records: AccessRecord[];
  alice: string;
  bob: string;
  root: string;
  close(): Promise<void>;
}

/** A proxy on a free port. Sandboxes are added to its directory; the gateway is at `gatewayAddress`, if a test has one. */
export async function startProxy(options: Partial<DataPlaneOptions> = {}): Promise<ProxyUnderTest> {
  const directory = new FakeDirectory();
  const records: AccessRecord[] = [];
  const plane = new DataPlane({
    directory,
    signer: { sign: (identity) => Buffer.from(JSON.stringify(identity)).toString('base64url') },
    gatewayAddress: '127.0.0.1:1',
    recorder: { record: (record) => void records.push(record) },
    onError: (error) => console.error(error),
    ...options,
    sandboxes: { allowLoopback: true, ...options.sandboxes },
  });
  const { port } = await plane.listen(0, '127.0.0.1');
  const alice = directory.addUser('alice');
  const bob = directory.addUser('bob');
  const root = directory.addUser('root', { role: 'admin' });
  return {
    plane,
    port,
    url: `${options.tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    directory,
    records,
    alice,
    bob,
    root,
    close: () => plane.close({ graceMs: 0 }),
  };
}
