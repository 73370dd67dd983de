import type { IncomingMessage, ServerResponse } from 'node:http';
import { renderProblem, type Refusal } from './problem.js';

/** Milliseconds that a client is given to stop sending a body that nobody wants before its connection is closed. */
const LINGER_MS = 1000;

/**
 * Answers with problem+json. The connection is kept only when the whole request has been read and was well-formed: what follows a
 * request that could be read in two ways must not be read at all.
 */
export function answerRefusal(request: IncomingMessage, response: ServerResponse, refusal: Refusal, requestId: string): void {
  const { body, headers } = renderProblem(refusal, requestId);
  const complete = request.complete || hasLeftHttp(request);
  if (!complete || refusal.code === 'MALFORMED_REQUEST') response.shouldKeepAlive = false;
  response.writeHead(refusal.status, headers);
  if (complete) {
    response.end(body);
  } else {
    if (request.method !== 'HEAD') response.write(body);
    else response.flushHeaders();
    endAfterBody(request, response);
  }
}

/**
 * Ends a response whose request is still arriving. Closing at once would make the kernel answer the client's next bytes with a
 * reset, which can overtake the response; so what comes is thrown away for a moment first.
 */
export function endAfterBody(request: IncomingMessage, response: ServerResponse): void {
  const end = () => {
    clearTimeout(timer);
    response.end(() => request.complete || request.socket.destroy());
  };
  const timer = setTimeout(end, LINGER_MS);
  request.removeAllListeners('data').once('end', end).once('close', end).resume();
}

/** After an upgrade request node:http reads no further, and never calls it complete. */
function hasLeftHttp(request: IncomingMessage): boolean {
  return (request as IncomingMessage & { upgrade?: boolean }).upgrade === true;
}
