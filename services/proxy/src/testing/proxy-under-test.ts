import type { AccessRecord, KeyRecord, RouteRecord, UserRecord } from '@sandlot/contracts';
import { formatApiKey, hashApiKey, type Id, type IdPrefix } from '@sandlot/kernel';
import { DataPlane, type DataPlaneOptions } from '../data-plane.js';
import { DirectoryUnavailable, type Directory } from '../directory.js';

const id = <Prefix extends IdPrefix>(prefix: Prefix, text: string) => `${prefix}_${text.padEnd(26, '0')}` as Id<Prefix>;

/** What a test's proxy knows: users alice, bob and root (an administrator), each with a key. */
export class FakeDirectory implements Directory {
  readonly keys = new Map<string, KeyRecord>();
  readonly users = new Map<string, UserRecord>();
  readonly routes = new Map<string, RouteRecord>();
  /** Nothing that is not in memory can be asked for. */
  away = false;
  /** Answers come as promises, as for what is not in memory yet. */
  slow = false;
  asked = 0;

  key(hash: string) {
    return this.answer(this.keys.get(hash));
  }

  user(userId: string) {
    return this.answer(this.users.get(userId));
  }

  route(username: string, sandbox: string) {
    return this.answer(this.routes.get(`${username}.${sandbox}`));
  }

  freshRoute(username: string, sandbox: string) {
    return Promise.resolve(this.routes.get(`${username}.${sandbox}`));
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
  return { plane, port, url: `http://127.0.0.1:${port}`, directory, records, alice, bob, root, close: () => plane.close({ graceMs: 0 }) };
}
