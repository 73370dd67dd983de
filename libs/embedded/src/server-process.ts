import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { poll } from './poll.js';
import { processIdentity } from './process-identity.js';

const LOG_LIMIT = 10 * 1024 * 1024;

export interface Account {
  uid: number;
  gid: number;
}

export interface ServerCommand {
  /** For messages: `nats-server`. */
  name: string;
  file: string;
  args: string[];
  env?: NodeJS.ProcessEnv;
  account?: Account;
  /** Gets what the server prints; moved to `<logFile>.1` at the next start when it has grown over 10 MB. */
  logFile: string;
  /** Remembers who runs on this data, so that the next start can end what was left behind. */
  recordFile: string;
  /** The signal on which the server ends without waiting for its clients. */
  endSignal: NodeJS.Signals;
}

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** Whether `stop`, `kill` or `restart` was asked for. */
  wanted: boolean;
}

export interface ServerProcess {
  pid: number;
  exited: Promise<Exit>;
  hasExited(): boolean;
  /** What it printed since this start: the last 12 lines. */
  said(): Promise<string>;
  /** Signals, and kills what is still there `graceMs` milliseconds later. */
  end(signal: NodeJS.Signals, graceMs: number): Promise<void>;
}

interface ProcessRecord {
  pid: number;
  identity: string;
  owner: { pid: number; identity: string };
}

/**
 * Starts a server that does not outlive us. It gets a process group of its own, because Ctrl-C in a terminal goes to a whole group and
 * would take the servers away before the services have drained. That it ends with us, even when we are killed, is the watchdog's work.
 */
export async function spawnServer(command: ServerCommand): Promise<ServerProcess> {
  const log = await openLog(command.logFile);
  const { size: logged } = await log.stat();
  const child = spawn(command.file, command.args, {
    ...command.account,
    cwd: '/',
    env: command.env ?? { PATH: process.env.PATH, TZ: 'UTC' },
    stdio: ['ignore', log.fd, log.fd],
    detached: true,
  });
  try {
    await Promise.race([once(child, 'spawn'), once(child, 'error').then(([error]) => Promise.reject(error))]);
  } catch (cause) {
    throw new Error(`${command.name} could not be started: ${command.file}: ${(cause as Error).message}`, { cause });
  } finally {
    await log.close();
  }
  return supervise(child, command, logged);
}

async function supervise(child: ChildProcess, command: ServerCommand, logged: number): Promise<ServerProcess> {
  const pid = child.pid as number;
  let wanted = false;
  const exited = once(child, 'exit').then(([code, signal]): Exit => ({ code, signal, wanted }));
  const dismissWatchdog = watchdog(pid, command.endSignal);
  void exited.then(dismissWatchdog);
  await recordProcess(pid, command.recordFile);
  return {
    pid,
    exited,
    hasExited: () => child.exitCode !== null || child.signalCode !== null,
    said: async () => (await readFile(command.logFile)).subarray(logged).toString().trimEnd().split('\n').slice(-12).join('\n'),
    async end(signal, graceMs) {
      wanted = true;
      child.kill(signal);
      const killer = setTimeout(() => child.kill('SIGKILL'), graceMs);
      await exited;
      clearTimeout(killer);
    },
  };
}

/** A shell that waits on a pipe from us: when we are gone, however that came about, the pipe breaks and it ends the server. */
function watchdog(pid: number, signal: NodeJS.Signals): () => void {
  const name = signal.replace('SIG', '');
  const script = 'read -r _ || { kill -s "$2" "$1"; kill -s CONT "$1"; } 2>/dev/null';
  const dog = spawn('/bin/sh', ['-c', script, 'sandlot-watchdog', String(pid), name], {
    cwd: '/',
    env: {},
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  dog.on('error', () => undefined); // no shell: the next start still ends what is left behind
  dog.stdin.on('error', () => undefined);
  dog.unref();
  (dog.stdin as unknown as { unref?(): void }).unref?.();
  return () => dog.stdin.end('done\n');
}

async function recordProcess(pid: number, file: string): Promise<void> {
  const identity = await processIdentity(pid);
  if (identity === undefined) return; // it ended already, which the start notices
  const owner = { pid: process.pid, identity: (await processIdentity(process.pid)) ?? '' };
  await writeFile(`${file}.new`, JSON.stringify({ pid, identity, owner } satisfies ProcessRecord));
  await rename(`${file}.new`, file);
}

/**
 * Ends a server that a killed process of ours left behind on the same data. Only the very process that was recorded is signalled.
 * Throws when its owner lives: the data is in use.
 */
export async function endLeftover(name: string, recordFile: string, signal: NodeJS.Signals, dataDir: string): Promise<void> {
  const record = await readFile(recordFile, 'utf8').then(
    (text) => JSON.parse(text) as ProcessRecord,
    () => undefined,
  );
  if (record === undefined || !(await runs(record))) return;
  if (await runs(record.owner))
    throw new Error(
      `${dataDir} is in use: the process ${record.owner.pid} runs ${name} (process ${record.pid}) on it. ` +
        'Stop that process, or choose another folder with SANDLOT_DATA_DIR.',
    );
  await endProcess(record, signal, name);
}

export async function endProcess(target: { pid: number; identity: string }, signal: NodeJS.Signals, name: string): Promise<void> {
  for (const [next, withinMs] of [
    [signal, 10_000],
    ['SIGKILL', 5_000],
  ] as const) {
    try {
      process.kill(target.pid, next);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ESRCH') return;
      throw new Error(
        `a ${name} from an earlier run is still there (process ${target.pid}) and cannot be stopped by this user; stop it by hand`,
        {
          cause,
        },
      );
    }
    if (await poll(async () => ((await runs(target)) ? undefined : true), withinMs)) return;
  }
  throw new Error(`a ${name} from an earlier run (process ${target.pid}) does not end, not even when killed; its disk may hang`);
}

async function runs({ pid, identity }: { pid: number; identity: string }): Promise<boolean> {
  return (await processIdentity(pid)) === identity;
}

async function openLog(file: string) {
  const size = await stat(file).then(
    (found) => found.size,
    () => 0,
  );
  if (size > LOG_LIMIT) await rename(file, `${file}.1`);
  return open(file, 'a', 0o640);
}
