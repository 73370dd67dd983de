import { open, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { NatsConnection } from '@nats-io/transport-node';
import { findNatsServer, natsIdentities, natsUsers, startNats } from '@sandlot/embedded';
import { connectNats, type NatsConfig } from '@sandlot/service-kit';
import type { AdminSettings } from './config.js';
import { Failure } from './failure.js';

export type AdminIdentity = 'backup' | 'restorer' | 'migrator';

const patienceMs = 10_000;

/** Connects to the NATS that the settings name, or to that of `make up` in the data folder, which must run. */
export async function withNats<Result>(
  identity: AdminIdentity,
  settings: AdminSettings,
  work: (connection: NatsConnection) => Promise<Result>,
): Promise<Result> {
  const connection = await connected(await natsOf(identity, settings), identity);
  try {
    return await work(connection);
  } finally {
    await connection.close();
  }
}

/**
 * The same for a platform that is stopped: starts the NATS of the data folder for the time, without a sync for each message, which a
 * restore does not need: it is checked when it is done, and what it wrote is on the disk before this returns.
 */
export async function withStoppedPlatform<Result>(
  settings: AdminSettings,
  log: (line: string) => void,
  work: (connection: NatsConnection) => Promise<Result>,
): Promise<Result> {
  if (settings.SANDLOT_NATS_URL) return withNats('restorer', settings, work);
  const folder = settings.SANDLOT_DATA_DIR;
  if (await runningUrl(folder))
    throw new Failure('conflict', `the platform in ${folder} runs`, { hint: 'Stop it first: a restore replaces the log under it.' });
  const identities = await natsIdentities(join(folder, 'identities'));
  const server = await startNats({
    binary: await findNatsServer({ log }),
    dataDir: join(folder, 'nats'),
    users: natsUsers(identities),
    syncsEachWrite: false,
  });
  try {
    const nkey = (await readFile(identities.restorer.seedFile, 'utf8')).trim();
    return await withNats('restorer', { ...settings, SANDLOT_NATS_URL: server.url, SANDLOT_NATS_NKEY: nkey }, work);
  } finally {
    await server.stop();
    await onDisk(join(folder, 'nats', 'jetstream'));
  }
}

/** Returns when every file of a folder is on the disk. */
export async function onDisk(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = await open(join(entry.parentPath, entry.name), 'r');
    await file.sync().finally(() => file.close());
  }
}

async function natsOf(identity: AdminIdentity, settings: AdminSettings): Promise<NatsConfig> {
  if (settings.SANDLOT_NATS_URL) return settings as NatsConfig;
  const folder = settings.SANDLOT_DATA_DIR;
  const url = await runningUrl(folder);
  if (!url)
    throw new Failure('unreachable', `no NATS runs in ${folder}`, { hint: 'Start the platform, or name NATS with SANDLOT_NATS_URL.' });
  const seed = await readFile(join(folder, 'identities', `${identity}.nk`), 'utf8').catch((cause: unknown) => {
    throw new Failure('unauthorized', `${folder} has no identity ${identity}`, { hint: 'A start of this version makes it.' }, { cause });
  });
  return { SANDLOT_NATS_URL: url, SANDLOT_NATS_NKEY: seed.trim() };
}

/** Where the NATS of the data folder listens; undefined when none runs. */
async function runningUrl(folder: string): Promise<string | undefined> {
  try {
    const dir = join(folder, 'nats');
    const { pid } = JSON.parse(await readFile(join(dir, 'process.json'), 'utf8')) as { pid: number };
    await stat(`/proc/${pid}`);
    const file = (await readdir(dir)).find((name) => name.endsWith(`_${pid}.ports`));
    return file && (JSON.parse(await readFile(join(dir, file), 'utf8')) as { nats: string[] }).nats[0];
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function connected(config: NatsConfig, identity: AdminIdentity): Promise<NatsConnection> {
  try {
    return await connectNats(config, identity, AbortSignal.timeout(patienceMs));
  } catch (cause) {
    const refused = (cause as Error).message.startsWith('cannot connect to NATS');
    const [outcome, what] = refused
      ? (['unauthorized', `NATS does not let ${identity} in`] as const)
      : (['unreachable', 'NATS does not answer'] as const);
    throw new Failure(outcome, what, { hint: 'SANDLOT_NATS_URL and SANDLOT_NATS_NKEY_FILE say where and as whom.' }, { cause });
  }
}
