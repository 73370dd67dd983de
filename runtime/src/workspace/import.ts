import { constants } from 'node:fs';
import { lstat, mkdir, mkdtemp, open, opendir, rm, symlink, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { undefinedIfMissing, type WorkFolder } from '../files/work-folder.js';
import { Problem } from '../http/problem.js';
import { moveInto } from './move-into.js';
import { readTar, unacceptable, type ReadEntry } from './tar-reader.js';

export interface ImportOptions {
  /** Bytes of all files together. */
  readonly maxBytes: number;
  readonly maxEntries: number;
  /** Leaves out symbolic links that lead out of the work folder, instead of refusing the archive. */
  readonly skipOutsideLinks: boolean;
}

export interface Imported {
  files: number;
  directories: number;
  links: number;
  skippedLinks: number;
  bytes: number;
}

const stagingPrefix = '.sandlot-import-';
const abandonedAfterMs = 24 * 3_600_000;

/**
 * Puts what an archive holds into the work folder; what it does not name stays. The archive is unpacked beside the rest and read to its end
 * first, so that one that is refused or breaks off changes nothing. Nothing is ever written through a symbolic link.
 */
export async function importWorkspace(work: WorkFolder, chunks: AsyncGenerator<Buffer>, options: ImportOptions): Promise<Imported> {
  await removeAbandoned(work.root);
  const staging = await mkdtemp(join(work.root, stagingPrefix));
  try {
    const imported = await new Unpacking(staging, options).all(chunks);
    await moveInto(staging, work.root);
    return imported;
  } finally {
    await chunks.return(undefined);
    await rm(staging, { recursive: true, force: true });
  }
}

class Unpacking {
  private readonly folder: string;
  private readonly options: ImportOptions;
  private readonly imported: Imported = { files: 0, directories: 0, links: 0, skippedLinks: 0, bytes: 0 };
  private entries = 0;
  /** The folder that was made or looked at last: archives go folder by folder. */
  private known = '';

  constructor(folder: string, options: ImportOptions) {
    this.folder = folder;
    this.options = options;
  }

  async all(chunks: AsyncGenerator<Buffer>): Promise<Imported> {
    for await (const entry of readTar(chunks)) {
      if (++this.entries > this.options.maxEntries) throw tooMuch(`${this.options.maxEntries} entries`);
      if (entry.path === '') continue; // the work folder itself
      if (entry.type === 'directory') await this.directory(entry);
      else if (entry.type === 'symlink') await this.link(entry);
      else await this.file(entry);
    }
    return this.imported;
  }

  private async directory({ path, mode }: ReadEntry): Promise<void> {
    await this.folders(path);
    const handle = await open(join(this.folder, path), constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
    await handle.chmod(mode | 0o700).finally(() => handle.close()); // its owner can always go in and delete it
    this.imported.directories += 1;
  }

  private async link({ path, target = '' }: ReadEntry): Promise<void> {
    if (!staysInside(path, target)) {
      if (!this.options.skipOutsideLinks)
        throw unacceptable(path, 'is a symbolic link out of the work folder; ?outsideLinks=skip leaves such links out');
      this.imported.skippedLinks += 1;
      return;
    }
    await this.roomFor(path);
    await symlink(target, join(this.folder, path));
    this.imported.links += 1;
  }

  private async file(entry: ReadEntry): Promise<void> {
    const { maxBytes } = this.options;
    if (this.imported.bytes + entry.size > maxBytes) throw tooMuch(`${maxBytes} bytes`);
    await this.roomFor(entry.path);
    const file = await open(join(this.folder, entry.path), 'wx', 0o600);
    try {
      await file.writeFile(entry.content());
      await file.chmod(entry.mode);
      if (Number.isFinite(entry.mtime)) await file.utimes(entry.mtime, entry.mtime);
    } finally {
      await file.close();
    }
    this.imported.files += 1;
    this.imported.bytes += entry.size;
  }

  /** The folders above are there, and nothing of that name: of two entries the later one counts. */
  private async roomFor(path: string): Promise<void> {
    const slash = path.lastIndexOf('/');
    await this.folders(slash < 0 ? '' : path.slice(0, slash));
    const found = await lstat(join(this.folder, path)).catch(undefinedIfMissing);
    if (found?.isDirectory()) throw unacceptable(path, 'is there twice, once as a directory');
    if (found) await unlink(join(this.folder, path));
  }

  private async folders(path: string): Promise<void> {
    if (path === '' || path === this.known) return;
    let at = this.folder;
    for (const name of path.split('/')) {
      at = join(at, name);
      await mkdir(at).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST') throw error;
      });
      if (!(await lstat(at)).isDirectory()) throw unacceptable(path, 'leads through something that is no directory');
    }
    this.known = path;
  }
}

/**
 * Up first, no further than the work folder, then down: a way up from behind a name could lead out, because that name may be a link itself.
 */
function staysInside(path: string, target: string): boolean {
  if (target === '' || target.startsWith('/') || target.includes('\0')) return false;
  const names = target.split('/').filter((name) => name !== '' && name !== '.');
  const ups = names.findIndex((name) => name !== '..');
  const up = ups < 0 ? names.length : ups;
  return up <= path.split('/').length - 1 && !names.slice(up).includes('..');
}

const tooMuch = (limit: string): Problem => new Problem('BODY_TOO_LARGE', `The archive may hold at most ${limit}. Nothing was changed.`);

/** Of a runtime that was killed in the middle of it. */
async function removeAbandoned(root: string): Promise<void> {
  for await (const { name } of await opendir(root)) {
    if (!name.startsWith(stagingPrefix)) continue;
    const found = await lstat(join(root, name)).catch(undefinedIfMissing);
    if (found && Date.now() - found.mtimeMs > abandonedAfterMs) await rm(join(root, name), { recursive: true, force: true });
  }
}
