/**
 * A strict parser for HTTP/1.x response heads. Sandboxes are hostile: anything that two parsers could read differently
 * (bare LF or CR, folded lines, space before a colon, two lengths, unknown transfer codings, NUL) is malformed, not repaired.
 */
export interface ResponseHead {
  status: number;
  reason: string;
  /** Flat list: name, value, name, value; names as sent, values trimmed. */
  headers: string[];
  /** Lower-case names that Connection lists; undefined when it lists only keep-alive or close. */
  listed: Set<string> | undefined;
  /** Whether the peer keeps the connection open afterwards. */
  keepAlive: boolean;
  chunked: boolean;
  /** Undefined when not sent. */
  contentLength: number | undefined;
  /** Bytes of the buffer that the head takes, with its empty line. */
  length: number;
}

export class MalformedResponse extends Error {
  override readonly name = 'MalformedResponse';
}

export const MAX_RESPONSE_HEAD = 32 * 1024;

const TOKEN = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
const TEXT = '[\\t\\x20-\\x7e\\x80-\\xff]*';
const HEAD = new RegExp(`^HTTP/1\\.[01] [1-9][0-9]{2}(?: ${TEXT})?\\r\\n(?:${TOKEN}:${TEXT}\\r\\n)*$`);
const FIELDS = new RegExp(`^(?:${TOKEN}:${TEXT}\\r\\n)*$`);
const CONTENT_LENGTH = /^[0-9]{1,15}$/;
const OUTER_WHITESPACE = /^[ \t]+|[ \t]+$/g;
const BARE_LF = /(?:^|[^\r])\n/;
const STATUS_LINE_START = 'HTTP/1.';

/** @returns undefined when the buffer does not hold the whole head yet. @throws MalformedResponse */
export function parseResponseHead(buffer: Buffer): ResponseHead | undefined {
  const end = buffer.indexOf('\r\n\r\n');
  if (end < 0 || end > MAX_RESPONSE_HEAD) return checkPartial(buffer);
  const text = buffer.toString('latin1', 0, end + 2);
  if (!HEAD.test(text)) throw new MalformedResponse('malformed response head');

  const lineEnd = text.indexOf('\r\n');
  const head: ResponseHead = {
    status: Number(text.slice(9, 12)),
    reason: text.slice(13, lineEnd),
    headers: [],
    listed: undefined,
    keepAlive: text.charCodeAt(7) === 0x31,
    chunked: false,
    contentLength: undefined,
    length: end + 4,
  };
  readFields(text, lineEnd + 2, head.headers);
  for (let i = 0; i < head.headers.length; i += 2) readFraming(head, head.headers[i]!, head.headers[i + 1]!);
  if (head.chunked && head.contentLength !== undefined) throw new MalformedResponse('both Content-Length and Transfer-Encoding');
  if (head.chunked && text.charCodeAt(7) !== 0x31) throw new MalformedResponse('Transfer-Encoding on HTTP/1.0');
  return head;
}

/** Trailers: `text` is every line with its CRLF, without the empty one. @throws MalformedResponse */
export function parseTrailers(text: string): string[] {
  if (!FIELDS.test(text)) throw new MalformedResponse('malformed trailers');
  const fields: string[] = [];
  readFields(text, 0, fields);
  return fields;
}

function readFields(text: string, from: number, into: string[]): void {
  for (let at = from; at < text.length;) {
    const end = text.indexOf('\r\n', at);
    const colon = text.indexOf(':', at);
    into.push(text.slice(at, colon), text.slice(colon + 1, end).replace(OUTER_WHITESPACE, ''));
    at = end + 2;
  }
}

function readFraming(head: ResponseHead, rawName: string, value: string): void {
  // Only three names matter here, and their lengths are rare among the others.
  if (rawName.length === 10) {
    if (rawName.toLowerCase() === 'connection') readConnection(head, value);
  } else if (rawName.length === 14) {
    if (rawName.toLowerCase() !== 'content-length') return;
    const length = CONTENT_LENGTH.test(value) ? Number(value) : NaN;
    if (Number.isNaN(length) || (head.contentLength ?? length) !== length) throw new MalformedResponse('malformed Content-Length');
    if (head.contentLength !== undefined) throw new MalformedResponse('repeated Content-Length');
    head.contentLength = length;
  } else if (rawName.length === 17 && rawName.toLowerCase() === 'transfer-encoding') {
    if (head.chunked || value.toLowerCase() !== 'chunked') throw new MalformedResponse('Transfer-Encoding is not chunked');
    head.chunked = true;
  }
}

function readConnection(head: ResponseHead, value: string): void {
  for (const part of value.toLowerCase().split(',')) {
    const option = part.trim();
    if (option === 'close') head.keepAlive = false;
    else if (option !== 'keep-alive' && option !== '' && option !== 'content-length' && option !== 'content-type') {
      (head.listed ??= new Set()).add(option);
    }
  }
}

/** Says no early, so that a peer that speaks another protocol or ends lines with LF does not hold the client until a deadline. */
function checkPartial(buffer: Buffer): undefined {
  if (buffer.length > MAX_RESPONSE_HEAD) throw new MalformedResponse('response head is too large');
  const text = buffer.toString('latin1');
  const start = text.slice(0, STATUS_LINE_START.length);
  if (!STATUS_LINE_START.startsWith(start) || BARE_LF.test(text) || text.includes('\0'))
    throw new MalformedResponse('not an HTTP/1 response');
  return undefined;
}
