import { randomUUID } from 'node:crypto';
import { copyFile, lstat, mkdir, opendir, readlink, rename, rm, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { undefinedIfMissing } from '../files/work-folder.js';
import { Problem } from '../http/problem.js';

/** Moves all that is in one folder to where it belongs in another, over what is there. Throws before anything is moved where the two do not fit. */
export async function moveInto(from: string, to: string): Promise<void> {
  await checkFit(from, to, '');
  await move(from, to);
}

/** What is a directory on one side must be one on the other. */
async function checkFit(from: string, to: string, below: string): Promise<void> {
  for await (const entry of await opendir(join(from, below))) {
    const path = join(below, entry.name);
    const there = await lstat(join(to, path)).catch(undefinedIfMissing);
    if (!there) continue;
    if (entry.isDirectory() && !there.isDirectory())
      throw new Problem('NOT_A_DIRECTORY', `${path} is a directory in the archive and is there as something else. Nothing was changed.`);
    if (!entry.isDirectory() && there.isDirectory())
      throw new Problem('NOT_A_FILE', `${path} is there as a directory and is none in the archive. Nothing was changed.`);
    if (entry.isDirectory()) await checkFit(from, to, path);
  }
}

async function move(from: string, to: string): Promise<void> {
  for await (const entry of await opendir(from)) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    const there = entry.isDirectory() ? await lstat(target).catch(undefinedIfMissing) : undefined;
    if (there) await move(source, target);
    else await rename(source, target).catch((error: NodeJS.ErrnoException) => elsewhere(error, source, target));
  }
}

/** Where another volume is mounted in the work folder, a rename does not lead into it. */
async function elsewhere(error: NodeJS.ErrnoException, source: string, target: string): Promise<void> {
  if (error.code !== 'EXDEV') throw error;
  const found = await lstat(source);
  if (found.isDirectory()) {
    await mkdir(target, { mode: found.mode & 0o777 });
    return move(source, target);
  }
  const temporary = join(dirname(target), `.sandlot-upload-${randomUUID()}`);
  try {
    if (found.isSymbolicLink()) await symlink(await readlink(source), temporary);
    else await copyFile(source, temporary);
    await rename(temporary, target);
  } catch (fault) {
    await rm(temporary, { force: true });
    throw fault;
  }
}
