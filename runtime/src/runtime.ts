import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Executions } from './execute/execution.js';
import { WorkFolder } from './files/work-folder.js';
import { answerProblem } from './http/answer.js';
import { Problem, type ProblemCode } from './http/problem.js';
import type { RuntimeOptions } from './options.js';
import { handle, type Sandbox } from './routes.js';

/** A server that listens. */
export interface Runtime {
  readonly host: string;
  readonly port: number;
  /** Takes no more requests, ends every process that a command started, and the connections. At most 2 s; may be called twice. */
  close(): Promise<void>;
}

const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/** Longer than the idle time of proxies that pool connections, so that they close first and no request meets a closed one. */
const keepAliveTimeoutMs = 75_000;
const closeGraceMs = 750;
const lastAnswersMs = 200;

/** Starts the server; rejects when the work folder does not exist or the port is taken. */
export async function startRuntime(options: RuntimeOptions = {}): Promise<Runtime> {
  const work = new WorkFolder(options.workFolder ?? process.cwd());
  const env = { PATH: defaultPath, LANG: 'C.UTF-8', HOME: work.root, ...options.env };
  const executions = new Executions(options.id ?? randomBytes(12).toString('hex'), env, {
    maxExecutions: options.maxExecutions ?? 16,
    killGraceMs: options.killGraceMs ?? 2_000,
  });
  const { maxOutputBytes = 10 * 1024 ** 2, maxUploadBytes = 1024 ** 3 } = options;
  const { maxWorkspaceBytes = 10 * 1024 ** 3, maxWorkspaceEntries = 1_000_000 } = options;
  const sandbox: Sandbox = { executions, work, maxOutputBytes, maxUploadBytes, maxWorkspaceBytes, maxWorkspaceEntries };

  const server = createServer({
    keepAliveTimeout: keepAliveTimeoutMs,
    headersTimeout: 60_000,
    // A large upload may take long; a stalled one is given up by its reader.
    requestTimeout: 0,
  });
  let closing: Promise<void> | undefined;
  const answer = (req: IncomingMessage, res: ServerResponse): void => {
    const task = closing ? Promise.reject(shuttingDown()) : handle(req, res, sandbox);
    task.catch((error: unknown) => answerProblem(req, res, error));
  };
  server.on('request', answer).on('checkContinue', answer).on('clientError', answerClientError);
  server.listen(options.port ?? 8888, options.host ?? '0.0.0.0');
  await once(server, 'listening');

  const { address, port } = server.address() as AddressInfo;
  return { host: address, port, close: () => (closing ??= close(server, executions)) };
}

async function close(server: Server, executions: Executions): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  await executions.endAll(closeGraceMs);
  await Promise.race([closed, sleep(lastAnswersMs)]);
  server.closeAllConnections();
}

function shuttingDown(): Problem {
  return new Problem('UNAVAILABLE', 'The runtime is shutting down.', { headers: { 'retry-after': '1', connection: 'close' } });
}

const clientErrors: Record<string, [ProblemCode, string]> = {
  HPE_HEADER_OVERFLOW: ['HEADERS_TOO_LARGE', 'The headers may have at most 16 KiB.'],
  ERR_HTTP_REQUEST_TIMEOUT: ['REQUEST_TIMEOUT', 'The headers did not arrive in time.'],
};

/** What cannot be parsed as HTTP has no response object; the answer is written by hand. */
function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable || socket.bytesWritten > 0) {
    socket.destroy();
    return;
  }
  const [code, detail] = clientErrors[error.code ?? ''] ?? ['MALFORMED_REQUEST', 'The request is not HTTP.'];
  const problem = new Problem(code, detail);
  const body = JSON.stringify(problem);
  const { title } = problem.toJSON();
  socket.end(
    `HTTP/1.1 ${problem.status} ${title}\r\ncontent-type: application/problem+json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}
