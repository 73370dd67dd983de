import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import type { BackupStore } from './store.js';

/** A folder. What is put is on the disk before the next is begun, and readable by the owner alone. */
export class FolderStore implements BackupStore {
  readonly kind = 'folder';
  readonly place: string;

  constructor(folder: string) {
    this.place = resolve(folder);
  }

  async put(name: string, content: Uint8Array): Promise<void> {
    const path = join(this.place, name);
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const file = await open(`${path}.part`, 'w', 0o600);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(`${path}.part`, path);
  }

  async get(name: string): Promise<Uint8Array | undefined> {
    return readFile(join(this.place, name)).catch(absent);
  }

  async list(prefix: string): Promise<string[]> {
    const entries = (await readdir(this.place, { recursive: true, withFileTypes: true }).catch(absent)) ?? [];
    const names = entries
      .filter((entry) => entry.isFile() && !entry.name.endsWith('.part'))
      .map((entry) => relative(this.place, join(entry.parentPath, entry.name)).split(sep).join('/'));
    return names.filter((name) => name.startsWith(prefix)).sort();
  }

  async remove(name: string): Promise<void> {
    await rm(join(this.place, name), { force: true });
  }
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT') return undefined;
  throw error;
}
