import { Kvm } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/transport-node';
import { BackupRecord, lastBackupKey, OPERATIONS_BUCKET } from '@sandlot/contracts';
import type { Manifest } from './manifest.js';
import type { BackupStore } from './store.js';

/** Leaves word in the platform that there is this backup, for its health and metrics. Where it is kept stays with the operator. */
export async function recordBackup(connection: NatsConnection, manifest: Manifest, target: BackupStore['kind']): Promise<void> {
  const record: BackupRecord = {
    id: manifest.id,
    at: manifest.finishedAt,
    events: manifest.log.upTo,
    bytes: bytesOf(manifest),
    durationMs: Date.parse(manifest.finishedAt) - Date.parse(manifest.startedAt),
    target,
    logChecked: manifest.log.checked,
  };
  const bucket = await new Kvm(connection).open(OPERATIONS_BUCKET);
  await bucket.put(lastBackupKey, JSON.stringify(BackupRecord.parse(record)));
}

export const bytesOf = ({ streams }: Manifest): number => streams.flatMap(({ parts }) => parts).reduce((sum, { bytes }) => sum + bytes, 0);
