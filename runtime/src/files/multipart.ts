import { Problem } from '../http/problem.js';

const maxHeaderBytes = 8 * 1024;

/** One uploaded file. `content` must be read to its end: only then is the form known to be whole. */
export interface FilePart {
  filename: string;
  content: AsyncGenerator<Buffer>;
}

export function isMultipart(contentType: string): boolean {
  return /^multipart\/form-data\s*(;|$)/i.test(contentType);
}

/**
 * Reads a form (RFC 7578) that has one part, the file `file`, and nothing before or after it; anything else is 400. The
 * filename is taken as it stands: one with a quote, a backslash or `%22` could mean two things and is refused.
 */
export async function readFilePart(contentType: string, body: AsyncIterable<Buffer>): Promise<FilePart> {
  const boundary = boundaryOf(contentType);
  const input = new Input(body);
  const head = await input.upTo('\r\n\r\n', maxHeaderBytes);
  const [first, ...headers] = head.toString('utf8').split('\r\n');
  if (first !== `--${boundary}`) throw malformed('does not begin with its boundary');
  return { filename: filenameOf(headers), content: input.fileUntil(Buffer.from(`\r\n--${boundary}`)) };
}

class Input {
  private readonly chunks: AsyncIterator<Buffer>;
  private buffer: Buffer = Buffer.alloc(0);

  constructor(body: AsyncIterable<Buffer>) {
    this.chunks = body[Symbol.asyncIterator]();
  }

  async upTo(end: string, limit: number): Promise<Buffer> {
    for (;;) {
      const at = this.buffer.indexOf(end);
      if (at >= 0) {
        const found = this.buffer.subarray(0, at);
        this.buffer = this.buffer.subarray(at + end.length);
        return found;
      }
      if (this.buffer.length > limit) throw malformed(`has a part with headers of more than ${limit} bytes`);
      if (!(await this.fill())) throw malformed('is cut off');
    }
  }

  async *fileUntil(delimiter: Buffer): AsyncGenerator<Buffer> {
    let at: number;
    while ((at = this.buffer.indexOf(delimiter)) < 0) {
      // The delimiter may have begun in the last bytes; they wait for what follows.
      const sure = Math.max(0, this.buffer.length - delimiter.length + 1);
      if (sure > 0) yield this.buffer.subarray(0, sure);
      this.buffer = this.buffer.subarray(sure);
      if (!(await this.fill())) throw malformed('is cut off');
    }
    if (at > 0) yield this.buffer.subarray(0, at);
    this.buffer = this.buffer.subarray(at + delimiter.length);
    while (this.buffer.length <= 4 && (await this.fill()));
    const rest = this.buffer.toString('latin1');
    if (rest.startsWith('\r\n')) throw malformed('must have one part, `file`');
    if (rest !== '--' && rest !== '--\r\n') throw malformed('does not end with its boundary');
  }

  private async fill(): Promise<boolean> {
    const next = await this.chunks.next();
    if (next.done) return false;
    this.buffer = this.buffer.length === 0 ? next.value : Buffer.concat([this.buffer, next.value]);
    return true;
  }
}

function boundaryOf(contentType: string): string {
  const found = /;\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))\s*(?:;|$)/i.exec(contentType);
  const boundary = found?.[1] ?? found?.[2];
  if (!boundary) throw malformed('has no boundary in its content type');
  return boundary;
}

function filenameOf(headers: string[]): string {
  const disposition = headers.find((header) => /^content-disposition:/i.test(header)) ?? '';
  const filename = /^content-disposition:\s*form-data;\s*name="?file"?;\s*filename="([^"\\]+)"\s*$/i.exec(disposition)?.[1];
  if (filename === undefined || /%22|\ufffd/.test(filename)) {
    throw malformed('must have the field `file` with a plain filename; ?path= takes any name');
  }
  return filename;
}

function malformed(fault: string): Problem {
  return new Problem('MALFORMED_REQUEST', `The form ${fault}.`);
}
