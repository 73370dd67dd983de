import { access, readdir } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import type { Image, ImageFile } from './image.js';
import { checkout, exists, nodeBinary, programs } from './image-programs.js';

/** What people and tests call in a sandbox, taken from this machine. */
const COMMANDS = (
  'sh bash cat chmod cp cut date dd df du echo env expr false find grep head hostname id kill ln ls mkdir mktemp mv nproc printf ps pwd ' +
  'readlink rm rmdir sed seq sha256sum sleep sort stat sync tail tee test timeout touch tr true uname uniq wc which whoami xargs'
).split(' ');

/**
 * What a sandbox runs where no registry can be reached: this Node, the commands above with their libraries, and the runtime as it was built
 * last. For uid 1000 with a read-only root.
 */
export async function sandboxImage(name = 'docker.io/sandlot/sandbox:test'): Promise<Image> {
  const runtime = join(checkout, 'runtime', 'dist');
  await access(join(runtime, 'main.js')).catch(() => {
    throw new Error('the sandbox runtime is not built, so there is nothing to put into an image; run make build');
  });
  return {
    name,
    command: ['/usr/local/bin/node', '--max-semi-space-size=1', '/opt/sandlot/runtime/dist/main.js'],
    user: '1000:1000',
    env: { HOME: '/workspace', SANDLOT_RUNTIME_WORKDIR: '/workspace' },
    workingDir: '/workspace',
    files: [
      ...(await programs([{ path: '/usr/local/bin/node', from: await nodeBinary() }, ...(await commands())])),
      ...(await built(runtime)),
      { path: '/opt/sandlot/runtime/package.json', content: '{ "type": "module" }\n', mode: 0o644 },
      { path: '/etc/passwd', content: 'root:x:0:0::/:/bin/sh\nsandbox:x:1000:1000::/workspace:/bin/sh\n', mode: 0o644 },
      { path: '/etc/group', content: 'root:x:0:\nsandbox:x:1000:\n', mode: 0o644 },
      { path: '/workspace', folder: true },
      { path: '/tmp', folder: true },
    ],
  };
}

async function commands(): Promise<{ path: string; from: string }[]> {
  const folders = (process.env.PATH ?? '').split(delimiter);
  const found: { path: string; from: string }[] = [];
  for (const command of COMMANDS) {
    for (const folder of ['/bin', '/usr/bin', ...folders]) {
      if (!(await exists(join(folder, command)))) continue;
      found.push({ path: join('/bin', command), from: join(folder, command) });
      break;
    }
  }
  return found;
}

async function built(folder: string): Promise<ImageFile[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && entry.name.endsWith('.js') && !/\.(spec|fixture)\.js$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .map((from) => ({ path: `/opt/sandlot/runtime/dist${from.slice(folder.length)}`, from, mode: 0o644 }));
}
