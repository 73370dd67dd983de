import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { atEnd } from './clean-up.js';

/** A new folder that is removed with all that is in it when the test file is through. Others may pass through it, not look into it. */
export async function tempDir(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'sandlot-test-'));
  await chmod(dir, 0o711); // PostgreSQL runs as a user of its own when we are root
  atEnd(() => rm(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 }));
  return dir;
}
