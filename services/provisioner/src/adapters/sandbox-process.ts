import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { open, stat } from 'node:fs/promises';
import { get } from 'node:http';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import { lowerPriority } from './process-confinement.js';
import { endFamily } from './process-family.js';
import { logFile, workFolder } from './process-folders.js';
import type { Slots } from './turns.js';

export interface Launch {
  /** The sandbox's folder. */
  path: string;
  uid: string;
  account: number | undefined;
  /** Shell commands that set limits. */
  limits: string;
  /** The runtime's program, with Node's flags before it. */
  program: readonly string[];
  /** Of our own environment, what it may know. */
  environment: Record<string, string>;
  /** What its commands have in theirs. */
  env: Record<string, string>;
  /** How long it may take until it answers, in ms. */
  startWithinMs: number;
  /** Between SIGTERM and SIGKILL, in ms. */
  graceMs: number;
}

/** How a process ended: because it was stopped, or by itself. */
export type Ending = { asked: true } | { asked: false; reason: string; message: string; healthyForMs: number };

type Moment =
  | { is: 'healthy'; address: string }
  | { is: 'late' }
  | { is: 'stopped' }
  | { is: 'exited'; code: number | null; signal: NodeJS.Signals | null };

const maxLogBytes = 1024 * 1024;

/**
 * One run of a sandbox's server, from its start to the end of its last process. It is in a session of its own, and ends with us: the end of
 * its stdin tells it that we are gone.
 */
export class SandboxProcess {
  /** host:port, once it answers. */
  address: string | undefined;
  /** Never rejects. */
  readonly ended: Promise<Ending>;
  private askToStop = (): void => undefined;
  private readonly stopAsked = new Promise<Moment>((resolve) => {
    this.askToStop = () => {
      this.stopping = true;
      resolve({ is: 'stopped' });
    };
  });
  private stopping = false;

  constructor(
    private readonly launch: Launch,
    slots: Slots,
    private readonly onHealthy: () => void,
  ) {
    this.ended = this.run(slots);
  }

  async stop(): Promise<void> {
    this.askToStop();
    await this.ended;
  }

  private async run(slots: Slots): Promise<Ending> {
    const release = await slots.take();
    let healthyAt: number | undefined;
    try {
      if (this.stopping) return { asked: true };
      const { child, exited } = await this.spawn();
      const start = await Promise.race([exited, this.stopAsked, this.untilHealthy(child)]);
      if (start.is === 'healthy' && !this.stopping) {
        healthyAt = performance.now();
        this.address = start.address;
        release();
        this.onHealthy();
      }
      const end = start.is === 'healthy' ? await Promise.race([exited, this.stopAsked]) : start;
      this.address = undefined;
      if (end.is !== 'exited') await this.terminate(child, exited);
      await endFamily(this.launch.uid, this.launch.account, this.launch.graceMs);
      return this.ending(end, healthyAt);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      return this.stopping
        ? { asked: true }
        : failure('RUNTIME_START_FAILED', `the runtime could not be started: ${code ?? 'unexpected fault'}`);
    } finally {
      release();
    }
  }

  private ending(end: Moment, healthyAt: number | undefined): Ending {
    if (this.stopping) return { asked: true };
    if (end.is !== 'exited')
      return failure('RUNTIME_START_TIMED_OUT', `the runtime did not answer within ${this.launch.startWithinMs} ms of its start`);
    const how = end.signal ? `was ended by ${end.signal}` : `exited with code ${end.code}`;
    return failure('RUNTIME_CRASHED', `the runtime ${how} without being asked to`, healthyAt);
  }

  private async spawn(): Promise<{ child: ChildProcess; exited: Promise<Moment> }> {
    const { path, account, limits, program } = this.launch;
    const log = await openLog(logFile(path));
    try {
      const child = spawn('/bin/sh', ['-c', `${limits}exec "$@"`, 'sandlot-sandbox', process.execPath, ...program], {
        ...(account !== undefined && { uid: account, gid: account }),
        cwd: workFolder(path),
        env: { ...this.launch.environment, ...settings(this.launch) },
        stdio: ['pipe', 'pipe', log.fd],
        detached: true,
      });
      // A pipe that breaks says that the process is gone, which its exit says too.
      child.stdin?.on('error', () => undefined);
      child.stdout?.on('error', () => undefined);
      const exited = new Promise<Moment>((resolve) => child.once('exit', (code, signal) => resolve({ is: 'exited', code, signal })));
      await once(child, 'spawn');
      lowerPriority(child.pid as number);
      return { child, exited };
    } finally {
      await log.close();
    }
  }

  private async untilHealthy(child: ChildProcess): Promise<Moment> {
    const deadline = performance.now() + this.launch.startWithinMs;
    const signal = AbortSignal.timeout(this.launch.startWithinMs);
    const stdout = child.stdout as Readable;
    try {
      const lines = createInterface(stdout);
      const [line] = (await once(lines, 'line', { signal })) as [string];
      lines.close();
      stdout.resume();
      const { port } = (JSON.parse(line) as { listening: { port: number } }).listening;
      while (!(await answersHealth(port))) {
        if (performance.now() > deadline) return { is: 'late' };
        await pause(20);
      }
      return { is: 'healthy', address: `127.0.0.1:${port}` };
    } catch {
      // What it printed is not what a runtime prints: as good as nothing. When it has exited, that is seen first.
      await pause(Math.max(0, deadline - performance.now()), undefined, { ref: false });
      return { is: 'late' };
    }
  }

  private async terminate(child: ChildProcess, exited: Promise<unknown>): Promise<void> {
    const end = (signal: NodeJS.Signals): void => {
      if (child.exitCode === null && child.signalCode === null) signalGroup(child.pid as number, signal);
    };
    end('SIGTERM');
    const kill = setTimeout(end, this.launch.graceMs, 'SIGKILL');
    await exited;
    clearTimeout(kill);
  }
}

function failure(reason: string, message: string, healthyAt?: number): Ending {
  return { asked: false, reason, message, healthyForMs: healthyAt === undefined ? 0 : performance.now() - healthyAt };
}

/** The sandbox's own variables reach its commands only: in the server's environment, NODE_OPTIONS or LD_PRELOAD would be ours to suffer. */
function settings({ path, uid, env }: Launch): Record<string, string> {
  const work = workFolder(path);
  return {
    ...(Object.keys(env).length > 0 && { SANDLOT_RUNTIME_ENV: JSON.stringify(env) }),
    HOME: work,
    SANDLOT_RUNTIME_HOST: '127.0.0.1',
    SANDLOT_RUNTIME_PORT: '0',
    SANDLOT_RUNTIME_WORKDIR: work,
    SANDLOT_RUNTIME_ID: uid,
    SANDLOT_RUNTIME_EXIT_WITH_STDIN: '1',
  };
}

async function openLog(path: string) {
  const { size } = await stat(path).catch(() => ({ size: 0 }));
  return open(path, size > maxLogBytes ? 'w' : 'a', 0o600);
}

function signalGroup(leader: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-leader, signal);
  } catch {
    // Gone in this moment.
  }
}

function answersHealth(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const request = get({ host: '127.0.0.1', port, path: '/health', agent: false, timeout: 1_000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve(false));
  });
}
