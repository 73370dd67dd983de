import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { waitFor } from '@sandlot/testing';
import { rounds } from './testing/random.js';
import { sql } from './testing/database.js';
import { underLoad } from './testing/under-load.js';

describe('PostgreSQL', () => {
  it(
    'stopped at once, its sessions killed in the middle of a transaction, its data deleted: every answer comes back',
    async () => {
      await underLoad({ mode: 'standalone' }, async ({ platform, workload, random }) => {
        for (let round = 0; round < 8 * rounds; round += 1) {
          await pause(random.between(200, 1_500));
          const { postgres } = await platform.pids();
          const victim = round % 4 === 3 ? postgres : await session(platform.dataDir);
          if (victim) process.kill(victim, round % 4 === 3 ? 'SIGQUIT' : 'SIGKILL');
        }
        await platform.stop();
        await rm(join(platform.dataDir, 'postgres'), { recursive: true });
        await platform.start();
        await workload.progress(15_000);
      });
    },
    200_000 * rounds,
  );
});

/** One that writes at this moment, else any. */
async function session(dataDir: string): Promise<number | undefined> {
  const statement = `select pid from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid() order by (xact_start is null), random() limit 1`;
  const found = await waitFor(
    () => sql<{ pid: number }>(dataDir, statement),
    { within: 15_000, describe: 'a session of PostgreSQL' },
    (rows) => rows.length > 0,
  );
  return found[0]?.pid;
}
