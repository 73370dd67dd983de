import type { NatsServer } from '@sandlot/embedded';
import { atEnd, itUnless, natsServerBinary, stableTcpProxy, startTestNats, waitFor } from '@sandlot/testing';
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { underLoad } from './testing/under-load.js';

const backWithinMs = 15_000;
describe('between the services and NATS', () => {
  it('a cut, a silent and a slow network: work goes on when it is over, and nothing is done twice', async () => {
    const nats = await startTestNats();
    const network = await stableTcpProxy(nats.port);
    const env = { SANDLOT_NATS_URL: `nats://127.0.0.1:${network.port}` };
    await underLoad({ mode: 'standalone', env, natsUrl: nats.url }, async ({ workload, random }) => {
      for (const fault of ['cut', 'stall', 'delay', 'cut'] as const) {
        await pause(random.between(500, 1_500));
        if (fault === 'delay') network.delay(400);
        else network[fault]();
        await pause(fault === 'stall' ? random.between(5_000, 14_000) : random.between(1_000, 4_000));
        network.restore();
        await workload.progress(backWithinMs);
      }
    });
  }, 300_000);
});

const mounted = await smallDisk();

async function smallDisk(): Promise<string | undefined> {
  const dir = await mkdtemp(join(tmpdir(), 'sandlot-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=48m', 'sandlot-crash', dir], { stdio: 'ignore' });
    return dir;
  } catch {
    return undefined; // said by the title of what is skipped
  }
}

describe('the disk of NATS', () => {
  beforeAll(() => void (mounted && atEnd(() => execFileSync('umount', ['-l', mounted!]))));

  itUnless(mounted ? undefined : 'a small disk cannot be mounted: that takes root')(
    'full: commands are refused with 503 and Retry-After, the health of the platform names it, nothing is lost, and freed space and a restart of NATS are the way out',
    async () => {
      const nats: NatsServer = await startTestNats({ binary: await natsServerBinary(), dataDir: join(mounted!, 'nats'), monitor: true });
      const ballast = join(mounted!, 'ballast');
      await underLoad(
        { mode: 'standalone', env: { SANDLOT_NATS_URL: nats.url, SANDLOT_NATS_MONITORING_URLS: nats.monitorUrl! }, natsUrl: nats.url },
        async ({ platform, workload }) => {
          await pause(3_000);
          const { bavail, bsize } = await statfs(mounted!);
          await writeFile(ballast, Buffer.alloc(bavail * bsize)).catch(() => undefined);
          const before = workload.operations.length;
          const refused = () =>
            workload.operations.slice(before).flatMap(({ attempts }) => attempts.filter((attempt) => attempt.startsWith('503')));
          await waitFor(refused, { within: 60_000, describe: 'commands to be refused' }, (seen) => seen.length > 3);
          const health = async () =>
            (await fetch(`${platform.url}/api/v1/admin/health`, { headers: { 'x-api-key': platform.adminKey } })).text();
          await waitFor(health, { within: 30_000, describe: 'a health code of NATS' }, (text) => /SL-NATS-0[12]/.test(text));
          await rm(ballast);
          await nats.restart();
          await workload.progress(backWithinMs);
        },
      );
    },
    240_000,
  );
});
