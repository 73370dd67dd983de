/**
 * How long a backup takes, and a restore with the rebuild of a read model: a log of 1,000,000 events, into a folder, with the real nats-server
 * and PostgreSQL. The backup reads back what it wrote and checks the hashes of the whole log, while NATS syncs every write; the restore does
 * the same on a server that does not sync each one, as `sandlot-admin restore` has it for a data folder.
 * Usage: `node bench/backup/backup.ts [events] [--write]`, after `npm run build`; --write keeps the result under results/.
 */
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { connect } from '@nats-io/transport-node';
import { FolderStore, onDisk, restoreBackup, takeBackup } from '@sandlot/admin';
import { startPostgres } from '@sandlot/embedded';
import { JetStreamEventStore } from '@sandlot/event-store';
import { migrate, ProjectionRunner, writerPool } from '@sandlot/projections';
import { atEnd, cleanUp, startTestNats, tempDir } from '@sandlot/testing';
import { accounts, migrations } from '../rebuild/accounts.ts';

const { values, positionals } = parseArgs({ allowPositionals: true, options: { write: { type: 'boolean', default: false } } });
const total = Number(positionals[0] ?? 1_000_000);
const log = (line: string): void => void process.stderr.write(`${line}\n`);

async function timed<Result>(what: string, work: () => Promise<Result>): Promise<{ seconds: number; result: Result }> {
  const began = performance.now();
  const result = await work();
  const seconds = Math.round((performance.now() - began) / 10) / 100;
  log(`${what}: ${seconds} s`);
  return { seconds, result };
}

const connected = async (url: string) => {
  const connection = await connect({ servers: url, inboxPrefix: '_INBOX_bench' });
  atEnd(() => connection.close());
  return connection;
};

async function run(): Promise<void> {
  const source = await startTestNats();
  await promisify(execFile)(process.execPath, [join(import.meta.dirname, '..', 'rebuild', 'seed.ts'), source.url, String(total)]);
  const store = new FolderStore(await tempDir());
  const from = await connected(source.url);
  const backup = await timed('backup', () => takeBackup(from, store, { version: 'bench', now: () => new Date(), checkLog: true, log }));
  await from.close();
  await source.stop();

  const target = await startTestNats({ syncsEachWrite: false });
  const to = await connected(target.url);
  const restore = await timed('restore', async () => {
    const restored = await restoreBackup(to, store, backup.result, { replace: false, replicas: 1, log });
    await onDisk(join(target.dataDir, 'jetstream'));
    return restored;
  });

  const postgres = await startPostgres({ dataDir: join(await tempDir(), 'postgres') });
  atEnd(() => postgres.kill());
  const { writerUrl } = await migrate({ service: 'provisioner', ownerUrl: postgres.url, migrations });
  const pool = writerPool('provisioner', writerUrl);
  atEnd(() => pool.end());
  const events = await JetStreamEventStore.open(to);
  const runner = new ProjectionRunner({ service: 'provisioner', connection: to, pool, store: events, models: [accounts] });
  atEnd(() => runner.stop());
  const rebuild = await timed('rebuild', async () => {
    runner.start();
    while (runner.status()[0]!.position < total) await new Promise((resolve) => setTimeout(resolve, 20));
  });

  const parts = backup.result.streams.flatMap((stream) => stream.parts);
  const result = {
    what: 'backup, and restore with the rebuild of a read model',
    at: new Date().toISOString(),
    machine: { cpu: cpus()[0]!.model, cores: cpus().length, memoryGB: Math.round(totalmem() / 2 ** 30), node: process.version },
    events: total,
    backupSeconds: backup.seconds,
    backupMB: Math.round(parts.reduce((sum, { bytes }) => sum + bytes, 0) / 2 ** 20),
    restoreSeconds: restore.seconds,
    rebuildSeconds: rebuild.seconds,
    restoreWithRebuildSeconds: Math.round((restore.seconds + rebuild.seconds) * 100) / 100,
    upTo: restore.result.upTo,
  };
  process.stdout.write(`${JSON.stringify(result, undefined, 2)}\n`);
  if (!values.write) return;
  const results = join(import.meta.dirname, 'results');
  await mkdir(results, { recursive: true });
  await writeFile(join(results, `${result.at.slice(0, 10)}.json`), `${JSON.stringify(result, undefined, 2)}\n`);
}

try {
  await run();
} finally {
  await cleanUp();
}
