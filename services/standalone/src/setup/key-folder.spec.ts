import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tempDir } from '@sandlot/testing';
import { ensureKeyFolder, handOutUrls } from './key-folder.js';

const place = { postgresqlHost: 'postgres' };
const files = async (dir: string): Promise<Record<string, string>> => {
  const entries = (await readdir(dir, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  const read = entries.map(({ parentPath, name }) => join(parentPath, name)).sort();
  return Object.fromEntries(
    await Promise.all(read.map(async (path) => [path.slice(dir.length + 1), await readFile(path, 'utf8')] as const)),
  );
};

describe('the folder of keys', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await tempDir();
    await ensureKeyFolder(dir, place);
  });

  it('has a folder for each service, with what that service needs and nothing else', async () => {
    const names = Object.keys(await files(dir)).filter((name) => !name.startsWith('setup/'));
    expect(names).toEqual([
      'audit/nats.nk',
      'auth/admin.key',
      'auth/master.key',
      'auth/nats.nk',
      'gateway/identity.key',
      'gateway/nats.nk',
      'migrate/nats.nk',
      'migrate/owner.url',
      'nats-2/nats-2-of-3.conf',
      'nats-3/nats-3-of-3.conf',
      'nats/nats-of-1.conf',
      'nats/nats-of-3.conf',
      'postgres/password',
      'provisioner/nats.nk',
      'proxy/identity.key',
      'proxy/nats.nk',
    ]);
  });

  it('stays as it is when it is made again, and gets what is missing', async () => {
    const before = await files(dir);
    await rm(join(dir, 'auth'), { recursive: true });
    await rm(join(dir, 'setup', 'identity-key'), { recursive: true });
    await ensureKeyFolder(dir, place);
    const after = await files(dir);
    expect(Object.keys(after)).toEqual(Object.keys(before));
    const changed = Object.keys(after).filter((name) => after[name] !== before[name]);
    expect(changed).toEqual(['gateway/identity.key', 'proxy/identity.key', 'setup/identity-key/identity.key']);
  });

  it('is for its owner alone; the group gets PostgreSQL’s password', async () => {
    const modes = Object.keys(await files(dir)).map(async (name) => [name, (await stat(join(dir, name))).mode & 0o777] as const);
    for (const [name, mode] of await Promise.all(modes)) expect([name, mode]).toEqual([name, name === 'postgres/password' ? 0o640 : 0o600]);
    expect((await stat(join(dir, 'auth'))).mode & 0o777).toBe(0o700);
    expect((await stat(join(dir, 'postgres'))).mode & 0o777).toBe(0o750);
  });

  it('gives each service its own database URLs after a migration', async () => {
    const urls = await tempDir();
    for (const name of ['auth.url', 'auth.reader-url', 'audit.url', 'auth.url.new'])
      await writeFile(join(urls, name), `postgres://${name}\n`);
    await handOutUrls(dir, urls);
    const { 'auth/database.url': url, 'auth/database.reader-url': reader, 'audit/database.url': audit } = await files(dir);
    expect([url, reader, audit]).toEqual(['postgres://auth.url\n', 'postgres://auth.reader-url\n', 'postgres://audit.url\n']);
  });

  it('has NATS sync before it answers, with its own users, alone and as one of three', async () => {
    const all = await files(dir);
    for (const name of ['nats/nats-of-1.conf', 'nats/nats-of-3.conf', 'nats-2/nats-2-of-3.conf', 'nats-3/nats-3-of-3.conf']) {
      const config = JSON.parse(all[name]!) as {
        jetstream: { sync_interval: string };
        authorization: { users: unknown[] };
        cluster?: { routes: string[] };
      };
      expect(config.jetstream.sync_interval).toBe('always');
      expect(config.authorization.users).toHaveLength(8);
      expect(config.cluster?.routes.length).toBe(name.endsWith('-of-1.conf') ? undefined : 3);
    }
    expect(JSON.stringify(all)).not.toMatch(/nats[^"]*conf[^}]*SU[A-Z2-7]{50}/);
  });
});
