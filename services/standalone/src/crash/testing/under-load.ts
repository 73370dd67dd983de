import { atEnd } from '@sandlot/testing';
import { startPlatform, type Mode, type Platform } from '../../testing/platform.js';
import { checkPlatform, type CheckOptions } from './checker.js';
import type { LogModel } from './log-model.js';
import { Random, seedOfRun } from './random.js';
import { Workload, type WorkloadOptions } from './workload.js';

export interface UnderLoadOptions extends Partial<Omit<CheckOptions, 'runtime'>> {
  readonly mode: Mode;
  /** Default memory. */
  readonly runtime?: 'process' | 'memory';
  readonly env?: Readonly<Record<string, string>>;
  readonly load?: Partial<WorkloadOptions>;
}

export interface UnderLoad {
  readonly platform: Platform;
  readonly workload: Workload;
  readonly random: Random;
}

/**
 * Starts the platform and clients on it, lets the fault happen, and checks everything once it is over. Prints the seed, from which all
 * choices follow; the machine's scheduling does not.
 */
export async function underLoad(
  { mode, runtime = 'memory', env, load, ...check }: UnderLoadOptions,
  fault: (running: UnderLoad) => Promise<void>,
): Promise<{ workload: Workload; model: LogModel }> {
  const random = new Random(seedOfRun());
  const platform = await startPlatform({ mode, runtime, env: { SANDLOT_LOG_LEVEL: 'error', SANDLOT_METRICS_PORT: '0', ...env } });
  const workload = new Workload({ random: random.fork(), url: platform.url, adminKey: platform.adminKey, ...load });
  atEnd(() => workload.abandon());
  workload.start();
  try {
    const began = performance.now();
    await fault({ platform, workload, random });
    const over = performance.now();
    await workload.finish();
    const resolved = performance.now();
    const model = await checkPlatform(platform, workload.operations, { runtime, ...check });
    const seconds = [over - began, resolved - over, performance.now() - resolved].map((ms) => (ms / 1_000).toFixed(1));
    const [done, refused] = [workload.count('done'), workload.count('refused')];
    process.stderr.write(
      `faults ${seconds[0]} s, last outcome after ${seconds[1]} s, settled ${seconds[2]} s; ${done} done, ${refused} refused\n`,
    );
    await platform.stop();
    return { workload, model };
  } catch (error) {
    process.stderr.write(
      `--- the platform said:\n${(await platform.logs())
        .split('\n')
        .filter((line) => line.startsWith('{') || line.includes('cannot start'))
        .slice(-30)
        .join('\n')}\n`,
    );
    throw error;
  }
}
