import type { IncomingMessage, ServerResponse } from 'node:http';
import { execute } from './execute/execute.js';
import type { Executions } from './execute/execution.js';
import { download, exists, list, remove } from './files/files.js';
import { store, upload } from './files/upload.js';
import type { WorkFolder } from './files/work-folder.js';
import { answerJson } from './http/answer.js';
import { readBody } from './http/body.js';
import { Problem } from './http/problem.js';
import { decodePath, parseTarget } from './http/target.js';
import { exportWorkspace } from './workspace/export.js';
import { importWorkspace } from './workspace/import.js';

/** What the routes work on. */
export interface Sandbox {
  executions: Executions;
  work: WorkFolder;
  maxOutputBytes: number;
  maxUploadBytes: number;
  maxWorkspaceBytes: number;
  maxWorkspaceEntries: number;
}

interface Exchange {
  req: IncomingMessage;
  res: ServerResponse;
  /** What stands for the `*` of the route, decoded. */
  path: string;
  query: ReadonlyMap<string, string>;
  sandbox: Sandbox;
}
type Handler = (exchange: Exchange) => Promise<void>;

/** Of an entry's headers and padding, with a long name. */
const tarOverheadBytes = 4 * 1024;

const runCommand: Handler = ({ req, res, sandbox }) => execute(req, res, sandbox);
const sendFile: Handler = ({ req, res, path, sandbox }) => download(sandbox.work, path, res, req.method === 'HEAD');
const listFolder: Handler = async ({ res, path, sandbox }) => answerJson(res, 200, await list(sandbox.work, withoutLastSlash(path)));

const takeWorkspace: Handler = async ({ req, res, query, sandbox: { work, maxWorkspaceBytes, maxWorkspaceEntries } }) => {
  const outside = query.get('outsideLinks') ?? 'refuse';
  if (outside !== 'refuse' && outside !== 'skip') throw new Problem('MALFORMED_REQUEST', 'outsideLinks is `refuse` or `skip`.');
  const body = readBody(req, res, maxWorkspaceBytes + maxWorkspaceEntries * tarOverheadBytes);
  const limits = { maxBytes: maxWorkspaceBytes, maxEntries: maxWorkspaceEntries, skipOutsideLinks: outside === 'skip' };
  answerJson(res, 200, await importWorkspace(work, body, limits));
};

/** A route that ends in `*` takes the rest of the path. GET answers HEAD too. */
const routes: Record<string, Record<string, Handler>> = {
  '/health': { GET: async ({ res }) => answerJson(res, 200, { status: 'ok' }) },
  '/execute': { POST: runCommand },
  '/v1/shell/exec': { POST: runCommand },
  '/upload': {
    POST: async ({ req, res, query, sandbox }) =>
      answerJson(res, 201, await upload(req, res, sandbox.work, query.get('path'), sandbox.maxUploadBytes)),
  },
  '/download/*': { GET: sendFile },
  '/list': { GET: listFolder },
  '/list/*': { GET: listFolder },
  '/exists/*': { GET: async ({ res, path, sandbox }) => answerJson(res, 200, await exists(sandbox.work, path)) },
  '/workspace': {
    GET: ({ req, res, sandbox }) => exportWorkspace(sandbox.work, res, req.method === 'HEAD'),
    PUT: takeWorkspace,
  },
  '/files/*': {
    GET: sendFile,
    PUT: async ({ req, res, path, sandbox: { work, maxUploadBytes } }) =>
      answerJson(res, 201, await store(work, path, readBody(req, res, maxUploadBytes), maxUploadBytes)),
    DELETE: async ({ res, path, query, sandbox }) => {
      await remove(sandbox.work, path, query.get('recursive') === 'true');
      res.writeHead(204).end();
    },
  },
};

/** Finds the handler of a request and runs it. 404 for an unknown path, 405 with Allow for a method that it does not take. */
export async function handle(req: IncomingMessage, res: ServerResponse, sandbox: Sandbox): Promise<void> {
  const { path, query } = parseTarget(req.url ?? '');
  const pattern = Object.keys(routes).find((route) => (route.endsWith('*') ? path.startsWith(route.slice(0, -1)) : path === route));
  const methods = pattern && routes[pattern];
  if (!methods) throw new Problem('NOT_FOUND', 'There is no such route.');

  const handler = methods[req.method === 'HEAD' ? 'GET' : (req.method ?? '')];
  if (!handler) {
    const allow = Object.keys(methods).flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method]));
    throw new Problem('METHOD_NOT_ALLOWED', `This path takes ${allow.join(', ')}.`, { headers: { allow: allow.join(', ') } });
  }
  const rest = pattern.endsWith('*') ? decodePath(path.slice(pattern.length - 1)) : '';
  await handler({ req, res, path: rest, query, sandbox });
}

function withoutLastSlash(path: string): string {
  return path.endsWith('/') ? path.slice(0, -1) : path;
}
