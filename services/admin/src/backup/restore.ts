import { jetstreamManager, type JetStreamManager, type StreamConfig } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { DOMAIN_STREAM, IDEMPOTENCY_BUCKET, KEYS_BUCKET, ROUTES_BUCKET } from '@sandlot/contracts';
import { natsNeeds } from '@sandlot/embedded';
import { ensureStreams, verifiedLog } from '@sandlot/event-store';
import { manifestName, parseManifest, type BackedUpStream, type Manifest } from './manifest.js';
import { restoreSnapshot } from './snapshot.js';
import type { BackupStore } from './store.js';
import { backedUpStreams, checkParts, contentOf } from './take.js';

export interface RestoreOptions {
  /** Deletes what is there. Without it, a platform that has events refuses. */
  readonly replace: boolean;
  readonly replicas: 1 | 3;
  /** Ids of the master keys that the restored platform will have; undefined when nobody can tell. */
  readonly masterKeys?: readonly string[];
  readonly log: (line: string) => void;
}

/** What is folded from the log and comes back from it. */
const folded = [KEYS_BUCKET, ROUTES_BUCKET, IDEMPOTENCY_BUCKET].map((bucket) => `KV_${bucket}`);

export async function readManifest(store: BackupStore, id: string): Promise<Manifest> {
  const content = await store.get(manifestName(id));
  if (!content) throw new Error(`${store.place} has no backup ${id}; sandlot-admin backup list shows what there is`);
  return parseManifest(Buffer.from(content).toString('utf8'), `${store.place}/${manifestName(id)}`);
}

/** Newest last. */
export async function backupsIn(store: BackupStore): Promise<string[]> {
  return (await store.list('')).flatMap((name) => /^(\d{8}T\d{6}Z)\/manifest\.json$/.exec(name)?.[1] ?? []);
}

/** Everything that speaks against it, before anything is touched. */
export async function objections(
  connection: NatsConnection,
  manifest: Manifest,
  { replace, masterKeys }: Pick<RestoreOptions, 'replace' | 'masterKeys'>,
): Promise<string[]> {
  const manager = await jetstreamManager(connection, { checkAPI: false });
  const held = await Promise.all(
    [...backedUpStreams, ...folded].map(async (name) => ({ name, messages: await messagesIn(manager, name) })),
  );
  const full = held.filter(({ messages }) => (messages ?? 0) > 0).map(({ name, messages }) => `${name} (${messages})`);
  const read = await consumersThatAreRead(manager);
  const missing = masterKeys ? manifest.masterKeys.filter((id) => !masterKeys.includes(id)) : [];
  return [
    ...(read.length > 0 ? [`services run: somebody reads ${read.join(', ')}; stop them first, a restore replaces the log under them`] : []),
    ...(full.length > 0 && !replace ? [`there is a platform already, with messages in ${full.join(', ')}; --replace deletes them`] : []),
    ...missing.map(
      (id) => `the master key ${id} is not here, so personal data could not be read; put its line into the file of master keys`,
    ),
  ];
}

/**
 * Makes the log and the data keys as the backup has them, and everything that is folded from the log empty. Nothing else may be connected.
 * Throws when what came back is not what was backed up, or its hashes do not fit.
 */
export async function restoreBackup(
  connection: NatsConnection,
  store: BackupStore,
  manifest: Manifest,
  options: RestoreOptions,
): Promise<{ upTo: number }> {
  const against = await objections(connection, manifest, options);
  if (against.length > 0) throw new Error(against.join('\n'));
  for (const { parts } of manifest.streams) await checkParts(store, parts);
  const manager = await jetstreamManager(connection, { checkAPI: false });
  for (const name of [...backedUpStreams, ...folded])
    if ((await messagesIn(manager, name)) !== undefined) await manager.streams.delete(name);
  for (const stream of manifest.streams) {
    await restoreStream(connection, store, stream, options.replicas);
    options.log(`${stream.name}: ${stream.state.messages} messages`);
  }
  await ensureStreams(connection, { replicas: options.replicas });
  const verdict = await verifiedLog(connection);
  if (!verdict.ok) throw new Error(`the restored log is damaged at position ${verdict.at}: ${verdict.problem}`);
  return { upTo: verdict.upTo };
}

async function restoreStream(connection: NatsConnection, store: BackupStore, stream: BackedUpStream, replicas: number): Promise<void> {
  const config = { ...(stream.config as unknown as StreamConfig), num_replicas: replicas };
  const { state: wanted, name } = stream;
  const state = await restoreSnapshot(connection, { config, chunks: contentOf(store, stream.parts) });
  const loses = name === DOMAIN_STREAM ? state.messages < wanted.messages : state.lastPosition < wanted.lastPosition;
  if (loses) throw new Error(`${name} came back with ${state.messages} of ${wanted.messages} messages`);
}

async function consumersThatAreRead(manager: JetStreamManager): Promise<string[]> {
  const durables = Object.values(natsNeeds).flatMap((needs) => needs.durables ?? []);
  const waiting = await Promise.all(
    durables.map((name) =>
      manager.consumers.info(DOMAIN_STREAM, name).then(
        ({ num_waiting: pulls }) => pulls,
        (error: Error) => unlessMissing(error, 0),
      ),
    ),
  );
  return durables.filter((_, i) => waiting[i]! > 0);
}

async function messagesIn(manager: JetStreamManager, name: string): Promise<number | undefined> {
  return manager.streams.info(name).then(
    ({ state }) => state.messages,
    (error: Error) => unlessMissing(error, undefined),
  );
}

function unlessMissing<Instead>(error: Error, instead: Instead): Instead {
  if (error.name === 'StreamNotFoundError' || error.name === 'ConsumerNotFoundError') return instead;
  throw error;
}
