import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { loadMasterKeys } from '@sandlot/event-store';
import { version } from '@sandlot/service-kit';
import { remembered } from '../backup/history.js';
import { bytesOf } from '../backup/last-backup.js';
import { manifestName, type Manifest } from '../backup/manifest.js';
import { backupsIn, objections, readManifest, restoreBackup } from '../backup/restore.js';
import type { BackupStore } from '../backup/store.js';
import { checkParts, takeBackup } from '../backup/take.js';
import type { AdminSettings } from '../config.js';
import { Failure } from '../failure.js';
import { withNats, withStoppedPlatform } from '../nats.js';
import type { Session } from '../session.js';
import type { Act } from './act.js';

const place = 'a folder, or s3://bucket/prefix with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL_S3';

interface CreateOptions {
  readonly withoutAccess?: boolean;
  readonly checkLog: boolean;
  readonly keep?: number;
}
interface RestoreFlags {
  readonly replace?: boolean;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}

export function backupCommand(act: Act): Command {
  const command = new Command('backup').description('copies of what cannot be made again: the log and the data keys');
  command
    .command('create')
    .description('take a backup while everything runs, and read it back')
    .argument('<place>', place)
    .option('--without-access', 'leave out ACCESS, which passes after some days anyway')
    .option('--no-check-log', 'do not read the whole log and check its hashes')
    .option('--keep <count>', 'remove all but the newest so many backups afterwards', wholeNumber)
    .action(act((session, [where], options: CreateOptions) => create(session, where!, options)));
  command
    .command('list')
    .description('the backups of a place, oldest first')
    .argument('<place>', place)
    .action(act((session, [where]) => list(session, where!)));
  command
    .command('check')
    .description('read a backup and compare its hashes')
    .argument('<place>', place)
    .argument('[id]', 'default: the newest')
    .action(act((session, [where, id]) => check(session, where!, id)));
  return command;
}

export function restoreCommand(act: Act): Command {
  return new Command('restore')
    .description('make the log and the data keys anew from a backup, with every service stopped; everything else is folded from them')
    .argument('<place>', place)
    .argument('[id]', 'default: the newest')
    .option('--replace', 'delete the log that is there')
    .option('--dry-run', 'only say what would be done, and what speaks against it')
    .option('-y, --yes', 'do not ask before anything is deleted')
    .action(act((session, [where, id], flags: RestoreFlags) => restore(session, where!, id, flags)));
}

function wholeNumber(text: string): number {
  if (!/^[1-9]\d{0,4}$/.test(text)) throw new Failure('usage', `${text} is not a number of backups from 1 on`);
  return Number(text);
}

async function create(session: Session, where: string, { withoutAccess, checkLog, keep }: CreateOptions): Promise<void> {
  const store = session.store(where);
  const log = (line: string) => session.output.say(line);
  const now = () => new Date();
  const manifest = await withNats('backup', session.settings, (connection) =>
    remembered(connection, () => takeBackup(connection, store, { version, now, checkLog, withoutAccess, log }), { now, log }),
  );
  if (keep !== undefined) await prune(store, keep, log);
  session.output.value(summary(manifest));
}

async function prune(store: BackupStore, keep: number, log: (line: string) => void): Promise<void> {
  for (const id of (await backupsIn(store)).slice(0, -keep)) {
    await store.remove(manifestName(id)); // first: without it there is no backup
    for (const part of await store.list(`${id}/`)) await store.remove(part);
    log(`removed the backup ${id}`);
  }
}

async function list(session: Session, where: string): Promise<void> {
  const store = session.store(where);
  const manifests = [];
  for (const id of await backupsIn(store)) manifests.push(summary(await readManifest(store, id)));
  session.output.list(manifests, ['id', 'finishedAt', 'events', 'bytes', 'logChecked', 'version']);
}

async function check(session: Session, where: string, asked?: string): Promise<void> {
  const { store, manifest } = await chosen(session, where, asked);
  for (const { parts } of manifest.streams) await checkParts(store, parts);
  session.output.value(summary(manifest));
}

async function restore(
  session: Session,
  where: string,
  asked: string | undefined,
  { replace = false, dryRun, yes }: RestoreFlags,
): Promise<void> {
  const { store, manifest } = await chosen(session, where, asked);
  if (replace && !dryRun && !yes)
    throw new Failure('usage', 'a restore with --replace deletes the log that is there', {
      hint: 'Look with --dry-run, then repeat it with --yes.',
    });
  const masterKeys = await masterKeysHere(session.settings);
  const log = (line: string) => session.output.say(line);
  const upTo = await withStoppedPlatform(session.settings, log, async (connection) => {
    const against = await objections(connection, manifest, { replace, masterKeys });
    if (against.length > 0) throw new Failure('conflict', against.join('; '));
    if (dryRun) return undefined;
    const replicas = session.settings.SANDLOT_STREAM_REPLICAS;
    return (await restoreBackup(connection, store, manifest, { replace, masterKeys, replicas, log })).upTo;
  });
  if (masterKeys === undefined && manifest.masterKeys.length > 0)
    session.output.say(`personal data needs the master keys ${manifest.masterKeys.join(', ')}; none was found here to compare`);
  session.output.value({ ...summary(manifest), restored: upTo ?? null });
}

async function chosen(session: Session, where: string, asked?: string): Promise<{ store: BackupStore; manifest: Manifest }> {
  const store = session.store(where);
  const id = asked ?? (await backupsIn(store)).at(-1);
  if (id === undefined) throw new Failure('notFound', `there is no backup in ${store.place}`);
  return { store, manifest: await readManifest(store, id) };
}

async function masterKeysHere({ SANDLOT_MASTER_KEY_PATH, SANDLOT_DATA_DIR }: AdminSettings): Promise<string[] | undefined> {
  const inFolder = join(SANDLOT_DATA_DIR, 'master.key');
  const file = SANDLOT_MASTER_KEY_PATH ?? (existsSync(inFolder) ? inFolder : undefined);
  return file === undefined ? undefined : (await loadMasterKeys(file)).map(({ id }) => id);
}

function summary(manifest: Manifest) {
  const { id, finishedAt, version: by, log, masterKeys } = manifest;
  return {
    id,
    finishedAt,
    version: by,
    events: log.upTo,
    logChecked: log.checked,
    bytes: bytesOf(manifest),
    masterKeys,
  };
}
