import type { Mode } from '../testing/platform.js';
import { killAtRandom } from './testing/random-kills.js';
import { rounds } from './testing/random.js';
import { underLoad } from './testing/under-load.js';

const load = { clients: 4, pauseMs: 200, users: 5 };

describe.each<Mode>(['processes', 'standalone'])('every process, NATS and PostgreSQL included, killed at random under load, %s', (mode) => {
  it(
    'loses, doubles and halves nothing, and converges',
    async () => {
      const { workload } = await underLoad({ mode, runtime: 'process', load }, async ({ platform, random }) => {
        const deaths = await killAtRandom(platform, random.fork(), 15_000 * rounds);
        process.stderr.write(`${mode}: ${JSON.stringify(deaths)}\n`);
      });
      expect(workload.count('done')).toBeGreaterThan(20);
    },
    200_000 + 60_000 * rounds,
  );
});
