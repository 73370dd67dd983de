import { crashPoints } from '@sandlot/kernel';
import type { Mode } from '../testing/platform.js';
import { Deaths, pointsOf } from './testing/deaths.js';
import { rounds } from './testing/random.js';
import { underLoad } from './testing/under-load.js';

/** A death of the standalone takes its servers along, and costs four times as much as one of a service. */
const deathsOfEachPoint: Record<Mode, number> = { standalone: 3 * rounds, processes: 20 * rounds };

describe.each<Mode>(['standalone', 'processes'])('killed at every named point under load, %s', (mode) => {
  it(
    'loses, doubles and halves nothing, and converges',
    async () => {
      let total = 0;
      const { workload } = await underLoad({ mode }, async ({ platform, random }) => {
        const deaths = new Deaths(platform, deathsOfEachPoint[mode], random.fork());
        await deaths.inflict(mode === 'standalone' ? { standalone: crashPoints } : pointsOf);
        total = deaths.total;
        await platform.start();
      });
      expect(workload.count('done')).toBeGreaterThan(total);
    },
    1_200_000 * rounds,
  );
});
