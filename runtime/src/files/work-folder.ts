import { realpathSync, statSync } from 'node:fs';
import { lstat, mkdir, realpath, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { Problem } from '../http/problem.js';

/**
 * Confines file requests to one folder. Paths are relative, never normalised: what has `..`, `.`, an empty name or NUL is
 * refused. Symbolic links may be used while they stay inside. This keeps callers from reaching out by mistake or by a crafted
 * name; it is no wall against the sandbox's own commands, which run as the same user and could read the same files anyway.
 */
export class WorkFolder {
  readonly root: string;

  /** Throws when the folder does not exist. */
  constructor(folder: string) {
    this.root = realpathSync(folder);
    if (!statSync(this.root).isDirectory()) throw new Error(`the work folder ${folder} is not a directory`);
  }

  /** Real path of something that exists; links are followed. */
  async existing(path: string): Promise<string> {
    return this.inside(await realpath(join(this.root, ...segments(path))));
  }

  /** Real path of a directory that exists; `.` and the empty path are the work folder. */
  async directory(path: string): Promise<string> {
    const real = path === '' || path === '.' ? this.root : await this.existing(path);
    if (!(await stat(real)).isDirectory()) throw new Problem('NOT_A_DIRECTORY', 'The path is not a directory.');
    return real;
  }

  /** Path of a directory entry that exists: its folder's links are followed, its own is not. */
  async entry(path: string): Promise<string> {
    const names = segments(path);
    const name = names.pop() as string;
    const entry = join(this.inside(await realpath(join(this.root, ...names))), name);
    await lstat(entry);
    return entry;
  }

  /** Path where a file may be written; missing folders on the way are made, and a link inside the folder is written through. */
  async target(path: string): Promise<string> {
    const names = segments(path);
    const name = names.pop() as string;
    let folder = this.root;
    for (const next of names) {
      const child = join(folder, next);
      await mkdir(child).catch(unlessThere);
      folder = this.inside(await realpath(child).catch(dangling));
    }
    const target = join(folder, name);
    const found = await lstat(target).catch(undefinedIfMissing);
    if (!found?.isSymbolicLink()) return target;
    return this.inside(await realpath(target).catch(dangling));
  }

  private inside(real: string): string {
    if (real === this.root || real.startsWith(this.root === sep ? sep : this.root + sep)) return real;
    throw new Problem('OUTSIDE_WORK_FOLDER', 'A symbolic link in the path leads out of the work folder.');
  }
}

function segments(path: string): string[] {
  const names = path.split('/');
  const bad = path.includes('\0') || !path.isWellFormed() || names.some((name) => name === '' || name === '.' || name === '..');
  if (bad) throw new Problem('INVALID_PATH', 'The path must be relative, without empty names, `.`, `..` or NUL.');
  return names;
}

function unlessThere(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error;
}

export function undefinedIfMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') throw error;
}

/** Where a link without a target would lead cannot be checked. */
function dangling(error: NodeJS.ErrnoException): never {
  if (error.code === 'ENOENT') throw new Problem('OUTSIDE_WORK_FOLDER', 'A symbolic link in the path leads nowhere.');
  throw error;
}
