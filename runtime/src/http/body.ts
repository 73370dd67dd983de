import type { IncomingMessage, ServerResponse } from 'node:http';
import { Problem } from './problem.js';

/** A body that stalls this long is given up, with its connection. */
const idleMs = 60_000;

/** The body of a request as it comes. Refuses with 413 what declares or turns out to be more than `limit` bytes. */
export async function* readBody(req: IncomingMessage, res: ServerResponse, limit: number): AsyncGenerator<Buffer> {
  const tooLarge = new Problem('BODY_TOO_LARGE', `The body may have at most ${limit} bytes.`);
  if (Number(req.headers['content-length'] ?? 0) > limit) throw tooLarge;
  if (req.headers.expect !== undefined) res.writeContinue();

  req.setTimeout(idleMs, () => req.destroy());
  let size = 0;
  try {
    // Leaving the loop must not destroy the request: its socket still carries the answer.
    for await (const chunk of req.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > limit) throw tooLarge;
      yield chunk;
    }
  } finally {
    req.setTimeout(0);
  }
}

/** The body as JSON, whatever its content type says. 400 when it is not JSON in UTF-8. */
export async function readJson(req: IncomingMessage, res: ServerResponse, limit: number): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of readBody(req, res, limit)) chunks.push(chunk);
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks)));
  } catch {
    throw new Problem('MALFORMED_REQUEST', 'The body must be JSON in UTF-8.');
  }
}
