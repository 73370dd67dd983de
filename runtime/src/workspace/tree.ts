import { constants, type Stats } from 'node:fs';
import { access, lstat, opendir } from 'node:fs/promises';
import { join } from 'node:path';
import { undefinedIfMissing } from '../files/work-folder.js';
import { Problem } from '../http/problem.js';

export interface Leaf {
  /** Relative to the work folder. */
  readonly path: string;
  readonly full: string;
  readonly found: Stats;
}

/** What this runtime itself leaves in the work folder for a moment, and what a file system puts into its root. */
const notTheUsers = /^(?:\.sandlot-(?:import|upload)-|lost\+found$)/;

/** Every file, directory and symbolic link, a directory before what is in it. Sockets, pipes and devices cannot be kept. */
export async function* tree(root: string, below = ''): AsyncGenerator<Leaf> {
  for await (const { name } of await opendir(join(root, below))) {
    if (notTheUsers.test(name) && (below === '' || name.startsWith('.sandlot-upload-'))) continue;
    const path = below ? `${below}/${name}` : name;
    const full = join(root, path);
    const found = await lstat(full).catch(undefinedIfMissing);
    if (!found && name.includes('\ufffd')) throw new Problem('INVALID_PATH', `The name of ${path} is not UTF-8; rename it.`);
    if (!found || !(found.isFile() || found.isDirectory() || found.isSymbolicLink())) continue;
    yield { path, full, found };
    if (found.isDirectory()) yield* tree(root, path);
  }
}

/** Throws at the first thing that cannot be read, so that an answer does not begin that would have to be broken off. */
export async function checkReadable(root: string): Promise<void> {
  for await (const { path, full, found } of tree(root)) {
    if (found.isSymbolicLink()) continue;
    const needed = found.isDirectory() ? constants.R_OK | constants.X_OK : constants.R_OK;
    await access(full, needed).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return;
      throw new Problem('FORBIDDEN', `${path} cannot be read, so the workspace cannot be exported whole.`);
    });
  }
}
