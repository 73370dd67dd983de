import { join } from 'node:path';
import { runningPostgresUrl } from '@sandlot/embedded';
import type { AdminSettings } from './config.js';

/** As its owner: the database that the settings name, or that of `make up` in the data folder, when it runs. Holds a password: not for logs. */
export async function databaseOf(settings: AdminSettings): Promise<string | undefined> {
  return settings.SANDLOT_DATABASE_URL ?? (await runningPostgresUrl(join(settings.SANDLOT_DATA_DIR, 'postgres')));
}
