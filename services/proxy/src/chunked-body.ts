import { MalformedResponse, parseTrailers } from './response-head.js';

const MAX_LINE = 4096;
const MAX_TRAILERS = 8192;
const SIZE_LINE = /^([0-9A-Fa-f]{1,13})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?$/;

type Phase = 'size' | 'data' | 'data-end' | 'trailers' | 'done';

/**
 * Decodes a chunked body (RFC 9112 §7.1), strictly: CRLF only, sizes up to 2^52, extensions dropped. Data is handed on as it
 * comes, without copying; nothing but an unfinished line is kept.
 */
export class ChunkedBody {
  trailers: string[] = [];
  private phase: Phase = 'size';
  private remaining = 0;
  private line = '';
  private trailerText = '';

  get done(): boolean {
    return this.phase === 'done';
  }

  /** @returns how many bytes were taken: fewer than given only when the body is done. @throws MalformedResponse */
  push(bytes: Buffer, onData: (data: Buffer) => void): number {
    let at = 0;
    while (at < bytes.length && this.phase !== 'done') {
      if (this.phase === 'data') {
        const take = Math.min(this.remaining, bytes.length - at);
        this.remaining -= take;
        if (this.remaining === 0) this.phase = 'data-end';
        onData(bytes.subarray(at, at + take));
        at += take;
      } else {
        at = this.readLine(bytes, at);
      }
    }
    return at;
  }

  private readLine(bytes: Buffer, at: number): number {
    const lf = bytes.indexOf(0x0a, at);
    const end = lf < 0 ? bytes.length : lf + 1;
    this.line += bytes.toString('latin1', at, end);
    if (this.line.length > MAX_LINE) throw new MalformedResponse('chunk line is too long');
    if (lf < 0) return end;
    if (!this.line.endsWith('\r\n')) throw new MalformedResponse('bare LF in a chunked body');
    const line = this.line.slice(0, -2);
    this.line = '';
    this.endLine(line);
    return end;
  }

  private endLine(line: string): void {
    if (this.phase === 'data-end') {
      if (line !== '') throw new MalformedResponse('chunk is longer than announced');
      this.phase = 'size';
    } else if (this.phase === 'size') {
      const size = SIZE_LINE.exec(line)?.[1];
      if (size === undefined) throw new MalformedResponse('malformed chunk size');
      this.remaining = parseInt(size, 16);
      this.phase = this.remaining === 0 ? 'trailers' : 'data';
    } else if (line === '') {
      this.trailers = parseTrailers(this.trailerText);
      this.phase = 'done';
    } else {
      this.trailerText += `${line}\r\n`;
      if (this.trailerText.length > MAX_TRAILERS) throw new MalformedResponse('trailers are too large');
    }
  }
}
