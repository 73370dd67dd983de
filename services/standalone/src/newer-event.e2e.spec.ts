import { isDeepStrictEqual } from 'node:util';
import { headers } from '@nats-io/transport-node';
import { jetstream } from '@nats-io/jetstream';
import { aggregateRef, subjectOf, UserDisabled, type PlatformHealth } from '@sandlot/contracts';
import { JetStreamEventStore, revisionOf, toWire } from '@sandlot/event-store';
import { newId } from '@sandlot/kernel';
import { waitFor } from '@sandlot/testing';
import type { z } from 'zod';
import { connectAs } from './testing/nats-access.js';
import { startPlatform } from './testing/platform.js';
import { refused, succeeded } from './testing/problems.js';
import { newTenant } from './testing/tenants.js';

const outdated = [
  'SL-CONS-05 auth-forget',
  'SL-CONS-05 auth-key-directory',
  'SL-CONS-05 provisioner-user',
  'SL-PROJ-05 audit/trail',
  'SL-PROJ-05 auth/users',
];

/** The next event of a user, in a shape that no version has yet. */
async function disableAsNewerVersion(dataDir: string, userId: string): Promise<void> {
  const user = aggregateRef('user', userId);
  const nats = await connectAs('auth', dataDir);
  const last = (await (await JetStreamEventStore.open(nats)).read(user)).at(-1)!;
  const commandId = newId('cmd');
  const context = { commandId, at: new Date().toISOString(), actor: { type: 'service', id: 'auth' }, correlationId: commandId } as const;
  const [wire] = toWire(context, { aggregate: user, expected: revisionOf(last), facts: [UserDisabled({})] });
  const fields = headers();
  for (const [name, value] of wire!.headers) fields.set(name, value);
  fields.set('ce-type', 'dev.sandlot.user.disabled.v2');
  await jetstream(nats).publish(subjectOf(user), wire!.body, { headers: fields });
  await nats.close();
}

it('an event of a newer version is told as a service to update, and as no damage of the log', async () => {
  const { admin, dataDir } = await startPlatform({ mode: 'standalone', runtime: 'memory' });
  const { user } = await newTenant(admin, 'alice');
  await disableAsNewerVersion(dataDir, user.id);
  const { items } = await waitFor(
    async () => succeeded(await admin.get('/api/v1/admin/health'), 200).json<z.infer<typeof PlatformHealth>>(),
    { describe: 'all that met the event to say so, and nothing else' },
    (health) => isDeepStrictEqual(health.items.map(({ code, subject }) => `${code} ${subject}`).sort(), outdated),
  );
  for (const { severity, message } of items) expect([severity, message]).toEqual(['warning', expect.stringContaining('user.disabled.v2')]);
  refused(await admin.patch(`/api/v1/admin/users/${user.id}`, { displayName: 'Alice' }), 'NEWER_EVENT');
}, 120_000);
