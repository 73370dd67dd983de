import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Where a program is that scripts/install-test-programs.sh installs; undefined when it is not there. */
export function testTool(name: string): string | undefined {
  const installed = join(import.meta.dirname, '../../../.cache/test-programs/bin');
  const folders = [installed, ...(process.env.PATH ?? '').split(delimiter)];
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}
