import { badRequest, Refusal } from './problem.js';
import type { Isolation } from './response-isolation.js';

/**
 * What crosses the proxy and what does not, in both directions. Header lists are flat: name, value, name, value.
 *
 * Requests lose hop-by-hop fields (and those that Connection names), everything that says who the client is (our credentials,
 * cookies, forwarding and identity headers: only we may say that), and names with `_`, which many frameworks read as `-`.
 * Responses lose hop-by-hop fields and, from sandboxes, everything that would act on the origin
 * that all of them share (response-isolation.ts).
 */
export interface RequestHead {
  /** The lines to forward, each ended by CRLF, without Host and framing headers. */
  lines: string;
  httpVersion: string;
  /** Undefined only on HTTP/1.0. */
  host: string | undefined;
  /** The key as presented; '' when an Authorization of another scheme was sent; undefined when nothing was. */
  credential: string | undefined;
  /** Bytes announced, or `chunked`; undefined when no body was. */
  body: number | 'chunked' | undefined;
  expectsContinue: boolean;
  traceparent: string | undefined;
}

const MAX_HEADERS = 100;
const HOST = /^(?:[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?$/;
const CONTENT_LENGTH = /^[0-9]{1,15}$/;
const BEARER = /^Bearer +([\x21-\x7e]+)$/i;
const TRACEPARENT = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

const DROPPED = new Set([
  'connection', 'keep-alive', 'te', 'upgrade', 'http2-settings', // hop by hop
  'cookie', 'cookie2', // path-based addresses share one origin: cookies there would belong to every sandbox at once
  'forwarded', 'x-real-ip', 'x-client-ip', 'x-cluster-client-ip', 'true-client-ip', 'cf-connecting-ip', 'x-request-id',
]); // prettier-ignore
const DROPPED_PREFIXES = /^(?:proxy-|x-(?:forwarded|original|rewrite|envoy|auth|sandlot)-|x-forwarded$)/;

/** Naming these in Connection asks a proxy to forget what it decided on (or framed by): never honoured, always refused. */
const NOT_HOP_BY_HOP =
  /^(?:host|content-length|transfer-encoding|content-type|content-encoding|authorization|x-api-key|cookie|expect|trailer|origin|forwarded|traceparent|x-request-id|x-real-ip|x-(?:forwarded|original|sandlot|auth)-.*|sec-.*)$/;
const ORDINARY_OPTIONS = new Set(['keep-alive', 'close', 'upgrade', 'te', 'http2-settings', 'proxy-connection', '']);

/**
 * Reads a request's header list once. node:http has already refused malformed lines, control characters and conflicting lengths;
 * what it lets through (two Hosts, odd transfer codings, chunked on HTTP/1.0) is refused here.
 */
export function readRequestHead(raw: readonly string[], httpVersion: string): RequestHead | Refusal {
  if (raw.length > MAX_HEADERS * 2) return new Refusal('HEADERS_TOO_LARGE', `More than ${MAX_HEADERS} header fields`);
  const listed = connectionOptions(raw);
  if (listed instanceof Refusal) return listed;

  const head: RequestHead = {
    lines: '',
    httpVersion,
    host: undefined,
    credential: undefined,
    body: undefined,
    expectsContinue: false,
    traceparent: undefined,
  };
  let tracestate: string | undefined;
  for (let i = 0; i < raw.length; i += 2) {
    const value = raw[i + 1]!;
    const name = raw[i]!.toLowerCase();
    let problem: string | undefined;
    switch (name) {
      case 'host':
        problem = head.host !== undefined ? 'More than one Host' : HOST.test(value) ? undefined : 'Host is not valid';
        head.host = value;
        break;
      case 'authorization':
      case 'x-api-key':
        problem = head.credential !== undefined ? 'More than one credential' : undefined;
        head.credential = name === 'x-api-key' ? value : (BEARER.exec(value)?.[1] ?? '');
        break;
      case 'content-length':
        problem = head.body !== undefined || !CONTENT_LENGTH.test(value) ? 'Content-Length is not valid' : undefined;
        head.body = Number(value);
        break;
      case 'transfer-encoding':
        if (head.body !== undefined || value.toLowerCase() !== 'chunked') problem = 'Transfer-Encoding must be chunked, once and alone';
        else if (httpVersion === '1.0') problem = 'Transfer-Encoding needs HTTP/1.1';
        head.body = 'chunked';
        break;
      case 'expect':
        if (value.toLowerCase() !== '100-continue')
          return new Refusal('MALFORMED_REQUEST', 'Only Expect: 100-continue is understood', { status: 417 });
        head.expectsContinue = httpVersion !== '1.0';
        break;
      case 'traceparent':
        head.traceparent = head.traceparent === undefined && TRACEPARENT.test(value) ? value : '';
        break;
      case 'tracestate':
        tracestate = tracestate === undefined ? value : `${tracestate},${value}`;
        break;
      default:
        if (isDropped(name) || listed?.has(name)) break;
        head.lines += `${raw[i]!}: ${value}\r\n`;
    }
    if (problem) return badRequest(problem);
  }
  if (head.host === undefined && httpVersion !== '1.0') return badRequest('Host is missing');
  if (!head.traceparent) head.traceparent = undefined;
  else if (tracestate !== undefined) head.lines += `tracestate: ${tracestate}\r\n`;
  return head;
}

function isDropped(name: string): boolean {
  if (DROPPED.has(name) || name.includes('_')) return true;
  const initial = name.charCodeAt(0);
  return (initial === 0x78 /* x */ || initial === 0x70) /* p */ && DROPPED_PREFIXES.test(name);
}

/** The names that Connection lists besides the usual options; undefined when there are none (nearly always). */
function connectionOptions(raw: readonly string[]): Set<string> | undefined | Refusal {
  let listed: Set<string> | undefined;
  for (let i = 0; i < raw.length; i += 2) {
    if (raw[i]!.length !== 10 || raw[i]!.toLowerCase() !== 'connection') continue;
    for (const part of raw[i + 1]!.toLowerCase().split(',')) {
      const option = part.trim();
      if (ORDINARY_OPTIONS.has(option)) continue;
      if (NOT_HOP_BY_HOP.test(option)) return badRequest('Connection lists a field that is not hop-by-hop');
      (listed ??= new Set()).add(option);
    }
  }
  return listed;
}

/** Trailers of a request body, under the same rule as its headers; framing, routing and credentials have no place there. */
export function requestTrailers(raw: readonly string[]): string[] {
  const out: string[] = [];
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!.toLowerCase();
    if (!isDropped(name) && !NOT_HOP_BY_HOP.test(name)) out.push(raw[i]!, raw[i + 1]!);
  }
  return out;
}

const RESPONSE_HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'te',
  'proxy-authenticate',
  'x-request-id',
]);
/** The response's fields for the client. `listed`: what the response's Connection names; no isolation: the gateway's, which speaks for its origin. */
export function responseHeaders(raw: readonly string[], listed: Set<string> | undefined, isolation: Isolation | undefined): string[] {
  const out = responseTrailers(raw, listed, isolation);
  if (isolation) out.push(...isolation.added);
  return out;
}

/** The trailers of a response, under the same rule as its headers. */
export function responseTrailers(raw: readonly string[], listed: Set<string> | undefined, isolation: Isolation | undefined): string[] {
  const out: string[] = [];
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]!.toLowerCase();
    if (RESPONSE_HOP_BY_HOP.has(name) || listed?.has(name) || name.startsWith('x-sandlot-')) continue;
    const value = isolation ? isolation.field(name, raw[i + 1]!) : raw[i + 1]!;
    if (value !== undefined) out.push(raw[i]!, value);
  }
  return out;
}
