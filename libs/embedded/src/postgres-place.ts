import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { access, chown, cp, lstat, mkdir, readFile, readdir, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Account } from './server-process.js';

/** Where a PostgreSQL cluster and its binaries are, and who runs it. */
export interface PostgresPlace {
  /** The cluster itself; may not exist yet. */
  clusterDir: string;
  nativeDir: string;
  /** Only when we are root, as whom PostgreSQL refuses to run. */
  account?: Account;
}

/**
 * As an ordinary user: `<dataDir>/cluster`. As root the cluster belongs to the user `postgres` (else `nobody`), who must be able to reach
 * it and the binaries; below a private home folder, as with a checkout in /root, he cannot. Then both go to `/var/tmp/sandlot-<hash>`,
 * bound to this data folder by a marker in it: when the folder was deleted, a cluster left in /var/tmp is not taken up again.
 */
export async function placePostgres(dataDir: string, nativeDir: string, version: string): Promise<PostgresPlace> {
  const clusterDir = join(dataDir, 'cluster');
  if (process.getuid?.() !== 0) return { clusterDir, nativeDir };
  const account = (await ownerOf(clusterDir)) ?? (await serverAccount());
  const initdb = join(nativeDir, 'bin', 'initdb');
  if ((await reaches(account, dataDir)) && (await reaches(account, initdb))) return { clusterDir, nativeDir, account };
  const place = await outsidePlace(dataDir);
  return { clusterDir: join(place, 'cluster'), nativeDir: await copyBinaries(nativeDir, join(place, `postgresql-${version}`)), account };
}

/** A cluster that an ordinary user made stays his, also when it is started as root later. */
async function ownerOf(dir: string): Promise<Account | undefined> {
  const found = await stat(dir).catch(() => undefined);
  return found && found.uid !== 0 ? { uid: found.uid, gid: found.gid } : undefined;
}

async function serverAccount(): Promise<Account> {
  const passwd = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'));
  for (const name of ['postgres', 'nobody']) {
    const entry = passwd.find(([user]) => user === name);
    if (entry) return { uid: Number(entry[2]), gid: Number(entry[3]) };
  }
  throw new Error(
    'PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody; ' +
      'start as an ordinary user or set SANDLOT_DATABASE_URL',
  );
}

/** Asked of the kernel rather than computed from modes, because of access lists and mount options. */
async function reaches(account: Account, path: string): Promise<boolean> {
  return promisify(execFile)('/bin/sh', ['-c', 'test -x "$1"', 'sh', path], { ...account, cwd: '/' }).then(
    () => true,
    () => false,
  );
}

async function outsidePlace(dataDir: string): Promise<string> {
  const markerFile = join(dataDir, 'place-id');
  let marker = await readFile(markerFile, 'utf8').catch(() => '');
  if (!/^[0-9a-f]{16}$/.test(marker)) {
    marker = randomBytes(8).toString('hex');
    await writeFile(markerFile, marker);
  }
  const hash = createHash('sha256')
    .update(await realpath(dataDir))
    .digest('hex')
    .slice(0, 16);
  const parent = `/var/tmp/sandlot-${hash}`;
  await mkdir(parent, { mode: 0o711 }).catch(() => undefined);
  const found = await lstat(parent); // anybody may make folders in /var/tmp
  if (!found.isDirectory() || found.uid !== 0)
    throw new Error(`${parent} is not a folder of root's; remove it, or set SANDLOT_DATA_DIR to a folder outside private homes`);
  for (const other of await readdir(parent)) if (other !== marker) await rm(join(parent, other), { recursive: true });
  await mkdir(join(parent, marker), { recursive: true, mode: 0o711 });
  return join(parent, marker);
}

async function copyBinaries(from: string, to: string): Promise<string> {
  if (
    await access(to).then(
      () => true,
      () => false,
    )
  )
    return to;
  await rm(`${to}.new`, { recursive: true, force: true });
  await cp(from, `${to}.new`, { recursive: true, verbatimSymlinks: true });
  await rename(`${to}.new`, to);
  return to;
}

export async function giveTo(account: Account | undefined, path: string): Promise<void> {
  if (account) await chown(path, account.uid, account.gid);
}
