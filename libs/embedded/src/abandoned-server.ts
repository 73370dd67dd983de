import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

// Node runs TypeScript, but does not look for `x.ts` where the source says `x.js`.
const resolveSources = `import { registerHooks } from 'node:module';
registerHooks({ resolve: (specifier, context, next) => {
  try { return next(specifier, context); } catch { return next(specifier.replace(/\\.js$/, '.ts'), context); }
} });`;

/**
 * For tests: starts a server from a process of its own and kills that process with SIGKILL; the watchdog too, so that the server is left
 * behind, unless `sparingWatchdog`. Answers the server's pid and port.
 */
export async function abandonServer(
  start: 'startNats' | 'startPostgres',
  options: object,
  { sparingWatchdog = false } = {},
): Promise<{ pid: number; port: number }> {
  const owner = await ownedServer(start, options);
  if (!sparingWatchdog) for (const watchdog of await watchdogsOf(owner.ownerPid)) process.kill(watchdog, 'SIGKILL');
  await owner.kill();
  return owner.server;
}

/** For tests: a server that another, living process owns. */
export async function ownedServer(start: 'startNats' | 'startPostgres', options: object) {
  const module = new URL(start === 'startNats' ? './nats-server.ts' : './postgres-server.ts', import.meta.url).href;
  const program = `
    const { ${start}: start } = await import(${JSON.stringify(module)});
    const server = await start(${JSON.stringify(options)});
    console.log(JSON.stringify({ pid: server.pid, port: server.port }));`;
  const hooks = `data:text/javascript,${encodeURIComponent(resolveSources)}`;
  const owner = spawn(process.execPath, ['--import', hooks, '--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env.PATH },
  });
  const [line] = (await once(createInterface(owner.stdout), 'line')) as [string];
  return {
    ownerPid: owner.pid as number,
    server: JSON.parse(line) as { pid: number; port: number },
    async kill() {
      owner.kill('SIGKILL');
      await once(owner, 'exit');
    },
  };
}

async function watchdogsOf(pid: number): Promise<number[]> {
  const { stdout } = await promisify(execFile)('ps', ['-o', 'pid=,args=', '--ppid', String(pid)]);
  return stdout
    .split('\n')
    .filter((line) => line.includes('sandlot-watchdog'))
    .map((line) => Number(line.trim().split(' ')[0]));
}
