import { ConfigError, type ConfigDefinition, type Environment } from './config.js';
import { errorChain, logger } from './logging.js';
import { startService, type ServiceDefinition } from './service.js';
import { commonSettings } from './common-settings.js';

export interface Stoppable {
  close(): Promise<void>;
}

/**
 * The main program of a service that runs alone. Exit codes: 0 after a signal, 1 when it cannot start or fails, 2 when the settings are
 * bad. A second signal ends it at once.
 */
export async function runService<Definition extends ConfigDefinition>(
  definition: ServiceDefinition<Definition>,
  env: Environment,
): Promise<void> {
  await runProcess(definition.name, env, (signal) => startService(definition, env, { signal }));
}

/** The same for a program that starts something else; the signal is to end a start that waits. Says one line when it is ready, and one when it cannot start. */
export async function runProcess(name: string, env: Environment, start: (signal: AbortSignal) => Promise<Stoppable>): Promise<void> {
  logger.level = commonSettings.SANDLOT_LOG_LEVEL.safeParse(env.SANDLOT_LOG_LEVEL || undefined).data ?? 'info';
  const began = performance.now();
  const stop = new AbortController();
  const starting = start(stop.signal);
  stopOnSignals(name, starting, stop);
  process.on('uncaughtException', (error) => {
    logger.fatal({ err: error, service: name }, 'an error that nobody expected');
    process.exit(1);
  });
  try {
    await starting;
    logger.info({ service: name, afterMs: Math.round(performance.now() - began), pid: process.pid }, 'ready');
  } catch (error) {
    if (stop.signal.aborted) return process.exit(0);
    fail(name, error);
  }
}

/** A program that does one thing and ends. The same exit codes; says one line when it is done. */
export async function runOnce(name: string, env: Environment, work: () => Promise<void>): Promise<void> {
  logger.level = commonSettings.SANDLOT_LOG_LEVEL.safeParse(env.SANDLOT_LOG_LEVEL || undefined).data ?? 'info';
  try {
    await work();
    logger.info({ program: name }, 'done');
    process.exit(0);
  } catch (error) {
    fail(name, error);
  }
}

function fail(name: string, error: unknown): never {
  const config = error instanceof ConfigError;
  process.stderr.write(`${name} cannot start: ${config ? error.message : errorChain(error)}\n`);
  process.exit(config ? 2 : 1);
}

function stopOnSignals(name: string, starting: Promise<Stoppable>, controller: AbortController): void {
  const stop = (signal: NodeJS.Signals) => {
    if (controller.signal.aborted) process.exit(128 + (signal === 'SIGINT' ? 2 : 15));
    controller.abort(new Error('stopped'));
    logger.info({ service: name, signal }, 'stopping');
    void end(name, starting);
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

async function end(name: string, starting: Promise<Stoppable>): Promise<void> {
  const running = await starting.catch(() => undefined);
  if (!running) return; // a start that fails is runProcess' to end
  try {
    await running.close();
  } catch (error) {
    logger.error({ err: error, service: name }, 'the stop failed');
    return process.exit(1);
  }
  process.exit(0);
}
