import { Problem } from '../http/problem.js';
import { blockBytes, decodeHeader, decodeRecords, noTar, type EntryType, type RawHeader, type TarEntry } from './tar-format.js';

export interface ReadEntry extends TarEntry {
  /** To be read at most once; what is left of it is skipped. */
  content(): AsyncGenerator<Buffer>;
}

/** Names longer than this are no names. */
const longestRecords = 64 * 1024;
const types: Record<string, EntryType> = { 0: 'file', 7: 'file', 5: 'directory', 2: 'symlink' };

/** The entries of an archive that comes in chunks, one after the other, held in memory no further than a chunk. Throws what is wrong with it. */
export async function* readTar(chunks: AsyncIterator<Buffer>): AsyncGenerator<ReadEntry> {
  const input = new Input(chunks);
  let records = new Map<string, string>();
  for (;;) {
    const header = decodeHeader(await input.exactly(blockBytes));
    if (!header) break;
    if ('xgLK'.includes(header.flag)) {
      const found = await recordsOf(header, input);
      if (header.flag !== 'g') records = new Map([...records, ...found]); // global ones hold nothing that matters here
      continue;
    }
    const entry = entryOf(header, records);
    records = new Map();
    let left = entry.size;
    const content = async function* (): AsyncGenerator<Buffer> {
      while (left > 0) {
        const chunk = await input.atMost(left);
        left -= chunk.length;
        yield chunk;
      }
    };
    yield { ...entry, content };
    while (left > 0) left -= (await input.atMost(left)).length;
    await input.exactly((blockBytes - (entry.size % blockBytes)) % blockBytes);
  }
  await input.toTheEnd();
}

async function recordsOf({ flag, size }: RawHeader, input: Input): Promise<Map<string, string>> {
  if (size > longestRecords) throw noTar();
  const bytes = Buffer.from(await input.exactly(size));
  await input.exactly((blockBytes - (size % blockBytes)) % blockBytes);
  if (flag === 'x' || flag === 'g') return decodeRecords(bytes);
  const name = bytes.toString('utf8').replace(/\0.*$/s, '');
  return new Map([[flag === 'L' ? 'path' : 'linkpath', name]]);
}

function entryOf(header: RawHeader, records: ReadonlyMap<string, string>): TarEntry {
  const named = records.get('path') ?? header.path;
  const path = canonical(named);
  const type = types[header.flag];
  if (header.flag === '1') throw unacceptable(named, 'is a hard link; make the archive with --hard-dereference');
  if (!type || records.has('GNU.sparse.major')) throw unacceptable(named, 'is neither a file nor a directory nor a symbolic link');
  const size = Number(records.get('size') ?? header.size);
  if (!Number.isSafeInteger(size) || size < 0) throw noTar();
  return {
    type: type === 'file' && named.endsWith('/') ? 'directory' : type,
    path,
    size: type === 'file' ? size : 0,
    mode: header.mode,
    mtime: Number(records.get('mtime') ?? header.mtime),
    ...(type === 'symlink' && { target: records.get('linkpath') ?? header.target }),
  };
}

/** As `tar -C /workspace -c .` writes them: with `./` in front, and `/` behind a directory. Empty: the work folder itself. */
function canonical(named: string): string {
  const names = named.replace(/^(?:\.\/)+/, '').replace(/\/+$/, '').split('/'); // prettier-ignore
  if (names.length === 1 && (names[0] === '' || names[0] === '.') && !named.startsWith('/')) return '';
  const bad = named.includes('\0') || !named.isWellFormed() || names.some((name) => name === '' || name === '.' || name === '..');
  if (bad) throw unacceptable(named, 'is not a path inside the work folder');
  return names.join('/');
}

export function unacceptable(path: string, why: string): Problem {
  return new Problem('VALIDATION_FAILED', `The archive's entry ${JSON.stringify(path.slice(0, 200))} ${why}. Nothing was changed.`);
}

class Input {
  private readonly chunks: AsyncIterator<Buffer>;
  private rest: Buffer = Buffer.alloc(0);

  constructor(chunks: AsyncIterator<Buffer>) {
    this.chunks = chunks;
  }

  async exactly(size: number): Promise<Buffer> {
    while (this.rest.length < size) this.rest = Buffer.concat([this.rest, await this.next()]);
    return this.taken(size);
  }

  /** From 1 to `size` bytes. */
  async atMost(size: number): Promise<Buffer> {
    if (this.rest.length === 0) this.rest = await this.next();
    return this.taken(Math.min(size, this.rest.length));
  }

  /** What follows the end of an archive pads it. */
  async toTheEnd(): Promise<void> {
    for (let { done } = await this.chunks.next(); !done;) ({ done } = await this.chunks.next());
  }

  private taken(size: number): Buffer {
    const bytes = this.rest.subarray(0, size);
    this.rest = this.rest.subarray(size);
    return bytes;
  }

  private async next(): Promise<Buffer> {
    const { done, value } = await this.chunks.next();
    if (done) throw new Problem('MALFORMED_REQUEST', 'The archive is cut off: it has no end. Nothing was changed.');
    return value as Buffer;
  }
}
