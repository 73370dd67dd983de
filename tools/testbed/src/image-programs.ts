import { execFile } from 'node:child_process';
import { access } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { ImageFile } from './image.js';

export const checkout = resolve(import.meta.dirname, '..', '..', '..');

/** The one that npm installed: it needs few libraries. Under jest and npm this process runs it too. */
export async function nodeBinary(): Promise<string> {
  const installed = join(checkout, 'node_modules', `node-linux-${process.arch}`, 'bin', 'node');
  return (await exists(installed)) ? installed : process.execPath;
}

/** With every library that they load, the loader too, each at the path where it is looked for. */
export async function programs(files: { path: string; from: string }[]): Promise<ImageFile[]> {
  const libraries = new Set<string>();
  for (const { from } of files) {
    const { stdout } = await promisify(execFile)('ldd', [from]).catch(() => ({ stdout: '' })); // a script, or static
    for (const [, path] of stdout.matchAll(/(\/\S+) \(0x[0-9a-f]+\)/g)) libraries.add(path as string);
  }
  return [...files, ...[...libraries].map((path) => ({ path, from: path }))];
}

export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
