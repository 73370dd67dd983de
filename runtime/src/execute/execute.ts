import type { IncomingMessage, ServerResponse } from 'node:http';
import { StringDecoder } from 'node:string_decoder';
import { answerJson } from '../http/answer.js';
import { readJson } from '../http/body.js';
import { Problem } from '../http/problem.js';
import type { WorkFolder } from '../files/work-folder.js';
import type { Execution, Executions, Outcome } from './execution.js';
import { KeptOutput, type Receive } from './output.js';
import { invalid, parseExecuteRequest } from './request.js';

const maxRequestBytes = 1024 * 1024;
/** A comment this often keeps the connection of a silent command from being taken for dead. */
const heartbeatMs = 15_000;

/** Runs a command and answers with its output, at once at the end or event by event as the client accepts. */
export async function execute(
  req: IncomingMessage,
  res: ServerResponse,
  { executions, work, maxOutputBytes }: { executions: Executions; work: WorkFolder; maxOutputBytes: number },
): Promise<void> {
  const { command, timeout, cwd, env } = parseExecuteRequest(await readJson(req, res, maxRequestBytes));
  const folder = await work.directory(cwd).catch(nameField);
  if (res.destroyed) return;
  const execution = await executions.start({ text: command, folder, env, timeoutMs: timeout * 1000 });

  const gone = new AbortController();
  if (res.destroyed) gone.abort();
  res.once('close', () => gone.abort());

  const format = eventFormat(req.headers.accept ?? '');
  if (format) await answerEvents(res, execution, format, gone.signal);
  else await answerWhole(res, execution, maxOutputBytes, gone.signal);
}

async function answerWhole(res: ServerResponse, execution: Execution, limit: number, gone: AbortSignal): Promise<void> {
  const stdout = new KeptOutput(limit);
  const stderr = new KeptOutput(limit);
  const outcome = await execution.finish({ stdout: stdout.receive, stderr: stderr.receive }, gone);
  if (gone.aborted) return;
  const truncated = stdout.truncated || stderr.truncated;
  answerJson(res, 200, { stdout: stdout.text(), stderr: stderr.text(), ...ending(outcome), ...(truncated && { truncated }) });
}

/** No output limit here: nothing is kept, and a slow reader slows the command down. */
async function answerEvents(res: ServerResponse, execution: Execution, format: EventFormat, gone: AbortSignal): Promise<void> {
  res.writeHead(200, { 'content-type': format.contentType, 'cache-control': 'no-store', 'x-accel-buffering': 'no' });
  res.flushHeaders();
  const heartbeat = format.heartbeat && setInterval(() => res.write(format.heartbeat), heartbeatMs);
  const decoders = { stdout: new StringDecoder('utf8'), stderr: new StringDecoder('utf8') };
  const send = (event: string, data: object): boolean => gone.aborted || res.write(format.encode(event, data));
  const receive =
    (name: 'stdout' | 'stderr'): Receive =>
    (chunk) => {
      const text = decoders[name].write(chunk);
      return text === '' || send(name, { text }) ? undefined : writable(res);
    };
  try {
    const outcome = await execution.finish({ stdout: receive('stdout'), stderr: receive('stderr') }, gone);
    for (const name of ['stdout', 'stderr'] as const) {
      const rest = decoders[name].end();
      if (rest) send(name, { text: rest });
    }
    send('exit', ending(outcome));
    res.end();
  } finally {
    clearInterval(heartbeat);
  }
}

function ending({ exitCode, timedOut }: Outcome) {
  return { exit_code: exitCode, ...(timedOut && { timed_out: true }) };
}

/** Resolves when more can be written, or nobody is there to read it. */
function writable(res: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      res.off('drain', done).off('close', done);
      resolve();
    };
    res.on('drain', done).on('close', done);
  });
}

interface EventFormat {
  contentType: string;
  heartbeat?: string;
  encode(event: string, data: object): string;
}

const eventFormats: EventFormat[] = [
  {
    contentType: 'text/event-stream',
    heartbeat: ':\n\n',
    encode: (event, data) => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`,
  },
  { contentType: 'application/x-ndjson', encode: (event, data) => `${JSON.stringify({ event, ...data })}\n` },
];

function eventFormat(accept: string): EventFormat | undefined {
  return eventFormats.find(({ contentType }) => accept.toLowerCase().includes(contentType));
}

function nameField(error: unknown): never {
  const known = error instanceof Problem || ['ENOENT', 'ENOTDIR', 'ENAMETOOLONG'].includes((error as NodeJS.ErrnoException).code ?? '');
  if (known) throw invalid([{ pointer: '/cwd', detail: 'must be an existing directory in the work folder, given as a relative path' }]);
  throw error;
}
