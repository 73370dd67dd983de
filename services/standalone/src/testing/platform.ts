import { atEnd, tempDir } from '@sandlot/testing';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ensureBuilt } from './build.js';
import { Client } from './http-client.js';
import { startProcesses } from './process-platform.js';
import { killAllOf } from './processes-of.js';
import { startStandalone } from './standalone-platform.js';

/*
 * The whole platform as its users have it: the built programs, in processes of their own, with a NATS and a PostgreSQL of their own, behind
 * one public port. Tests talk to that port and to the processes' signals, and to nothing else.
 */

export type Mode = 'standalone' | 'processes';
export type Signal = 'SIGTERM' | 'SIGKILL' | 'SIGINT';

export interface PlatformOptions {
  readonly mode: Mode;
  /** Settings of every service. */
  readonly env?: Readonly<Record<string, string>>;
  /** Where sandboxes run. Default process. */
  readonly runtime?: 'process' | 'memory';
}

/** What the two ways of running the platform have in common. */
export interface Running {
  readonly url: string;
  /** What runs now, by name: `standalone`, or each service; and `nats` and `postgres`. */
  pids(): Promise<Readonly<Record<string, number>>>;
  /** Ends one of them and waits for its end. The standalone starts its servers again by itself. */
  kill(name: string, signal?: Signal): Promise<void>;
  /** Starts one that has ended again, with these settings besides its own; returns when it is ready. */
  restart(name: string, env?: Readonly<Record<string, string>>): Promise<void>;
  /** SIGKILL to every process at once, sandboxes and servers included. */
  killEverything(): Promise<void>;
  /** Starts everything again that has ended, on the same data. */
  start(): Promise<void>;
  /** Ends everything in order. Throws when a program does not end by itself, or not with 0. */
  stop(): Promise<void>;
  /** What all programs have printed, over all their runs. */
  logs(): Promise<string>;
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
