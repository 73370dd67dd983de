import { crashPoints } from '@sandlot/kernel';
import { startPlatform, type Mode, type Platform } from '../testing/platform.js';
import { checkPlatform } from './testing/checker.js';
import { Deaths, pointsOf } from './testing/deaths.js';
import { Random, rounds, seedOfRun } from './testing/random.js';
import { Workload } from './testing/workload.js';

const wanted = Number(process.env['CRASH_DEATHS'] ?? 20) * rounds;

describe.each<Mode>(['standalone', 'processes'])('killed at every named point under load, %s', (mode) => {
  it('loses, doubles and halves nothing, and converges', async () => {
    const random = new Random(seedOfRun());
    const platform: Platform = await startPlatform({ mode, runtime: 'memory', env: { SANDLOT_LOG_LEVEL: 'error', SANDLOT_METRICS_PORT: '0' } });
    const workload = new Workload({ random: random.fork(), url: platform.url, adminKey: platform.adminKey });
    console.error('start', performance.now());workload.start();
    const deaths = new Deaths(platform, wanted, random.fork());
    await deaths.inflict(mode === 'standalone' ? { standalone: crashPoints } : pointsOf);
    console.error('deaths', performance.now()); await platform.start();
    await workload.finish();
    console.error('finished', performance.now());await checkPlatform(platform, workload.operations, { runtime: 'memory' });
    process.stderr.write(`${mode}: ${JSON.stringify([...deaths.counts])}, ${deaths.survived} killed by us; ${workload.count('done')} done, ${workload.count('refused')} refused\n`);
    await platform.stop();
  }, 600_000 * rounds);
});
