import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadConfig, logger, runOnce } from '@sandlot/service-kit';
import { migrateConfig } from './config.js';
import { prepareDatabase, prepareNats } from './schemas.js';
import { databaseIsThere } from './setup/wait-for-database.js';

/**
 * Brings streams, buckets, schemas and roles up to date before the services start, when they run as processes of their own. No service
 * needs the owner's URL: each is given its own, in files of mode 0600.
 */
await runOnce('migrate', process.env, async () => {
  const { values } = loadConfig(migrateConfig, process.env);
  await databaseIsThere(values.SANDLOT_DATABASE_URL);
  const [databases] = await Promise.all([
    prepareDatabase(values.SANDLOT_DATABASE_URL, (line) => logger.info(line)),
    prepareNats(values, values.SANDLOT_STREAM_REPLICAS),
  ]);
  const dir = values.SANDLOT_DATABASE_URLS_DIR;
  if (dir === undefined) return;
  await mkdir(dir, { recursive: true, mode: 0o700 });
  for (const [service, { writerUrl, readerUrl }] of Object.entries(databases)) {
    await writeWhole(join(dir, `${service}.url`), writerUrl);
    await writeWhole(join(dir, `${service}.reader-url`), readerUrl);
  }
});

async function writeWhole(path: string, content: string): Promise<void> {
  await writeFile(`${path}.new`, `${content}\n`, { mode: 0o600 });
  await rename(`${path}.new`, path);
}
