import { cp, open, readdir, readFile, rename as move, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from '../testing/http-client.js';
import { startPlatform, type Platform } from '../testing/platform.js';
import { refused, succeeded } from '../testing/problems.js';
import { newTenant, type Tenant } from '../testing/tenants.js';
import { checkPlatform } from './testing/checker.js';
import { all, stand, tell, views } from './testing/projections.js';

const reason = { reason: 'the log was restored' };

describe('a log that is not what was read from it', () => {
  let platform: Platform;
  let admin: Client;
  let alice: Tenant;
  let store: string;
  let backup: string;

  beforeAll(async () => {
    platform = await startPlatform({
      mode: 'standalone',
      runtime: 'memory',
      env: { SANDLOT_METRICS_PORT: '0', SANDLOT_LOG_LEVEL: 'error' },
    });
    admin = platform.admin;
    store = join(platform.dataDir, 'nats', 'jetstream');
    backup = join(platform.dataDir, 'backup');
    alice = await newTenant(admin, 'alice');
    succeeded(await rename(alice, 'Alice'), 200);
    await newTenant(admin, 'bob');
    await stand(admin, 'running');
    await platform.stop();
    await cp(store, backup, { recursive: true });
    await platform.start();
    for (const name of ['carol', 'dave']) await newTenant(admin, name);
    await stand(admin, 'running');
  }, 60_000);

  const rename = ({ user }: Tenant, displayName: string) => admin.patch(`/api/v1/admin/users/${user.id}`, { displayName });

  /** With the platform stopped. */
  async function whileStopped(change: () => Promise<void>): Promise<void> {
    await platform.stop();
    await change();
    await platform.start();
  }

  async function newestBlock(): Promise<string> {
    const files = await readdir(store, { recursive: true });
    return join(
      store,
      files
        .filter((file) => /streams\/DOMAIN\/msgs\/\d+\.blk$/.test(file))
        .sort()
        .at(-1)!,
    );
  }

  it('a flipped bit: every projection halts at the next start, and the aggregate takes no commands', async () => {
    const intact = join(platform.dataDir, 'intact');
    await whileStopped(async () => {
      await cp(store, intact, { recursive: true });
      const file = await newestBlock();
      await flipBit(file, (await readFile(file)).indexOf('"username":"alice"'));
    });
    await stand(admin, 'LOG_DAMAGED');
    refused(await rename(alice, 'Somebody else'), 'LOG_DAMAGED');
    expect((await admin.get('/api/v1/audit-logs?limit=1')).status).toBe(200);
    await whileStopped(() => replaceBy(intact));
    await tell(admin, 'retry', all);
    await stand(admin, 'running');
    await checkPlatform(platform, [], { runtime: 'memory' });
  }, 120_000);

  it('an end that is torn off: every projection halts; where there is no backup, the lost position is left out and a rebuild accepts the rest', async () => {
    const { position } = (await views(admin))[0]!;
    await whileStopped(async () => {
      const file = await newestBlock();
      await truncate(file, (await readFile(file)).length - 40);
    });
    await stand(admin, /LOG_REWOUND|CHECKPOINT_MISMATCH|LOG_DAMAGED/);
    await tell(admin, 'skip', all, { position, reason: 'the record is lost for good' });
    await tell(admin, 'rebuild', all, reason);
    await stand(admin, 'running');
  }, 120_000);

  it('an older backup: every projection halts, and a rebuild accepts it', async () => {
    await whileStopped(() => replaceBy(backup));
    await stand(admin, /LOG_REWOUND|CHECKPOINT_MISMATCH/);
    await tell(admin, 'rebuild', all, reason);
    await stand(admin, 'running');
    const model = await checkPlatform(platform, [], { runtime: 'memory' });
    expect([...model.usernames.keys()].sort()).toEqual(['admin', 'alice', 'bob']);
  }, 120_000);

  it('a stream made anew: every projection halts, and a rebuild accepts it', async () => {
    await whileStopped(() => rm(store, { recursive: true }));
    await stand(admin, 'STREAM_RECREATED');
    await tell(admin, 'rebuild', all, reason);
    await stand(admin, 'running');
    const model = await checkPlatform(platform, [], { runtime: 'memory' });
    expect([...model.usernames.keys()]).toEqual(['admin']);
    await platform.stop();
  }, 120_000);

  async function replaceBy(copy: string): Promise<void> {
    await rm(store, { recursive: true });
    await move(copy, store);
  }
});

async function flipBit(path: string, offset: number): Promise<void> {
  expect(offset).toBeGreaterThan(0);
  const file = await open(path, 'r+');
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, offset + 13);
  byte[0]! ^= 1;
  await file.write(byte, 0, 1, offset + 13);
  await file.close();
}
