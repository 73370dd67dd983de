import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { completed, keyGroupNames, seedFile, type KeyGroup, type KeyGroupName, type Place } from './keys.js';
import { natsServerConfig } from './nats-server-config.js';

/*
 * The same for containers without a cluster: all keys in `<dir>/setup`, which nobody mounts, and from there to each service, in a folder of
 * its own, what that service needs and no more.
 */

const natsServers = ['nats', 'nats-2', 'nats-3'];
const natsStore = '/data';
const natsFiles = (server: string) => [`${server}-of-1.conf`, `${server}-of-3.conf`];

export async function ensureKeyFolder(dir: string, place: Place): Promise<void> {
  const keys = {} as Record<KeyGroupName, KeyGroup>;
  for (const group of keyGroupNames) {
    const folder = join(dir, 'setup', group);
    const has = await filesIn(folder);
    keys[group] = completed(group, has, place);
    for (const [file, content] of Object.entries(keys[group])) if (has[file] !== content) await writeWhole(join(folder, file), content);
  }
  const identities = keys['nats-identities'];
  const seedOf = (service: Parameters<typeof seedFile>[0]) => ({ 'nats.nk': identities[seedFile(service)] as string });
  await handOut(dir, 'migrate', { ...seedOf('migrator'), 'owner.url': keys.postgresql['owner.url'] as string });
  await handOut(dir, 'auth', { ...seedOf('auth'), ...keys['master-key'], ...keys['admin-key'] });
  await handOut(dir, 'provisioner', seedOf('provisioner'));
  await handOut(dir, 'audit', seedOf('audit'));
  await handOut(dir, 'gateway', { ...seedOf('gateway'), ...keys['identity-key'] });
  await handOut(dir, 'proxy', { ...seedOf('proxy'), ...keys['identity-key'] });
  // PostgreSQL has a user of its own, in our group.
  await handOut(dir, 'postgres', { password: keys.postgresql.password as string }, { folder: 0o750, file: 0o640 });
  for (const server of natsServers) await handOut(dir, server, natsConfigs(server, identities));
}

/** After a migration: to each service the URLs that were left for it. */
export async function handOutUrls(dir: string, urlsDir: string): Promise<void> {
  for (const [file, url] of Object.entries(await filesIn(urlsDir))) {
    const [service = '', kind] = file.split('.');
    await handOut(dir, service, { [`database.${kind}`]: url.trim() });
  }
}

function natsConfigs(server: string, identities: KeyGroup): KeyGroup {
  const [alone, member] = natsFiles(server) as [string, string];
  const common = { serverName: server, storeDir: natsStore };
  return {
    ...(server === natsServers[0] && { [alone]: natsServerConfig(common, identities) }),
    [member]: natsServerConfig({ ...common, members: natsServers }, identities),
  };
}

async function handOut(dir: string, recipient: string, content: KeyGroup, modes = { folder: 0o700, file: 0o600 }): Promise<void> {
  for (const [file, text] of Object.entries(content)) await writeWhole(join(dir, recipient, file), text, modes);
}

export async function filesIn(folder: string): Promise<Record<string, string>> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  const complete = names.filter((name) => !name.endsWith('.new'));
  const read = async (name: string) => [name, (await readFile(join(folder, name), 'utf8')).trimEnd()] as const;
  return Object.fromEntries(await Promise.all(complete.map(read)));
}

async function writeWhole(path: string, content: string, modes = { folder: 0o700, file: 0o600 }): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: modes.folder });
  await writeFile(`${path}.new`, `${content.trimEnd()}\n`, { mode: modes.file, flush: true });
  await rename(`${path}.new`, path);
}
