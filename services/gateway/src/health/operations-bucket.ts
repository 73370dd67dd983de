import { jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { BackupHistory, backupHistoryKey, BackupRecord, lastBackupKey, OPERATIONS_BUCKET } from '@sandlot/contracts';
import { KvTable } from '@sandlot/service-kit';

/** What is known of a platform from the bucket that its operators' tools write to. */
export interface OperationsSeen {
  readonly lastBackup?: BackupRecord | undefined;
  readonly backups?: BackupHistory | undefined;
  /** When the bucket was made: with the platform, or by the upgrade that brought it. */
  readonly since: Date;
  /** How far NATS' clock is ahead of ours, in ms; negative when behind. */
  readonly natsSkewMs: number;
}

const withinMs = 2_000;

export class OperationsBucket {
  private constructor(
    private readonly last: KvTable<BackupRecord>,
    private readonly history: KvTable<BackupHistory>,
    private readonly manager: JetStreamManager,
  ) {}

  static async open(connection: NatsConnection): Promise<OperationsBucket> {
    const manager = await jetstreamManager(connection, { checkAPI: false, timeout: withinMs });
    const [last, history] = await Promise.all([
      KvTable.open(connection, OPERATIONS_BUCKET, BackupRecord),
      KvTable.open(connection, OPERATIONS_BUCKET, BackupHistory),
    ]);
    return new OperationsBucket(last, history, manager);
  }

  /** Undefined while NATS does not answer. */
  async look(): Promise<OperationsSeen | undefined> {
    try {
      const before = Date.now();
      const info = await this.manager.streams.info(`KV_${OPERATIONS_BUCKET}`);
      const after = Date.now();
      const saidAt = Date.parse((info as unknown as { ts: string }).ts); // the server's; the client's types leave it out
      const natsSkewMs = saidAt < before ? saidAt - before : Math.max(0, saidAt - after);
      const [last, history] = await Promise.all([this.last.find(lastBackupKey), this.history.find(backupHistoryKey)]);
      return { natsSkewMs, since: new Date(info.created), lastBackup: last?.value, backups: history?.value };
    } catch {
      return undefined;
    }
  }
}
