import type { IncomingMessage, ServerResponse } from 'node:http';
import { Problem, problemOf } from './problem.js';

/** How long the rest of a refused body is read and thrown away, so that the client gets to see the refusal. */
const lingerMs = 2_000;

export function answerJson(res: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body);
  res.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }).end(text);
}

/** Answers with what went wrong, or breaks the connection off when an answer had begun already. */
export function answerProblem(req: IncomingMessage, res: ServerResponse, error: unknown): void {
  if (res.destroyed) return;
  const problem = problemOf(error) ?? new Problem('INTERNAL', 'The runtime failed to handle this request.');
  if (problem.code === 'INTERNAL') logFault('request failed', error);
  if (res.headersSent) {
    res.destroy();
    return;
  }
  const text = JSON.stringify(problem);
  // A client that waits for "100 Continue" has not sent its body, and will not: Node closes its connection.
  const bodyHeldBack = req.headers.expect !== undefined && !req.complete;
  if (problem.code === 'BODY_TOO_LARGE') res.setHeader('connection', 'close');
  res.writeHead(problem.status, {
    'content-type': 'application/problem+json',
    'content-length': Buffer.byteLength(text),
    ...problem.headers,
  });
  if (req.complete || bodyHeldBack) res.end(text);
  else endAfterBody(req, res, text);
}

/** Closing a socket with unread input resets it, and the client may lose the answer; so the input is read, for a while. */
function endAfterBody(req: IncomingMessage, res: ServerResponse, text: string): void {
  const timer = setTimeout(() => req.destroy(), lingerMs);
  req.once('close', () => clearTimeout(timer));
  req.once('end', () => {
    clearTimeout(timer);
    res.end();
  });
  res.write(text);
  req.resume();
}

/** One line of JSON on stderr: a constant message and the fault. */
export function logFault(message: string, error: unknown): void {
  const fault = error instanceof Error ? error.stack : String(error);
  process.stderr.write(`${JSON.stringify({ level: 'error', time: new Date().toISOString(), message, fault })}\n`);
}
