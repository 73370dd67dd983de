import { headers } from '@nats-io/transport-node';
import type { ConsumerList } from '@sandlot/contracts';
import { newId } from '@sandlot/kernel';
import { atEnd, waitFor } from '@sandlot/testing';
import { readFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import type { z } from 'zod';
import type { Client } from '../testing/http-client.js';
import { startPlatform } from '../testing/platform.js';
import { succeeded } from '../testing/problems.js';
import { newTenant } from '../testing/tenants.js';
import { blocked } from './testing/database.js';
import { natsAs } from './testing/log-reader.js';
import { all, stand, states, tell, views } from './testing/projections.js';
import { rounds } from './testing/random.js';
import { underLoad } from './testing/under-load.js';

describe('projections and consumers under load', () => {
  it(
    'rebuilt and replayed from the beginning again and again: nobody sees a half, and nothing is done twice',
    async () => {
      await underLoad({ mode: 'standalone' }, async ({ platform: { admin }, workload, random }) => {
        const tenant = await newTenant(admin, 'witness');
        succeeded(await tenant.api.post('/api/v1/sandboxes', { name: 'seen' }, { prefer: 'wait=20' }), 201);
        const seen = watch(tenant.api);
        for (let round = 0; round < 3 * rounds; round += 1) {
          await pause(random.between(500, 2_000));
          await tell(admin, 'rebuild', all, { reason: 'a test' });
          const names = (await consumers(admin)).map(({ name }) => name);
          await Promise.all(names.map((name) => admin.post(`/api/v1/admin/consumers/${name}/replay`, { fromPosition: 1 })));
        }
        await waitFor(
          () => views(admin),
          { within: 30_000, describe: 'the rebuilds to end' },
          (each) => each.every(({ rebuild }) => !rebuild),
        );
        expect(await seen.end()).toEqual([]);
        await workload.progress(10_000);
      });
    },
    240_000 * rounds,
  );

  it('one that is held up: its lag is seen, the others go on, memory stays', async () => {
    await underLoad({ mode: 'standalone' }, async ({ platform, workload }) => {
      const { admin, dataDir } = platform;
      await pause(2_000);
      const { standalone } = await platform.pids();
      const before = await residentBytes(standalone!);
      const release = await blocked(dataDir, 'provisioner_blue.sandboxes, provisioner_green.sandboxes');
      await waitFor(
        () => views(admin),
        { within: 30_000, describe: 'the lag to be seen' },
        (each) => {
          const lag = Object.fromEntries(each.map(({ name, lagEvents }) => [name, lagEvents ?? 0]));
          return lag['sandboxes']! > 50 && lag['users']! < lag['sandboxes']!;
        },
      );
      await workload.progress(10_000);
      await pause(5_000);
      await release();
      expect((await residentBytes(standalone!)) - before).toBeLessThan(200 * 2 ** 20);
    });
  }, 180_000);
});

describe('a record in the log that is no event', () => {
  it('parks the projections that need it and no other; leaving it out is an event', async () => {
    const platform = await startPlatform({
      mode: 'standalone',
      runtime: 'memory',
      env: { SANDLOT_METRICS_PORT: '0', SANDLOT_LOG_LEVEL: 'fatal' },
    });
    const { admin } = platform;
    await newTenant(admin, 'alice');
    await stand(admin, 'running');
    const position = await publishPoison(platform.dataDir);
    await stand(admin, 'POISON', ['auth/api_keys', 'audit/trail']);
    const bob = await newTenant(admin, 'bob');
    succeeded(await bob.api.post('/api/v1/sandboxes', { name: 's1' }, { prefer: 'wait=20' }), 201);
    expect(await states(admin)).toMatchObject({ 'auth/users': 'running', 'provisioner/sandboxes': 'running' });
    await tell(admin, 'skip', ['auth/api_keys', 'audit/trail'], { position, reason: 'no event' });
    await stand(admin, 'running');
    const skipped = succeeded(await admin.get('/api/v1/audit-logs?action=projection.position-skipped'), 200).json<{
      items: { actor: string }[];
    }>();
    expect(skipped.items.map(({ actor }) => actor)).toEqual(['admin', 'admin']);
    const dead = await waitFor(
      () => consumers(admin),
      { describe: 'the dead letter' },
      (each) => each.some(({ deadLetters }) => deadLetters > 0),
    );
    expect(dead.filter(({ deadLetters }) => deadLetters > 0).map(({ name }) => name)).toEqual(['auth-key-directory']);
    await platform.stop();
  }, 90_000);
});

/** As nobody but a migrator or somebody who broke in could: with the subject and the version of an event, and nonsense inside. */
async function publishPoison(dataDir: string): Promise<number> {
  const connection = await natsAs('auth', dataDir);
  const hdrs = headers();
  for (const [name, value] of Object.entries({
    'ce-specversion': '1.0',
    'ce-version': '1',
    'ce-type': 'dev.sandlot.apikey.created.v1',
    'ce-id': newId('evt'),
  }))
    hdrs.set(name, value);
  const reply = await connection.request(`sandlot.auth.apikey.${newId('key')}`, '{"half": ', { headers: hdrs, timeout: 5_000 });
  await connection.close();
  return reply.json<{ seq: number }>().seq;
}

async function consumers(admin: Client) {
  return succeeded(await admin.get('/api/v1/admin/consumers'), 200).json<z.output<typeof ConsumerList>>().items;
}

async function residentBytes(pid: number): Promise<number> {
  return Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${pid}/status`, 'utf8'))![1]) * 1024;
}

/** Asks for a list all the time; what was ever wrong with it. */
function watch(api: Client): { end(): Promise<string[]> } {
  const wrong: string[] = [];
  let ended = false;
  atEnd(() => (ended = true));
  const watching = (async () => {
    while (!ended) {
      const reply = await api.get('/api/v1/sandboxes').catch((error: Error) => error.message);
      if (typeof reply === 'string') wrong.push(reply);
      else if (reply.status !== 200 || reply.json<{ items: unknown[] }>().items.length !== 1) wrong.push(`${reply.status} ${reply.text}`);
      await pause(20);
    }
  })();
  return {
    async end() {
      ended = true;
      await watching;
      return wrong;
    },
  };
}
