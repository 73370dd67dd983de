import { fork, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const proxy = join(import.meta.dirname, '../../services/proxy');
export const proxyProgram = join(proxy, 'dist/main.js');
/** Those of V8 that the proxy is started with, as its start script and the chart have them. */
export const proxyFlags = JSON.parse(readFileSync(join(proxy, 'package.json'), 'utf8'))
  .scripts.start.split(' ')
  .filter((word) => word.startsWith('--'));

const CLOCK_TICKS = Number(spawnSync('getconf', ['CLK_TCK']).stdout.toString());

/**
 * Starts a file of `parts` on a core. What it sends says where it listens, and, when it is itself only the parent of what is measured, that one's
 * process id.
 */
export function start(part, core, ...args) {
  const execArgv = part === 'sandlot' ? proxyFlags : [];
  const child = fork(join(import.meta.dirname, 'parts', `${part}.js`), args, { silent: true, execArgv });
  const killNow = () => child.kill();
  process.on('exit', killNow);
  child.once('exit', () => process.off('exit', killNow));
  return new Promise((done, failed) => {
    child.once('message', (info) => {
      const pid = info.pid ?? child.pid;
      spawnSync('taskset', ['-acp', String(core), String(pid)]);
      done({ ...info, pid, stop: () => child.kill() });
    });
    child.once('exit', (code) => failed(new Error(`${part} ended with ${code}: ${child.stderr.read()}`)));
  });
}

/** User and system time of a process, all threads, in microseconds. */
export function cpuOf(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1].split(' ');
  return ((Number(fields[11]) + Number(fields[12])) * 1e6) / CLOCK_TICKS;
}

/** MiB that a process has in memory. */
export const memoryOf = (pid) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))[1]) / 1024;
