#!/usr/bin/env node
import { logFault } from './http/answer.js';
import { optionsFromEnvironment, type RuntimeOptions } from './options.js';
import { startRuntime } from './runtime.js';

/** Runs until SIGTERM, SIGINT or, when asked for, the end of stdin; ends then within 2 s with every command's processes. */
async function main({ options, exitWithStdin }: { options: RuntimeOptions; exitWithStdin: boolean }): Promise<void> {
  const runtime = await startRuntime(options);
  const end = (exitCode: number) => () => {
    void runtime.close().finally(() => process.exit(exitCode));
  };
  process.on('SIGTERM', end(0)).on('SIGINT', end(0)).on('SIGHUP', end(0));
  process.on('uncaughtException', (error) => {
    logFault('unexpected fault, ending', error);
    end(1)();
  });
  // When the parent is gone, nobody reads these; that must not stop the cleaning up.
  process.stdout.on('error', () => undefined);
  process.stderr.on('error', () => undefined);
  if (exitWithStdin) process.stdin.on('error', end(0)).on('close', end(0)).on('end', end(0)).resume();
  process.stdout.write(`${JSON.stringify({ listening: { host: runtime.host, port: runtime.port } })}\n`);
}

try {
  await main(optionsFromEnvironment(process.env));
} catch (error) {
  process.stderr.write(`${JSON.stringify({ level: 'error', message: 'cannot start', fault: (error as Error).message })}\n`);
  process.exit(1);
}
