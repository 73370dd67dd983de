import { Problem } from '../http/problem.js';

/*
 * The part of the tar format (POSIX.1-2001, and what GNU tar adds for long names) that a workspace needs: files, directories and symbolic
 * links. By hand, because the runtime has no dependency but Node.
 */

export type EntryType = 'file' | 'directory' | 'symlink';

export interface TarEntry {
  readonly type: EntryType;
  /** Relative, without `.` or `..`, separated by `/`. */
  readonly path: string;
  /** Bytes of content; 0 of what is no file. */
  readonly size: number;
  /** Permission bits. */
  readonly mode: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  /** Of a symbolic link: where it leads, as it is. */
  readonly target?: string;
}

/** What stands in a header, before long names are put in. */
export interface RawHeader {
  /** The type flag: `0` a file, `5` a directory, and so on. */
  readonly flag: string;
  readonly path: string;
  readonly target: string;
  readonly size: number;
  readonly mode: number;
  readonly mtime: number;
}

export const blockBytes = 512;
/** What the header's own fields hold; more goes into a record before it. */
const nameBytes = 100;
const largestSize = 0o77777777777;
const flags: Record<EntryType, string> = { file: '0', directory: '5', symlink: '2' };

/** A header, with a record before it where a name or the size does not fit. */
export function encodeHeader({ type, path, size, mode, mtime, target = '' }: TarEntry): Buffer {
  const name = type === 'directory' ? `${path}/` : path;
  const records = [
    ...(fits(name) ? [] : [record('path', name)]),
    ...(fits(target) ? [] : [record('linkpath', target)]),
    ...(size > largestSize ? [record('size', String(size))] : []),
  ];
  const header = block({ flag: flags[type], path: name, target, size: Math.min(size, largestSize), mode, mtime });
  if (records.length === 0) return header;
  const extended = Buffer.concat(records);
  const before = block({ flag: 'x', path: 'PaxHeader', target: '', size: extended.length, mode: 0o644, mtime });
  return Buffer.concat([before, extended, padding(extended.length), header]);
}

/** Zeros up to the next block. */
export function padding(size: number): Buffer {
  return Buffer.alloc((blockBytes - (size % blockBytes)) % blockBytes);
}

/** Undefined: a block of zeros, which ends the archive. Throws when the block is no header. */
export function decodeHeader(bytes: Buffer): RawHeader | undefined {
  if (bytes.every((byte) => byte === 0)) return undefined;
  if (checksum(bytes) !== number(bytes, 148, 8)) throw noTar();
  const prefix = text(bytes, 257, 6) === 'ustar' ? text(bytes, 345, 155) : '';
  return {
    flag: bytes[156] === 0 ? '0' : String.fromCharCode(bytes[156]!),
    path: prefix ? `${prefix}/${text(bytes, 0, nameBytes)}` : text(bytes, 0, nameBytes),
    target: text(bytes, 157, nameBytes),
    size: number(bytes, 124, 12),
    mode: number(bytes, 100, 8) & 0o777,
    mtime: number(bytes, 136, 12),
  };
}

/** The records of an extended header: `length name=value\n`. */
export function decodeRecords(bytes: Buffer): Map<string, string> {
  const records = new Map<string, string>();
  for (let at = 0; at < bytes.length;) {
    const space = bytes.indexOf(0x20, at);
    const length = Number(bytes.toString('latin1', at, space));
    const record = bytes.toString('utf8', space + 1, at + length - 1);
    const equals = record.indexOf('=');
    if (space < 0 || !Number.isInteger(length) || length <= 0 || at + length > bytes.length || equals < 0) throw noTar();
    records.set(record.slice(0, equals), record.slice(equals + 1));
    at += length;
  }
  return records;
}

export const noTar = (): Problem =>
  new Problem('MALFORMED_REQUEST', 'The body is not a tar archive. Send it as it is, not compressed, as `tar -cf` makes it.');

function fits(name: string): boolean {
  return Buffer.byteLength(name) <= nameBytes && /^[\x00-\x7f]*$/.test(name);
}

function record(name: string, value: string): Buffer {
  const rest = Buffer.from(` ${name}=${value}\n`);
  // The length counts its own digits.
  let length = rest.length + 1;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return Buffer.concat([Buffer.from(String(length)), rest]);
}

function block({ flag, path, target, size, mode, mtime }: RawHeader): Buffer {
  const bytes = Buffer.alloc(blockBytes);
  bytes.set(Buffer.from(path).subarray(0, nameBytes), 0);
  bytes.write(octal(mode, 7), 100);
  bytes.write(octal(0, 7), 108);
  bytes.write(octal(0, 7), 116);
  bytes.write(octal(size, 11), 124);
  bytes.write(octal(Math.min(Math.max(0, Math.floor(mtime)), largestSize), 11), 136);
  bytes.write(flag, 156);
  bytes.set(Buffer.from(target).subarray(0, nameBytes), 157);
  bytes.write('ustar\0' + '00', 257);
  bytes.write(octal(checksum(bytes), 6), 148);
  bytes.write(' ', 155);
  return bytes;
}

const octal = (value: number, digits: number): string => `${value.toString(8).padStart(digits, '0')}\0`;

/** Of all bytes, those of the checksum itself counted as spaces. */
function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < blockBytes; at++) sum += at >= 148 && at < 156 ? 0x20 : bytes[at]!;
  return sum;
}

function text(bytes: Buffer, at: number, length: number): string {
  const end = bytes.indexOf(0, at);
  return bytes.toString('utf8', at, end < 0 || end > at + length ? at + length : end);
}

/** Octal digits, or, of what is larger, bytes after a first one of 0x80. */
function number(bytes: Buffer, at: number, length: number): number {
  if (bytes[at]! === 0x80) {
    const value = bytes.subarray(at + 1, at + length).reduce((sum, byte) => sum * 256 + byte, 0);
    if (!Number.isSafeInteger(value)) throw noTar();
    return value;
  }
  const digits = bytes.toString('latin1', at, at + length).replace(/[\0 ]+$/, '').trim(); // prettier-ignore
  if (!/^[0-7]*$/.test(digits)) throw noTar();
  return parseInt(digits || '0', 8);
}
