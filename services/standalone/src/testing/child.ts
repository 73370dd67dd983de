import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { waitFor } from '@sandlot/testing';

/** A program under test: what it prints is kept over all its runs, and it can be killed and started again. */
export class Child {
  output = '';
  private startedAt = 0;
  private child: ChildProcess | undefined;
  private exited: Promise<unknown> = Promise.resolve();

  constructor(
    readonly name: string,
    /** What the next start runs. */
    public args: readonly string[],
    private readonly environment: NodeJS.ProcessEnv,
  ) {}

  get pid(): number | undefined {
    return this.runs ? this.child?.pid : undefined;
  }

  get runs(): boolean {
    return this.child !== undefined && this.child.exitCode === null && this.child.signalCode === null;
  }

  /** What it has printed since its last start. */
  get said(): string {
    return this.output.slice(this.startedAt);
  }

  /** `more` is for this run alone. */
  start(more: NodeJS.ProcessEnv = {}): void {
    if (this.runs) throw new Error(`${this.name} runs already`);
    this.startedAt = this.output.length;
    const child = spawn(process.execPath, this.args, {
      cwd: '/',
      env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...this.environment, ...more },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (this.output += text));
    this.child = child;
    this.exited = once(child, 'exit');
  }

  /** Signals it and waits for its end; kills it after `graceMs` milliseconds. Returns the exit code, null when it was killed. */
  async end(name: NodeJS.Signals, graceMs = 25_000): Promise<number | null> {
    if (!this.runs) return this.child?.exitCode ?? null;
    const killer = setTimeout(() => this.child?.kill('SIGKILL'), graceMs);
    this.child!.kill(name);
    await this.exited;
    clearTimeout(killer);
    return this.child!.exitCode;
  }

  /** Waits for its end without asking for it. Returns the exit code, null when a signal ended it. */
  async exit(): Promise<number | null> {
    await this.exited;
    return this.child?.exitCode ?? null;
  }

  /** Waits until it is so; fails at once, with what it said, when the program ends instead. */
  async until(look: () => Promise<boolean> | boolean, describe: string): Promise<void> {
    const ended = this.exited.then(() => {
      throw new Error(`${this.name} ended (${this.child?.exitCode ?? this.child?.signalCode}) before ${describe}; it said:\n${this.said}`);
    });
    ended.catch(() => undefined);
    await Promise.race([waitFor(look, { within: 60_000, describe: `${this.name}: ${describe}`, every: 25 }), ended]);
  }
}
