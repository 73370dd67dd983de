import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { Problem } from '../http/problem.js';
import { Pump, type Receive } from './output.js';
import { endProcesses, findProcesses, type ProcessFamily } from './processes.js';

/** A command that was checked and can be run. */
export interface Command {
  text: string;
  /** Absolute path of an existing directory. */
  folder: string;
  env: Record<string, string>;
  timeoutMs: number;
}

/** `exitCode` is 128+N after signal N, and 124 when the time was up. */
export interface Outcome {
  exitCode: number;
  timedOut: boolean;
}

export interface ExecutionLimits {
  maxExecutions: number;
  killGraceMs: number;
}

/** In the environment of every command, so that its processes are recognised wherever they went. */
export const markerName = 'SANDLOT_EXECUTION';
const timedOutExitCode = 124;
/** `setsid daemon &` may outlive its shell before it has come to call setsid; it gets this long to do so. */
const detachMs = 1_000;
const shell = existsSync('/bin/bash') ? '/bin/bash' : '/bin/sh';

/**
 * The commands of one runtime. Each runs in a session of its own. A moment after its shell exits, the session's other processes are
 * ended; one that left it with setsid stays until the runtime ends. When a command is ended (time up, client gone, runtime
 * closing), those that left go too.
 */
export class Executions {
  private readonly runtimeId: string;
  private readonly env: Record<string, string>;
  private readonly limits: ExecutionLimits;
  private readonly running = new Set<Execution>();
  private starting = 0;
  private closing = false;
  private count = 0;

  constructor(runtimeId: string, env: Record<string, string>, limits: ExecutionLimits) {
    this.runtimeId = runtimeId;
    this.env = env;
    this.limits = limits;
  }

  /** Starts a command; the slot is its own until `finish` has returned. 429 when all slots are taken. */
  async start(command: Command): Promise<Execution> {
    if (this.closing) throw new Problem('UNAVAILABLE', 'The runtime is shutting down.', { headers: { 'retry-after': '1' } });
    if (this.running.size + this.starting >= this.limits.maxExecutions) {
      const detail = `${this.limits.maxExecutions} commands are running already.`;
      throw new Problem('RATE_LIMITED', detail, { headers: { 'retry-after': '1' } });
    }
    this.starting += 1;
    try {
      return await this.spawn(command);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'E2BIG') throw error;
      throw new Problem('VALIDATION_FAILED', 'The command and its environment are too large for the operating system.');
    } finally {
      this.starting -= 1;
    }
  }

  private async spawn(command: Command): Promise<Execution> {
    const value = `${this.runtimeId}/${++this.count}/`;
    const child = spawn(shell, ['-c', command.text], {
      cwd: command.folder,
      env: { ...this.env, ...command.env, [markerName]: value },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    await once(child, 'spawn');
    const release = (): void => void this.running.delete(execution);
    const execution = new Execution(child, `${markerName}=${value}`, command.timeoutMs, this.limits.killGraceMs, release);
    this.running.add(execution);
    return execution;
  }

  /** Starts nothing more and ends all processes that any command ever started, those in the background included. */
  async endAll(graceMs: number): Promise<void> {
    this.closing = true;
    const sessions = [...this.running].map((execution) => execution.pid);
    await endProcesses({ sessions, marker: `${markerName}=${this.runtimeId}/` }, graceMs);
  }
}

export class Execution {
  readonly pid: number;
  private readonly exit: Promise<number>;
  private readonly child: ChildProcessByStdio<null, Readable, Readable>;
  private readonly family: ProcessFamily;
  private readonly timeoutMs: number;
  private readonly graceMs: number;
  private readonly release: () => void;

  constructor(
    child: ChildProcessByStdio<null, Readable, Readable>,
    marker: string,
    timeoutMs: number,
    graceMs: number,
    release: () => void,
  ) {
    this.child = child;
    this.pid = child.pid as number; // set once 'spawn' was emitted
    this.family = { sessions: [this.pid], marker };
    this.timeoutMs = timeoutMs;
    this.graceMs = graceMs;
    this.release = release;
    this.exit = new Promise((resolve) => child.once('exit', (code, signal) => resolve(exitCode(code, signal))));
  }

  /**
   * Passes the output on until the shell has exited, its time is up or `abort` fires. In the latter two cases it returns when
   * no process of the command is left.
   */
  async finish(receive: { stdout: Receive; stderr: Receive }, abort: AbortSignal): Promise<Outcome> {
    const pumps = [new Pump(this.child.stdout, receive.stdout), new Pump(this.child.stderr, receive.stderr)];
    const interruption = interruptedBy(abort, this.timeoutMs);
    try {
      const first = await Promise.race([this.exit, interruption.happened]);
      if (typeof first !== 'number') await endProcesses(this.family, this.graceMs);
      await Promise.all(pumps.map((pump) => pump.drained()));
      if (first === 'time up') return { exitCode: timedOutExitCode, timedOut: true };
      return { exitCode: await this.exit, timedOut: false };
    } finally {
      interruption.stop();
      pumps.forEach((pump) => pump.discard());
      this.release();
      // After the answer, which what was left in the background must not delay.
      setImmediate(() => void this.endLeftovers());
    }
  }

  private async endLeftovers(): Promise<void> {
    const leftovers: ProcessFamily = { sessions: [this.pid] };
    if (findProcesses(leftovers).length === 0) return;
    await sleep(detachMs, undefined, { ref: false });
    await endProcesses(leftovers, this.graceMs);
  }
}

function interruptedBy(abort: AbortSignal, timeoutMs: number) {
  let stop = (): void => undefined;
  const happened = new Promise<'time up' | 'aborted'>((resolve) => {
    const timer = setTimeout(resolve, timeoutMs, 'time up');
    const aborted = (): void => resolve('aborted');
    if (abort.aborted) aborted();
    abort.addEventListener('abort', aborted);
    stop = () => {
      clearTimeout(timer);
      abort.removeEventListener('abort', aborted);
    };
  });
  return { happened, stop: () => stop() };
}

function exitCode(code: number | null, signal: NodeJS.Signals | null): number {
  return signal ? 128 + constants.signals[signal] : (code ?? 1);
}
