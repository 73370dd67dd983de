import { randomUUID } from 'node:crypto';
import { lstat, open, rename, rm } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { dirname, join } from 'node:path';
import { readBody } from '../http/body.js';
import { Problem } from '../http/problem.js';
import { isMultipart, readFilePart } from './multipart.js';
import { undefinedIfMissing, type WorkFolder } from './work-folder.js';

/** Room for the boundary and the headers around a file of the largest size. */
const multipartOverhead = 16 * 1024;

/**
 * Takes a file in a form (field `file`, whose filename is the path) or as the raw body (then `path` is needed; it also wins
 * over a form's filename).
 */
export async function upload(req: IncomingMessage, res: ServerResponse, work: WorkFolder, path: string | undefined, limit: number) {
  const contentType = req.headers['content-type'] ?? '';
  if (!isMultipart(contentType)) {
    if (path === undefined) throw new Problem('MALFORMED_REQUEST', 'Send a form with the field `file`, or the raw body with ?path=.');
    return store(work, path, readBody(req, res, limit), limit);
  }
  const body = readBody(req, res, limit + multipartOverhead);
  try {
    const part = await readFilePart(contentType, body);
    return await store(work, path ?? part.filename, part.content, limit);
  } finally {
    // Lets go of a body that was refused half way, so that its rest can be thrown away.
    await body.return(undefined);
  }
}

/** Streams to a file beside the target and renames it: readers see the old content or the new, whatever breaks off. */
export async function store(work: WorkFolder, path: string, content: AsyncIterable<Buffer>, limit: number) {
  const target = await work.target(path);
  const old = await lstat(target).catch(undefinedIfMissing);
  if (old && !old.isFile()) throw new Problem('NOT_A_FILE', 'The path exists and is not a file.');

  const temporary = join(dirname(target), `.sandlot-upload-${randomUUID()}`);
  const file = await open(temporary, 'wx', 0o666);
  try {
    if (old) await file.chmod(old.mode & 0o777);
    await file.writeFile(atMost(limit, content));
    const { size } = await file.stat();
    await rename(temporary, target);
    return { path, size };
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  } finally {
    await file.close();
  }
}

async function* atMost(limit: number, content: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let size = 0;
  for await (const chunk of content) {
    size += chunk.length;
    if (size > limit) throw new Problem('BODY_TOO_LARGE', `The file may have at most ${limit} bytes.`);
    yield chunk;
  }
}
