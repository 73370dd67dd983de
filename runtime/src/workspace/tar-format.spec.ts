import fc from 'fast-check';
import { encodeHeader, padding, type TarEntry } from './tar-format.js';
import { readTar } from './tar-reader.js';

const name = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 80 })
  .filter((text) => !/[/\0]|^\.{1,2}$/.test(text) && text.isWellFormed());
const path = fc.array(name, { minLength: 1, maxLength: 6 }).map((names) => names.join('/'));
const entry = fc.record({
  path,
  mode: fc.integer({ min: 0, max: 0o777 }),
  mtime: fc.integer({ min: 0, max: 4_000_000_000 }),
  content: fc.oneof(
    fc.uint8Array({ maxLength: 3_000 }).map((bytes) => Buffer.from(bytes)),
    path,
    fc.constant(undefined),
  ),
});

async function* inPieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

describe('the tar format', () => {
  it('reads every entry as it was written, whatever its name and however it comes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(entry, { maxLength: 8 }), fc.integer({ min: 1, max: 2_000 }), async (entries, size) => {
        const wanted = entries.map(({ content, ...rest }) => {
          if (content === undefined) return { ...rest, type: 'directory', size: 0 };
          return typeof content === 'string'
            ? { ...rest, type: 'symlink', size: 0, target: content }
            : { ...rest, type: 'file', size: content.length };
        }) as TarEntry[];
        const bytes = wanted.flatMap((header, i) => [encodeHeader(header), content(entries[i]!.content), padding(header.size)]);
        const read: TarEntry[] = [];
        const contents: Buffer[] = [];
        for await (const { content: readContent, ...header } of readTar(inPieces(Buffer.concat([...bytes, Buffer.alloc(1_024)]), size))) {
          read.push(header);
          const chunks: Buffer[] = [];
          for await (const chunk of readContent()) chunks.push(chunk);
          contents.push(Buffer.concat(chunks));
        }
        expect(read).toEqual(wanted);
        expect(contents).toEqual(entries.map((one) => content(one.content)));
      }),
    );
  });

  it('reads the size of a file that octal digits do not hold', async () => {
    const size = 9 * 1024 ** 3;
    const archive = readTar(inPieces(encodeHeader({ type: 'file', path: 'large', size, mode: 0o644, mtime: 0 }), 512));
    expect((await archive.next()).value).toMatchObject({ path: 'large', size });
  });
});

const content = (value: Buffer | string | undefined): Buffer => (Buffer.isBuffer(value) ? value : Buffer.alloc(0));
