import { join } from 'node:path';
import { EmbeddedServer, spawnServer, type ServerProcess } from '@sandlot/embedded';
import { waitFor } from '@sandlot/testing';

export interface ServerOptions {
  /** For messages and files: `kube-apiserver`. */
  name: string;
  /** Folder that gets `<name>.log`. */
  dir: string;
  command: readonly string[];
  env?: NodeJS.ProcessEnv;
  /** Falsy, or throws, as long as it does not serve. Left out: it needs not to be waited for. */
  ready?: () => Promise<unknown> | unknown;
}

/** Loaded machines take their time. */
const START_WITHIN_MS = 60_000;

/** A part of a cluster as our child: it can be stopped, killed, frozen and started again, and does not outlive us. */
export class ClusterServer extends EmbeddedServer {
  static async start(options: ServerOptions): Promise<ClusterServer> {
    const launch = () => launched(options);
    // In order, an API server waits for its watches to end and etcd for its clients; killed, they lose nothing either.
    return new ClusterServer(launch, await launch(), 'SIGKILL');
  }
}

async function launched({ name, dir, command, env, ready }: ServerOptions): Promise<ServerProcess> {
  const [file, ...args] = command as [string, ...string[]];
  const logFile = join(dir, `${name}.log`);
  const server = await spawnServer({
    name,
    file,
    args,
    logFile,
    env: { PATH: process.env.PATH, TZ: 'UTC', HOME: dir, ...env },
    recordFile: join(dir, `${name}.process.json`),
    endSignal: 'SIGKILL', // nothing that it has is kept
  });
  if (!ready) return server;
  try {
    await waitFor(async () => server.hasExited() || (await ready()), { within: START_WITHIN_MS, describe: `${name} to be ready` });
    if (server.hasExited()) throw new Error(`${name} ended while starting`);
    return server;
  } catch (error) {
    await server.end('SIGKILL', 1000);
    throw new Error(`${(error as Error).message}; its log ends with:\n${await server.said()}`, { cause: error });
  }
}
