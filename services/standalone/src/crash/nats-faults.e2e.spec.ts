import type { NatsServer } from '@sandlot/embedded';
import { atEnd, natsServerBinary, stableTcpProxy, startTestNats, tempDir, waitFor } from '@sandlot/testing';
import { execFileSync } from 'node:child_process';
import { rm, statfs, writeFile } from 'node:fs/promises';
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

describe('the disk of NATS', () => {
  let mounted: string | undefined;

  beforeAll(async () => {
    const dir = await tempDir();
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=48m', 'sandlot-crash', dir], { stdio: 'ignore' });
    } catch {
      return; // only root may
    }
    mounted = dir;
    atEnd(() => execFileSync('umount', ['-l', dir]));
  });

  it('full: commands are refused with 503 and Retry-After, nothing is lost, and freed space and a restart of NATS are the way out', async () => {
    if (!mounted) return void process.stderr.write('not tried: only root may mount a small disk\n');
    const nats: NatsServer = await startTestNats({ binary: await natsServerBinary(), dataDir: join(mounted, 'nats') });
    const ballast = join(mounted, 'ballast');
    await underLoad({ mode: 'standalone', env: { SANDLOT_NATS_URL: nats.url }, natsUrl: nats.url }, async ({ workload }) => {
      await pause(3_000);
      const { bavail, bsize } = await statfs(mounted!);
      await writeFile(ballast, Buffer.alloc(bavail * bsize)).catch(() => undefined);
      const before = workload.operations.length;
      const refused = () =>
        workload.operations.slice(before).flatMap(({ attempts }) => attempts.filter((attempt) => attempt.startsWith('503')));
      await waitFor(refused, { within: 60_000, describe: 'commands to be refused' }, (seen) => seen.length > 3);
      await pause(3_000);
      await rm(ballast);
      await nats.restart();
      await workload.progress(backWithinMs);
    });
  }, 240_000);
});
