import { nameOfId } from '@sandlot/contracts';
import { idPattern, isId } from '@sandlot/kernel';
import { badRequest, Refusal } from './problem.js';

/**
 * The request target, parsed once. What routing and authorisation read here is byte for byte what is forwarded:
 * nothing is decoded, merged or resolved, and a target that anyone could resolve to another sandbox is refused instead.
 *
 * - Routing prefix (`/proxy/{sandbox}`, `/{username}/{sandbox}`) and every API path: plain characters only. No escapes, dot
 *   segments, empty segments, `\` or `;` in a prefix; API paths may escape ordinary characters, once.
 * - What follows a sandbox's prefix goes to that sandbox alone, byte for byte, `..` and `%2f` included: it has been routed
 *   already, and nothing behind the proxy but the sandbox reads it. Only bytes that no HTTP message may carry in a target
 *   (controls, spaces, non-ASCII, `#`) and `\`, which some servers read as `/`, are refused.
 * - Query strings pass byte for byte, without `#`.
 */
export type RequestTarget = ApiTarget | SandboxTarget | UnknownTarget | ServerTarget;

export interface ApiTarget {
  kind: 'api';
  /** Without the query. */
  path: string;
  /** Path and query as they came. */
  forward: string;
  /** Served without a key. */
  public: boolean;
}

export interface SandboxTarget {
  kind: 'sandbox';
  path: string;
  /** Undefined: the caller's own (`/proxy/{sandbox}`). */
  username: string | undefined;
  sandbox: string;
  /** A declared port's number or name; undefined: the sandbox's default port. */
  port: string | undefined;
  /** The part that was routed on, for X-Forwarded-Prefix. */
  prefix: string;
  /** What the sandbox gets: the rest of the path and the query; at least `/`. */
  forward: string;
}

/** A well-formed path that nothing serves. */
export interface UnknownTarget {
  kind: 'unknown';
  path: string;
}

/** `OPTIONS *`. */
export interface ServerTarget {
  kind: 'server';
  path: '*';
}

/** Named where a method is refused; sandboxes get any other that node:http knows as well. */
export const ALLOWED = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

const MAX_TARGET_LENGTH = 8192;
const API_ROOTS = new Set(['', 'api', 'v1', 'health', 'openapi.json', 'openapi.yaml', 'docs', 'problems', 'sandboxes']);
/** What the gateway serves without a key, at the root and below each form of the API's prefix. */
const PUBLIC_PATH = /^(?:\/api\/v1|\/api|\/v1)?\/(?:health|openapi\.(?:json|yaml)|(?:docs|problems)(?:\/.*)?)$/;

const WORKSPACE_METHODS = ['GET', 'HEAD', 'PUT'];

