import { constants, type Stats } from 'node:fs';
import { lstat, open, opendir, rm, rmdir, stat } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { Problem } from '../http/problem.js';
import { undefinedIfMissing, type WorkFolder } from './work-folder.js';

export type FileType = 'file' | 'directory' | 'symlink' | 'other';

export interface Entry {
  name: string;
  type: FileType;
  /** Bytes. */
  size: number;
  /** ISO 8601. */
  modified: string;
}

/** A listing is held in memory and sent as one answer; beyond this many entries it is cut and says so. */
const maxEntries = 10_000;
const statBatch = 64;

/** Entries in order of name; links are shown, not followed. */
export async function list(work: WorkFolder, path: string): Promise<{ entries: Entry[]; truncated?: true }> {
  const folder = await work.directory(path);
  const names: string[] = [];
  let truncated = false;
  for await (const { name } of await opendir(folder)) {
    truncated = names.length === maxEntries;
    if (truncated) break;
    names.push(name);
  }
  names.sort();

  const entries: Entry[] = [];
  for (let start = 0; start < names.length; start += statBatch) {
    const batch = names.slice(start, start + statBatch).map(async (name): Promise<Entry[]> => {
      const found = await lstat(join(folder, name)).catch(undefinedIfMissing);
      return found ? [{ name, type: typeOf(found), size: found.size, modified: found.mtime.toISOString() }] : [];
    });
    entries.push(...(await Promise.all(batch)).flat());
  }
  return { entries, ...(truncated && { truncated }) };
}

export async function exists(work: WorkFolder, path: string): Promise<{ path: string; exists: boolean; type?: FileType }> {
  const real = await work.existing(path).catch(undefinedIfMissing);
  const found = real && (await stat(real).catch(undefinedIfMissing));
  return found ? { path, exists: true, type: typeOf(found) } : { path, exists: false };
}

/** Streams a file with its length. A file that shrinks meanwhile breaks the connection: half a file must not look whole. */
export async function download(work: WorkFolder, path: string, res: ServerResponse, headOnly: boolean): Promise<void> {
  // Non-blocking, so that a named pipe does not hang the open; it is refused right after.
  const file = await open(await work.existing(path), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const found = await file.stat();
    const { size, mtime } = found;
    if (!found.isFile()) throw new Problem('NOT_A_FILE', 'Only files can be downloaded; /list/ shows directories.');
    res.writeHead(200, {
      'content-type': 'application/octet-stream',
      'content-length': size,
      'last-modified': mtime.toUTCString(),
      'content-disposition': 'attachment',
      'x-content-type-options': 'nosniff',
    });
    if (headOnly || size === 0) {
      res.end();
      return;
    }
    const content = file.createReadStream({ start: 0, end: size - 1 });
    await pipeline(content, (chunks: AsyncIterable<Buffer>) => exactly(size, chunks), res);
  } finally {
    await file.close();
  }
}

async function* exactly(size: number, chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let sent = 0;
  for await (const chunk of chunks) {
    sent += chunk.length;
    yield chunk;
  }
  if (sent !== size) throw new Error('the file shrank while it was sent');
}

/** Deletes a file, a link (not what it points to) or a directory, which must be empty unless `recursive`. */
export async function remove(work: WorkFolder, path: string, recursive: boolean): Promise<void> {
  const entry = await work.entry(path);
  if (!(await lstat(entry)).isDirectory()) await rm(entry);
  else if (recursive) await rm(entry, { recursive: true });
  else await rmdir(entry);
}

function typeOf(found: Stats): FileType {
  if (found.isFile()) return 'file';
  if (found.isDirectory()) return 'directory';
  return found.isSymbolicLink() ? 'symlink' : 'other';
}
