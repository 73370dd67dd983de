/**
 * What an upstream got, read as RFC 9112 has it and not a bit more leniently: how many requests there are, and everything about them that
 * another reader could take differently.
 */
export interface ForwardedRequests {
  count: number;
  /** Empty when every message is canonical. */
  flaws: string[];
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const REQUEST_LINE = /^[A-Z][A-Z-]* (\/[\x21-\x7e]*) HTTP\/1\.1$/;
const HOST = /^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?$/;
const HOP_BY_HOP = new Set(['keep-alive', 'proxy-connection', 'te', 'http2-settings', 'upgrade']);

export function readForwarded(text: string): ForwardedRequests {
  const flaws = new Set<string>();
  let count = 0;
  for (let rest = text; rest !== '';) {
    const end = rest.indexOf('\r\n\r\n');
    if (end < 0) {
      flaws.add('an unfinished head');
      break;
    }
    count++;
    const lines = rest.slice(0, end).split('\r\n');
    const framing = readHead(lines, flaws);
    const body = rest.slice(end + 4);
    const length = framing === 'chunked' ? chunkedLength(body) : framing;
    if (length === undefined) flaws.add('malformed chunks');
    else if (length > body.length) flaws.add('an unfinished body');
    rest = length === undefined ? '' : body.slice(length);
  }
  return { count, flaws: [...flaws] };
}

/** @returns the body's length */
function readHead([requestLine, ...fields]: string[], flaws: Set<string>): number | 'chunked' {
  if (!REQUEST_LINE.test(requestLine!)) flaws.add('a request line that is not canonical');
  const found = { host: 0, 'content-length': 0, 'transfer-encoding': 0 };
  let framing: number | 'chunked' = 0;
  for (const line of fields) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    if (/^[ \t]/.test(line)) flaws.add('a folded line');
    else if (!TOKEN.test(name)) flaws.add('a name that is no token');
    if (/[\0-\x08\n-\x1f\x7f]/.test(line)) flaws.add('a control character');
    if (name in found) found[name as keyof typeof found]++;
    if (name === 'host' && !HOST.test(value)) flaws.add('an invalid Host');
    if (name === 'content-length') {
      if (!/^[0-9]+$/.test(value)) flaws.add('an invalid Content-Length');
      framing = Number(value);
    }
    if (name === 'transfer-encoding') {
      if (value.toLowerCase() !== 'chunked') flaws.add('a coding other than chunked');
      framing = 'chunked';
    }
    if (HOP_BY_HOP.has(name)) flaws.add('a hop-by-hop field');
    if (name.includes('_')) flaws.add('a name with _');
  }
  if (found.host !== 1) flaws.add(`${found.host} Hosts`);
  if (found['content-length'] + found['transfer-encoding'] > 1) flaws.add('more than one framing');
  return framing;
}

/** Bytes up to the end of the trailers; undefined when malformed or unfinished. */
function chunkedLength(body: string): number | undefined {
  for (let at = 0; ;) {
    const line = /^([0-9a-f]+)\r\n/i.exec(body.slice(at));
    if (!line) return undefined;
    at += line[0].length;
    const size = parseInt(line[1]!, 16);
    if (size === 0) {
      const end = body.startsWith('\r\n', at) ? at + 2 : body.indexOf('\r\n\r\n', at) + 4;
      return end > 3 ? end : undefined;
    }
    at += size;
    if (!body.startsWith('\r\n', at)) return undefined;
    at += 2;
  }
}