const NOT_IN_A_TARGET = /[^\x21-\x7e]|#/;
const NAME = /^[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const WORKSPACE_PATH = new RegExp(
  `^((?:/api/v1|/api|/v1)/(?:sandboxes|sessions)/([a-z](?:[a-z0-9-]{0,61}[a-z0-9])?|${idPattern('sbx').source.slice(1, -1)}))/workspace$`,
);
const PORT = /^(?:[1-9][0-9]{0,4}|[a-z](?:[a-z0-9-]{0,13}[a-z0-9])?)$/;
/** Anything that some parser reads as a separator, an escape, a parameter or "here" and "up". */
const AMBIGUOUS_SEGMENT = /[%;\\]|^\.{1,2}$|^$/;
const AMBIGUOUS_API_PATH = /[\\;]|\/\/|\/\.{1,2}(?:\/|$)|%(?:00|2[ef]|5c|25)|%(?![0-9a-f]{2})/i;

export function parseRequestTarget(raw: string, method: string): RequestTarget | Refusal {
  if (raw === '*') return method === 'OPTIONS' ? { kind: 'server', path: '*' } : badRequest('The target * is for OPTIONS only');
  const wrong = checkTarget(raw);
  if (wrong) return wrong;
  const queryAt = raw.indexOf('?');
  const path = queryAt < 0 ? raw : raw.slice(0, queryAt);
  if (path.includes('\\')) return badRequest('The path has a backslash');

  const first = segmentAt(path, 1);
  if (API_ROOTS.has(first)) return path.endsWith('/workspace') ? workspaceTarget(raw, path, method) : apiTarget(raw, path);
  if (first === 'proxy') return sandboxTarget(raw, path, undefined, '/proxy'.length);
  if (!NAME.test(first)) return notAName(first, path);
  return sandboxTarget(raw, path, first, 1 + first.length);
}

/** What no target may be, wherever it is for. */
export function checkTarget(raw: string): Refusal | undefined {
  if (raw.length > MAX_TARGET_LENGTH) return new Refusal('URI_TOO_LONG', `The request target is longer than ${MAX_TARGET_LENGTH} bytes`);
  if (raw.charCodeAt(0) !== 0x2f) return badRequest('The request target must be a path (origin-form)');
  return NOT_IN_A_TARGET.test(raw) ? badRequest('The request target has a character that must be percent-encoded') : undefined;
}

function apiTarget(raw: string, path: string): ApiTarget | Refusal {
  if (AMBIGUOUS_API_PATH.test(path) || !isUtf8(path)) return badRequest('The path is ambiguous');
  return { kind: 'api', path, forward: raw, public: path === '/' || PUBLIC_PATH.test(path) };
}

/** The API's path of a sandbox's files as tar: the sandbox itself answers, so that nothing has to carry them but the proxy. */
function workspaceTarget(raw: string, path: string, method: string): ApiTarget | SandboxTarget | Refusal {
  const [, prefix, sandbox] = WORKSPACE_PATH.exec(path) ?? [];
  if (!prefix) return apiTarget(raw, path);
  if (!WORKSPACE_METHODS.includes(method))
    return new Refusal('METHOD_NOT_ALLOWED', 'A workspace is read by GET and written by PUT', { allow: WORKSPACE_METHODS });
  const forward = raw.slice(prefix.length);
  return { kind: 'sandbox', path, username: undefined, sandbox: nameOfId(sandbox!), port: undefined, prefix, forward };
}

/** @param at where the slash before the sandbox's segment is, or the end of the path */
function sandboxTarget(raw: string, path: string, username: string | undefined, at: number): SandboxTarget | UnknownTarget | Refusal {
  if (at >= path.length - 1) return { kind: 'unknown', path };
  const segment = segmentAt(path, at + 1);
  const colon = segment.indexOf(':');
  const sandbox = colon < 0 ? segment : segment.slice(0, colon);
  const port = colon < 0 ? undefined : segment.slice(colon + 1);
  if (!NAME.test(sandbox) && !isId('sbx', sandbox)) return notAName(segment, path);
  if (port !== undefined && !PORT.test(port)) return badRequest('The port is neither a number nor a name');

  const prefixLength = at + 1 + segment.length;
  const rest = raw.slice(prefixLength);
  const forward = rest.charCodeAt(0) === 0x2f ? rest : `/${rest}`;
  return { kind: 'sandbox', path, username, sandbox: nameOfId(sandbox), port, prefix: path.slice(0, prefixLength), forward };
}

function notAName(segment: string, path: string): UnknownTarget | Refusal {
  return AMBIGUOUS_SEGMENT.test(segment) ? badRequest('The path is ambiguous before the sandbox') : { kind: 'unknown', path };
}

function segmentAt(path: string, start: number): string {
  const end = path.indexOf('/', start);
  return end < 0 ? path.slice(start) : path.slice(start, end);
}

function isUtf8(path: string): boolean {
  if (!path.includes('%')) return true;
  try {
    decodeURIComponent(path);
    return true;
  } catch {
    return false;
  }
}
