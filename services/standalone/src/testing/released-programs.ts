import { execFile } from 'node:child_process';
import { mkdir, readdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { tempDir } from '@sandlot/testing';
import { repository } from './build.js';

/** A folder with the programs of a released version (scripts/keep-programs.sh), on what npm has installed for this one. */
export async function releasedPrograms(version: string): Promise<string> {
  const folder = await tempDir();
  const kept = join(repository, 'services/standalone/src/released', version, 'programs.tgz');
  await promisify(execFile)('tar', ['--extract', '--gzip', '--file', kept, '--directory', folder]);
  const modules = join(folder, 'node_modules');
  await mkdir(join(modules, '@sandlot'), { recursive: true });
  const installed = join(repository, 'node_modules');
  const others = (await readdir(installed)).filter((name) => name !== '@sandlot');
  await Promise.all(others.map((name) => symlink(join(installed, name), join(modules, name))));
  for (const part of ['libs', 'services'])
    for (const name of await readdir(join(folder, part))) await symlink(join('..', '..', part, name), join(modules, '@sandlot', name));
  await symlink(join('..', '..', 'runtime'), join(modules, '@sandlot', 'runtime'));
  return folder;
}
