import { setTimeout as pause } from 'node:timers/promises';
import type { Platform } from '../../testing/platform.js';
import type { Random } from './random.js';

/** What is killed, as often as it is named here in comparison with the others. */
const victims = {
  standalone: ['nats', 'nats', 'postgres', 'postgres', 'standalone'],
  processes: ['auth', 'provisioner', 'audit', 'gateway', 'proxy', 'nats', 'postgres'],
} as const;

/** SIGKILL to one process after the other, none of them expecting it; each is started again a moment later. Returns how often each died. */
export async function killAtRandom(platform: Platform, random: Random, forMs: number): Promise<Record<string, number>> {
  const deaths: Record<string, number> = {};
  const down = new Map<string, Promise<void>>();
  for (const end = performance.now() + forMs; performance.now() < end; await pause(random.between(100, 1_500))) {
    const name = random.pick(victims[platform.mode].filter((victim) => !down.has(victim)));
    if (name === undefined) continue;
    deaths[name] = (deaths[name] ?? 0) + 1;
    const back = killAndRestart(platform, name, random.between(0, 1_000)).then(() => void down.delete(name));
    back.catch(() => undefined); // awaited below
    down.set(name, back);
    if (name === 'standalone') await back;
  }
  await Promise.all(down.values());
  const alive = await platform.pids();
  const ended = victims[platform.mode].filter((name) => !alive[name]);
  if (ended.length > 0) throw new Error(`nobody killed ${ended.join(', ')}, and yet it has ended`);
  return deaths;
}

async function killAndRestart(platform: Platform, name: string, afterMs: number): Promise<void> {
  await platform.kill(name, 'SIGKILL');
  const itself = platform.mode === 'standalone' && name !== 'standalone';
  await pause(itself ? 2_000 : afterMs);
  if (!itself) await revive(platform, name);
}

/** As whoever runs services does: one whose start fails, because what it needs is being killed meanwhile, is started again. */
async function revive(platform: Platform, name: string): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await platform.restart(name);
    } catch (error) {
      if (tries === 5) throw error;
    }
  }
}
