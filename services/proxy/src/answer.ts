import type { IncomingMessage } from 'node:http';
import type { ClientRequest, ClientResponse } from './client-message.js';
import { Http2Request } from './http2-request.js';
import { renderProblem, type Refusal } from './problem.js';
import type { RequestTrail } from './record.js';

/** Milliseconds that a client is given to stop sending a body that nobody wants before its connection is closed. */
const LINGER_MS = 1000;

/**
 * Answers with problem+json, and with what is left of its rates where the request was counted. The connection is kept only when the whole request has been read and was well-formed: what follows a
 * request that could be read in two ways must not be read at all.
 */
export function answerRefusal(
  request: ClientRequest,
  response: ClientResponse,
  refusal: Refusal,
  { requestId, limitHeaders }: RequestTrail,
): void {
  const { body, headers } = renderProblem(refusal, requestId);
  if (limitHeaders) headers.push(...limitHeaders);
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
export function endAfterBody(request: ClientRequest, response: ClientResponse): void {
  if (request instanceof Http2Request) return void response.end(); // frames keep the answer and what still comes apart
  const end = () => {
    clearTimeout(timer);
    response.end(() => request.complete || (request as IncomingMessage).socket.destroy());
  };
  const timer = setTimeout(end, LINGER_MS);
  request.removeAllListeners('data');
  request.once('end', end);
  request.once('close', end);
  request.resume();
}

/** After an upgrade request node:http reads no further, and never calls it complete. */
function hasLeftHttp(request: ClientRequest): boolean {
  return (request as ClientRequest & { upgrade?: boolean }).upgrade === true;
}
