import { jetstreamManager } from '@nats-io/jetstream';
import { ACCESS_STREAM } from '@sandlot/contracts';
import { startTestNats, waitFor } from '@sandlot/testing';
import type { Client } from '../testing/http-client.js';
import { startPlatform } from '../testing/platform.js';
import { refused, succeeded } from '../testing/problems.js';
import { newTenant } from '../testing/tenants.js';
import { natsAs } from './testing/log-reader.js';

describe('the stream of what passed through the door, lost', () => {
  it('keeps no command and no trail of commands from working; made again, it is told of refusals again', async () => {
    const nats = await startTestNats();
    const env = { SANDLOT_METRICS_PORT: '0', SANDLOT_LOG_LEVEL: 'error', SANDLOT_NATS_URL: nats.url };
    const platform = await startPlatform({ mode: 'standalone', runtime: 'memory', env });
    const { admin } = platform;
    await newTenant(admin, 'alice');
    for (let count = 1; count <= 3; count += 1) await refusal(platform.nobody, 'before');
    await refusalsTold(admin, 'before', 3);
    const connection = await natsAs('migrator', platform.dataDir, nats.url);
    await (await jetstreamManager(connection)).streams.delete(ACCESS_STREAM);
    await connection.close();

    await newTenant(admin, 'bob');
    await refusal(platform.nobody, 'meanwhile');
    const told = () => admin.get('/api/v1/audit-logs?action=user.created&target=bob');
    await waitFor(told, { describe: 'the trail to tell of bob' }, ({ status, text }) => status === 200 && text.includes('"bob"'));

    await platform.stop();
    await platform.start();
    await refusal(platform.nobody, 'after');
    await refusalsTold(admin, 'after', 1);
    await platform.stop();
  }, 120_000);
});

async function refusal(nobody: Client, mark: string): Promise<void> {
  refused(await nobody.get(`/api/v1/sandboxes/${mark}`), 'UNAUTHENTICATED');
}

async function refusalsTold(admin: Client, mark: string, count: number): Promise<void> {
  const look = async () =>
    succeeded(await admin.get('/api/v1/audit-logs?action=request.refused&limit=200'), 200).json<{ items: { targetId: string }[] }>().items;
  await waitFor(
    look,
    { within: 20_000, describe: `${count} refusals ${mark}` },
    (items) => items.filter(({ targetId }) => targetId.endsWith(mark)).length === count,
  );
}
