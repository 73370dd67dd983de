import type { NatsConnection } from '@nats-io/transport-node';
import { backupHistoryKey, BackupHistory, OPERATIONS_BUCKET } from '@sandlot/contracts';
import { KvTable } from '@sandlot/service-kit';

interface HistoryOptions {
  readonly now: () => Date;
  readonly log: (line: string) => void;
}

/**
 * Takes a backup and leaves word of whether that went well, which is where alerts about backups come from: a Job is gone before anybody could
 * scrape it. A failure that could not be told of is the same failure.
 */
export async function remembered<Taken>(connection: NatsConnection, take: () => Promise<Taken>, options: HistoryOptions): Promise<Taken> {
  let taken: Taken;
  try {
    taken = await take();
  } catch (error) {
    const message = (error instanceof Error ? error.message : String(error)).slice(0, 1_000);
    const lastFailure = { at: options.now().toISOString(), message };
    await tell(connection, options, (before) => ({ ...before, lastFailure, failures: before.failures + 1 }));
    throw error;
  }
  await tell(connection, options, (before) => ({ ...before, successes: before.successes + 1 }));
  return taken;
}

async function tell(connection: NatsConnection, { log }: HistoryOptions, change: (before: BackupHistory) => BackupHistory): Promise<void> {
  try {
    const table = await KvTable.open(connection, OPERATIONS_BUCKET, BackupHistory);
    const before = await table.find(backupHistoryKey);
    await table.put(backupHistoryKey, change(before?.value ?? { successes: 0, failures: 0, lastFailure: null }), before?.revision);
  } catch (error) {
    log(`the platform could not be told how the backup went, so its health does not know: ${(error as Error).message}`);
  }
}
