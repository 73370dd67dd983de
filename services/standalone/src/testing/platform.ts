import { atEnd, tempDir } from '@sandlot/testing';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ensureBuilt } from './build.js';
import { Client } from './http-client.js';
import { startProcesses } from './process-platform.js';
import { killAllOf } from './processes-of.js';
import type { Running } from './running.js';
import { startStandalone } from './standalone-platform.js';

/*
 * The whole platform as its users have it: the built programs, in processes of their own, with a NATS and a PostgreSQL of their own, behind
 * one public port. Tests talk to that port and to the processes' signals, and to nothing else.
 */

export type Mode = 'standalone' | 'processes';
export interface PlatformOptions {
  readonly mode: Mode;
  /** Settings of every service. */
  readonly env?: Readonly<Record<string, string>>;
  /** Where sandboxes run. Default process. */
  readonly runtime?: 'process' | 'memory' | 'statefulset' | 'agent-sandbox';
}

export interface Platform extends Running {
  readonly mode: Mode;
  readonly dataDir: string;
  readonly adminKey: string;
  /** The bootstrap administrator. */
  readonly admin: Client;
  /** Without a key. */
  readonly nobody: Client;
}

/** Starts it in an empty folder; what is left of it when the test file is through is killed and removed. */
export async function startPlatform({ mode, env = {}, runtime = 'process' }: PlatformOptions): Promise<Platform> {
  await ensureBuilt();
  const dataDir = await tempDir();
  atEnd(() => killAllOf(dataDir));
  const settings = { SANDLOT_LOG_LEVEL: 'warn', ...env, SANDLOT_RUNTIME: runtime };
  const running = mode === 'standalone' ? await startStandalone(dataDir, settings) : await startProcesses(dataDir, settings);
  const adminKey = (await readFile(join(dataDir, 'admin.key'), 'utf8')).trim();
  const nobody = new Client(running.url);
  return Object.assign(running, { mode, dataDir, adminKey, nobody, admin: nobody.as(adminKey) });
}
