import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';

/** One file, link or folder of an image. */
export type ImageFile = { path: string } & (
  | { from: string; mode?: number }
  | { content: string; mode?: number }
  | { linkTo: string }
  /** An empty folder that everybody may write to. */
  | { folder: true }
);

export interface Image {
  /** In full, with registry and tag: `docker.io/sandlot/sandbox:test`. */
  name: string;
  /** What a pod's `args` replace. */
  command: string[];
  /** What they are given to, if anything. */
  entrypoint?: string[];
  files: readonly ImageFile[];
  env?: Record<string, string>;
  /** `1000:1000`; a name would not tell the kubelet that it is not root. */
  user?: string;
  workingDir?: string;
  /** By which it is asked to end. Default SIGTERM. */
  stopSignal?: string;
}

const BLOCK = 512;
const EXECUTABLE = 0o755;

/** Writes a `docker save` archive of one layer, as `ctr images import` reads it, straight from the files. */
export async function writeImage(
  file: string,
  { name, command, entrypoint, files, env = {}, user, workingDir, stopSignal }: Image,
): Promise<void> {
  const entries = await Promise.all(files.map(measured));
  const layerSize = entries.reduce((sum, entry) => sum + entryBytes(entry), 2 * BLOCK);
  const out = createWriteStream(file);
  const failed = once(out, 'error').then(([error]) => Promise.reject(error as Error));
  failed.catch(() => undefined);
  const write = async (chunk: Buffer) => {
    if (!out.write(chunk)) await Promise.race([once(out, 'drain'), failed]);
  };
  const digest = createHash('sha256');
  await write(header({ path: 'layer.tar', size: layerSize }));
  for (const entry of entries)
    for await (const chunk of entryContent(entry)) {
      digest.update(chunk);
      await write(chunk);
    }
  const end = Buffer.alloc(2 * BLOCK);
  digest.update(end);
  await write(end);

  const config = {
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    os: 'linux',
    config: {
      Cmd: command,
      ...(entrypoint && { Entrypoint: entrypoint }),
      Env: Object.entries({ PATH: '/usr/local/bin:/usr/bin:/bin', ...env }).map(([key, value]) => `${key}=${value}`),
      ...(user && { User: user }),
      ...(workingDir && { WorkingDir: workingDir }),
      ...(stopSignal && { StopSignal: stopSignal }),
    },
    rootfs: { type: 'layers', diff_ids: [`sha256:${digest.digest('hex')}`] },
  };
  const manifest = [{ Config: 'config.json', RepoTags: [name], Layers: ['layer.tar'] }];
  for (const [path, value] of Object.entries({ 'config.json': config, 'manifest.json': manifest })) {
    const content = Buffer.from(JSON.stringify(value));
    await write(Buffer.concat([header({ path, size: content.length }), padded(content)]));
  }
  out.end(end);
  await Promise.race([once(out, 'close'), failed]);
}

type Entry = ImageFile & { size: number };

async function measured(file: ImageFile): Promise<Entry> {
  if ('from' in file) return { ...file, size: (await stat(file.from)).size };
  return { ...file, size: 'content' in file ? Buffer.byteLength(file.content) : 0 };
}

function entryBytes(entry: Entry): number {
  return entryHeader(entry).length + Math.ceil(entry.size / BLOCK) * BLOCK;
}

function entryHeader(entry: Entry): Buffer {
  const path = entry.path.replace(/^\//, '');
  if ('folder' in entry) return header({ path: `${path}/`, type: '5', mode: 0o1777 });
  if ('linkTo' in entry) return header({ path, type: '2', mode: 0o777, linkTo: entry.linkTo });
  return header({ path, size: entry.size, mode: entry.mode });
}

async function* entryContent(entry: Entry): AsyncGenerator<Buffer> {
  yield entryHeader(entry);
  if ('content' in entry) yield padded(Buffer.from(entry.content));
  if (!('from' in entry)) return;
  let read = 0;
  for await (const chunk of createReadStream(entry.from) as AsyncIterable<Buffer>) {
    read += chunk.length;
    yield chunk;
  }
  if (read !== entry.size) throw new Error(`${entry.from} changed while it was put into an image; build first, then make the image`);
  yield Buffer.alloc(padding(read));
}

interface Header {
  path: string;
  size?: number;
  mode?: number;
  type?: string;
  linkTo?: string;
}

/** As GNU tar writes it: a path that does not fit goes before it as a file of its own. */
function header({ path, size = 0, mode = EXECUTABLE, type = '0', linkTo = '' }: Header): Buffer {
  if (Buffer.byteLength(linkTo) > 100) throw new Error(`the link ${path} leads too far for an image: ${linkTo}`);
  const name = Buffer.from(path);
  if (name.length > 100) {
    const long = Buffer.concat([name, Buffer.alloc(1)]);
    return Buffer.concat([
      header({ path: '././@LongLink', size: long.length, type: 'L' }),
      padded(long),
      header({ path: '././@TooLong', size, mode, type, linkTo }),
    ]);
  }
  const block = Buffer.alloc(BLOCK);
  name.copy(block, 0);
  const number = (value: number, offset: number, digits: number) => block.write(value.toString(8).padStart(digits, '0'), offset, 'latin1');
  number(mode, 100, 7);
  number(0, 108, 7);
  number(0, 116, 7);
  number(size, 124, 11);
  number(0, 136, 11); // the same time always, so that the same files are the same image
  block.write('        ', 148, 'latin1');
  block.write(type, 156, 'latin1');
  block.write(linkTo, 157);
  block.write('ustar  \0', 257, 'latin1');
  const sum = block.reduce((total, byte) => total + byte, 0);
  number(sum, 148, 6);
  block.writeUInt8(0, 154);
  return block;
}

function padded(content: Buffer): Buffer {
  return Buffer.concat([content, Buffer.alloc(padding(content.length))]);
}

function padding(length: number): number {
  return (BLOCK - (length % BLOCK)) % BLOCK;
}
