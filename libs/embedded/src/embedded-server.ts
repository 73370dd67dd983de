import type { Exit, ServerProcess } from './server-process.js';

/** A server that runs as our child: what NATS and PostgreSQL have in common. */
export class EmbeddedServer {
  private process: ServerProcess;
  private readonly launch: () => Promise<ServerProcess>;
  private readonly stopSignal: NodeJS.Signals;

  protected constructor(launch: () => Promise<ServerProcess>, running: ServerProcess, stopSignal: NodeJS.Signals) {
    this.launch = launch;
    this.process = running;
    this.stopSignal = stopSignal;
  }

  get pid(): number {
    return this.process.pid;
  }

  /** The end of the process that runs now; a restarted server has a new one. */
  get exited(): Promise<Exit> {
    return this.process.exited;
  }

  /** Ends it in order; killed when it has not ended 10 s later. Stopping it twice is fine. */
  async stop(): Promise<void> {
    if (!this.process.hasExited()) await this.process.end(this.stopSignal, 10_000);
  }

  /** SIGKILL: what it had in memory is lost. */
  async kill(): Promise<void> {
    if (!this.process.hasExited()) await this.process.end('SIGKILL', 10_000);
  }

  /** Starts it again on the same port and data, after stopping it if it runs. */
  async restart(): Promise<void> {
    await this.stop();
    this.process = await this.launch();
  }

  /** SIGSTOP and SIGCONT: there, but answering nobody. */
  freeze(): void {
    process.kill(this.pid, 'SIGSTOP');
  }

  thaw(): void {
    process.kill(this.pid, 'SIGCONT');
  }
}
