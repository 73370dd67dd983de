import type { EmbeddedServer } from '@sandlot/embedded';
import { setTimeout as pause } from 'node:timers/promises';

type Restartable = Pick<EmbeddedServer, 'exited' | 'restart' | 'stop'>;

const LONGEST_PAUSE_MS = 10_000;

/**
 * Starts the server again, on the same port and data, whenever it ends unasked; what connects to it only has to reconnect. One that keeps
 * ending is tried every 10 s, for a full disk may be freed while we wait. Returns how to stop it for good.
 */
export function keepRunning(name: string, server: Restartable, log: (line: string) => void): () => Promise<void> {
  const stopped = new AbortController();
  const watching = watch(name, server, log, stopped.signal);
  return async () => {
    stopped.abort();
    await server.stop();
    await watching;
    await server.stop(); // again, for a restart that was under way
  };
}

async function watch(name: string, server: Restartable, log: (line: string) => void, stopped: AbortSignal): Promise<void> {
  for (let failures = 0; !stopped.aborted; failures++) {
    const begin = performance.now();
    const { code, signal, wanted } = await server.exited;
    if (wanted || stopped.aborted) return;
    if (performance.now() - begin > LONGEST_PAUSE_MS) failures = 0;
    log(`${name} ended (${signal ?? `exit code ${code}`}) and is started again`);
    const pauseMs = failures === 0 ? 0 : Math.min(100 * 2 ** failures, LONGEST_PAUSE_MS);
    await pause(pauseMs, undefined, { signal: stopped }).catch(() => undefined);
    if (!stopped.aborted) await server.restart().catch((error: Error) => log(`${name} could not be started again: ${error.message}`));
  }
}
