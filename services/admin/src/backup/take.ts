import { createHash } from 'node:crypto';
import type { NatsConnection } from '@nats-io/transport-node';
import { ACCESS_STREAM, DEAD_STREAM, DOMAIN_STREAM, SUBJECT_KEYS_BUCKET } from '@sandlot/contracts';
import { verifiedLog } from '@sandlot/event-store';
import { recordBackup } from './last-backup.js';
import { idOf, Manifest, manifestName, type BackedUpStream } from './manifest.js';
import { masterKeysOf } from './master-keys.js';
import { openSnapshot } from './snapshot.js';
import type { BackupStore } from './store.js';

/**
 * In this order: whatever is newer than the log does no harm, while an event without its data key cannot be read. The buckets `keys` and
 * `routes` are not in it: they are folded from the log, and a newer copy would let in keys that the restored log does not know.
 * `idempotency` passes within a day.
 */
export const backedUpStreams = [DOMAIN_STREAM, `KV_${SUBJECT_KEYS_BUCKET}`, DEAD_STREAM, ACCESS_STREAM] as const;

export interface BackupOptions {
  readonly version: string;
  readonly now: () => Date;
  /** Also reads the whole log and checks its hashes. */
  readonly checkLog: boolean;
  /** ACCESS is the largest, and passes. */
  readonly withoutAccess?: boolean;
  readonly log: (line: string) => void;
}

type Part = BackedUpStream['parts'][number];

const partBytes = 16 * 1024 * 1024;

/** Copies what cannot be made again, while everything runs. Throws, and leaves no manifest, when any of it is not whole. */
export async function takeBackup(connection: NatsConnection, store: BackupStore, options: BackupOptions): Promise<Manifest> {
  const started = options.now();
  const id = idOf(started);
  if ((await store.list(`${id}/`)).length > 0) throw new Error(`${store.place} has a backup ${id} already; try again in a second`);
  const streams: BackedUpStream[] = [];
  for (const name of backedUpStreams.filter((name) => !(options.withoutAccess && name === ACCESS_STREAM))) {
    const copied = await copyStream(connection, store, id, name);
    options.log(`${name}: ${copied.state.messages} messages in ${copied.parts.length} parts`);
    streams.push(copied);
  }
  for (const { parts } of streams) await checkParts(store, parts);
  const upTo = streams[0]!.state.lastPosition;
  if (options.checkLog) await checkLog(connection);
  const manifest = Manifest.parse({
    format: 1,
    id,
    startedAt: started.toISOString(),
    finishedAt: options.now().toISOString(),
    version: options.version,
    natsServer: connection.info?.version ?? 'unknown',
    log: { upTo, checked: options.checkLog },
    masterKeys: await masterKeysOf(connection),
    streams,
  });
  await store.put(manifestName(id), Buffer.from(`${JSON.stringify(manifest, undefined, 2)}\n`));
  await recordBackup(connection, manifest, store.kind).catch((error: Error) =>
    options.log(`the backup is whole, but the platform could not be told: ${error.message}`),
  );
  return manifest;
}

async function copyStream(connection: NatsConnection, store: BackupStore, id: string, name: string): Promise<BackedUpStream> {
  const { config, state, chunks } = await openSnapshot(connection, name);
  const parts: BackedUpStream['parts'] = [];
  let pending: Uint8Array[] = [];
  let bytes = 0;
  const putPart = async () => {
    const content = Buffer.concat(pending);
    const part = `${id}/${name}/${String(parts.length + 1).padStart(5, '0')}`;
    [pending, bytes] = [[], 0];
    await store.put(part, content);
    parts.push({ name: part, bytes: content.length, sha256: sha256(content) });
  };
  for await (const chunk of chunks) {
    pending.push(chunk);
    bytes += chunk.length;
    if (bytes >= partBytes) await putPart();
  }
  if (bytes > 0) await putPart();
  return { name, config, state, parts };
}

/** Reads back what was written. Throws at the first part that is missing or not what it was. */
export async function checkParts(store: BackupStore, parts: readonly Part[]): Promise<void> {
  for (const part of parts) await readPart(store, part);
}

export async function* contentOf(store: BackupStore, parts: readonly Part[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield await readPart(store, part);
}

async function readPart(store: BackupStore, { name, sha256: expected }: Part): Promise<Uint8Array> {
  const content = await store.get(name);
  if (!content) throw new Error(`${store.place}: the part ${name} is missing`);
  if (sha256(content) !== expected) throw new Error(`${store.place}: the part ${name} is not what was written; take another backup`);
  return content;
}

async function checkLog(connection: NatsConnection): Promise<void> {
  const verdict = await verifiedLog(connection);
  if (!verdict.ok)
    throw new Error(
      `the log is damaged at position ${verdict.at} (${verdict.problem}), so this is no backup: see docs/how-to/recover-the-log.md`,
    );
}

const sha256 = (content: Uint8Array): string => createHash('sha256').update(content).digest('hex');
