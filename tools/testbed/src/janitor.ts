import { spawn } from 'node:child_process';

/**
 * A shell that waits on a pipe from us and removes what would stay behind when we are killed; the servers are ended by watchdogs of their
 * own. Answers how to dismiss it, which is for who has cleaned up himself.
 */
export function hireJanitor(dir: string, alsoRemove: string = ''): () => void {
  const script = `read -r _ && exit
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
      sleep 0.5
      ${alsoRemove || ':'}
      rm -rf "$1" && break
    done; sleep 2; rm -rf "$1"`;
  const janitor = spawn('/bin/sh', ['-c', script, 'sandlot-janitor', dir], {
    cwd: '/',
    env: { PATH: process.env.PATH },
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  janitor.on('error', () => undefined);
  janitor.stdin.on('error', () => undefined);
  janitor.unref();
  (janitor.stdin as unknown as { unref?(): void }).unref?.();
  return () => janitor.stdin.end('done\n');
}
