import { Command } from 'commander';
import type { PlatformHealth } from '@sandlot/contracts';
import { Failure } from '../failure.js';
import type { Act } from './act.js';

export function healthCommand(act: Act): Command {
  return new Command('health').description('what is wrong, since when, and what to do; fails when an error is among it').action(
    act(async (session) => {
      const health = await (await session.api()).get<PlatformHealth>('/api/v1/admin/health');
      session.output.list(health.items, ['code', 'severity', 'subject', 'since', 'message', 'hint'], health);
      session.output.say(`the platform is ${health.status === 'ok' ? 'well' : `in state ${health.status}`}`);
      if (health.status === 'error') throw new Failure('failed', 'the platform is not well');
    }),
  );
}
