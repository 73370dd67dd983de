import { execFile } from 'node:child_process';
import { mkdir, rmdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { waitFor } from '@sandlot/testing';

export const repository = fileURLToPath(new URL('../../../../', import.meta.url));
const lock = join(repository, 'services/standalone/dist/.build-lock');
const program = join(repository, 'services/standalone/dist/main.js');
const abandonedAfterMs = 120_000;

let built: Promise<void> | undefined;

/**
 * Compiles what has changed since the last time; a third of a second when nothing has. Test files that begin together take turns. Types that
 * do not fit are for `make check` to find: they keep nothing from being compiled, and nobody from testing.
 */
export function ensureBuilt(): Promise<void> {
  return (built ??= build());
}

async function build(): Promise<void> {
  await mkdir(dirname(lock), { recursive: true });
  await waitFor(takeLock, { within: abandonedAfterMs, describe: 'the build of another test file to end', every: 100 });
  try {
    await promisify(execFile)(join(repository, 'node_modules/.bin/tsc'), ['-b', 'services/standalone'], { cwd: repository });
  } catch (error) {
    const { stdout = '', message } = error as { stdout?: string; message: string };
    const compiled = await stat(program).then(
      () => true,
      () => false,
    );
    if (!compiled) throw new Error(`the platform cannot be tested, because it does not compile:\n${stdout || message}`, { cause: error });
  } finally {
    await rmdir(lock);
  }
}

async function takeLock(): Promise<boolean> {
  const age = await stat(lock).then(
    ({ mtimeMs }) => Date.now() - mtimeMs,
    () => 0,
  );
  if (age > abandonedAfterMs) await rmdir(lock).catch(() => undefined);
  return mkdir(lock).then(
    () => true,
    () => false,
  );
}
