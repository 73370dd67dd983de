import { freePort, natsServerBinary } from '@sandlot/testing';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { repository } from './build.js';
import { Child } from './child.js';
import { killAllOf, signal } from './processes-of.js';
import type { Running, Signal } from './running.js';

const program = join(repository, 'services/standalone/dist/main.js');

/** Everything in one process, with the embedded servers as its children. */
export async function startStandalone(dataDir: string, settings: Record<string, string>): Promise<Running> {
  const port = await freePort();
  const child = new Child('standalone', [program], {
    SANDLOT_NATS_SERVER: await natsServerBinary(),
    ...settings,
    SANDLOT_PORT: String(port),
    SANDLOT_DATA_DIR: dataDir,
  });
  const platform = new StandalonePlatform(child, dataDir, `http://127.0.0.1:${port}`);
  await platform.start();
  return platform;
}

class StandalonePlatform implements Running {
  constructor(
    private readonly child: Child,
    private readonly dataDir: string,
    readonly url: string,
  ) {}

  async pids(): Promise<Record<string, number>> {
    const [nats, postgres] = await Promise.all(['nats', 'postgres'].map((server) => this.serverPid(server)));
    return { standalone: this.child.pid ?? 0, nats: nats!, postgres: postgres! };
  }

  async kill(name: string, how: Signal = 'SIGKILL'): Promise<void> {
    if (name === 'standalone') await this.child.end(how);
    else signal(await this.serverPid(name), how);
  }

  restart(_: string, env?: Readonly<Record<string, string>>): Promise<void> {
    return this.start(env);
  }

  async killEverything(): Promise<void> {
    await killAllOf(this.dataDir);
    await this.child.exit();
  }

  async start(env: Readonly<Record<string, string>> = {}): Promise<void> {
    this.child.start(env);
    await this.child.until(() => this.child.said.includes('Sandlot is ready at'), 'it is ready');
  }

  async stop(): Promise<void> {
    const code = await this.child.end('SIGTERM');
    if (code !== 0) throw new Error(`standalone ended with ${code} when it was stopped; it said:\n${this.child.said}`);
  }

  async logs(): Promise<string> {
    const servers = ['nats/nats-server.log', 'postgres/postgres.log'].map((file) =>
      readFile(join(this.dataDir, file), 'utf8').catch(() => ''),
    );
    return [this.child.output, ...(await Promise.all(servers))].join('\n');
  }

  private async serverPid(name: string): Promise<number> {
    return (JSON.parse(await readFile(join(this.dataDir, name, 'process.json'), 'utf8')) as { pid: number }).pid;
  }
}
