import { constants } from 'node:fs';
import { open, readlink } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { undefinedIfMissing, type WorkFolder } from '../files/work-folder.js';
import { blockBytes, encodeHeader, padding } from './tar-format.js';
import { checkReadable, tree, type Leaf } from './tree.js';

const readBytes = 64 * 1024;

/**
 * Streams the work folder as a tar archive. What changes meanwhile may be in it or not, but every file is whole, or the connection is broken
 * off: an archive without its end is refused by whoever reads it.
 */
export async function exportWorkspace({ root }: WorkFolder, res: ServerResponse, headOnly: boolean): Promise<void> {
  await checkReadable(root);
  res.writeHead(200, {
    'content-type': 'application/x-tar',
    'content-disposition': 'attachment; filename="workspace.tar"',
    'x-content-type-options': 'nosniff',
  });
  if (headOnly) {
    res.end();
    return;
  }
  await pipeline(Readable.from(archive(root), { objectMode: false }), res);
}

async function* archive(root: string): AsyncGenerator<Buffer> {
  for await (const leaf of tree(root)) yield* leaf.found.isFile() ? file(leaf) : withoutContent(leaf);
  yield Buffer.alloc(2 * blockBytes);
}

async function* withoutContent({ path, full, found }: Leaf): AsyncGenerator<Buffer> {
  const { mode, mtimeMs } = found;
  const common = { path, size: 0, mode: mode & 0o777, mtime: mtimeMs / 1_000 };
  if (found.isDirectory()) {
    yield encodeHeader({ ...common, type: 'directory' });
    return;
  }
  const target = await readlink(full).catch(undefinedIfMissing);
  if (target !== undefined) yield encodeHeader({ ...common, type: 'symlink', target });
}

async function* file({ path, full }: Leaf): AsyncGenerator<Buffer> {
  const handle = await open(full, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(undefinedIfMissing);
  if (!handle) return;
  try {
    const { size, mode, mtimeMs } = await handle.stat();
    yield encodeHeader({ type: 'file', path, size, mode: mode & 0o777, mtime: mtimeMs / 1_000 });
    for (let sent = 0; sent < size;) {
      const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(Math.min(readBytes, size - sent)));
      if (bytesRead === 0) throw new Error('a file shrank while it was sent');
      yield buffer.subarray(0, bytesRead);
      sent += bytesRead;
    }
    yield padding(size);
  } finally {
    await handle.close();
  }
}
