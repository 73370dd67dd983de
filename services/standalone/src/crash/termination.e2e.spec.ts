import { setTimeout as pause } from 'node:timers/promises';
import type { Mode } from '../testing/platform.js';
import { rounds } from './testing/random.js';
import { underLoad } from './testing/under-load.js';
import { describe as inWords } from './testing/workload.js';

const services = ['gateway', 'auth', 'provisioner', 'audit', 'proxy'] as const;
const graceMs = 15_000;

describe.each<Mode>(['processes', 'standalone'])('stopped in the middle of everything, %s', (mode) => {
  it(
    'ends in time, and turns nobody away in another way than 503',
    async () => {
      const names =
        mode === 'standalone'
          ? Array.from({ length: 4 * rounds }, () => 'standalone')
          : Array.from({ length: 2 * rounds }, () => services).flat();
      const { workload } = await underLoad({ mode }, async ({ platform, random }) => {
        for (const name of names) {
          await pause(random.between(200, 1_500));
          const began = performance.now();
          await platform.kill(name, 'SIGTERM');
          expect({ name, inTime: performance.now() - began < graceMs }).toEqual({ name, inTime: true });
          await platform.restart(name);
        }
      });
      // A connection that nobody has taken yet when the port closes is reset by the kernel: that is no answer, and nothing has been accepted.
      const strange = workload.operations.filter(({ attempts }) =>
        attempts.some((attempt) => /^5/.test(attempt) && !attempt.startsWith('503')),
      );
      expect(strange.map(inWords)).toEqual([]);
    },
    300_000 * rounds,
  );
});
