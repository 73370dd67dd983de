import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { NatsConnection } from '@nats-io/transport-node';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import { aggregateRef, DOMAIN_STREAM, UsernameReserved } from '@sandlot/contracts';
import { natsIdentities, natsUsers } from '@sandlot/embedded';
import { ensureStreams, JetStreamEventStore, nothing, serviceContext, verifiedLog } from '@sandlot/event-store';
import { newId } from '@sandlot/kernel';
import { connectNats } from '@sandlot/service-kit';
import { atEnd, startTestNats, tempDir, waitFor } from '@sandlot/testing';
import { FolderStore } from './folder-store.js';
import { remembered } from './history.js';
import { readManifest, restoreBackup } from './restore.js';
import { takeBackup } from './take.js';

const names = Array.from({ length: 50 }, (_, i) => `user-${i}`);
const quiet = { log: () => undefined };
const options = { ...quiet, version: '0.1.0', now: () => new Date('2026-11-26T21:00:00.000Z'), checkLog: true };

/** A NATS that knows the services' identities, and connections as them. */
async function platform() {
  const identities = await natsIdentities(join(await tempDir(), 'identities'));
  const nats = await startTestNats({ users: natsUsers(identities) });
  const as = async (service: 'migrator' | 'auth' | 'gateway' | 'backup' | 'restorer'): Promise<NatsConnection> => {
    const seed = (await readFile(identities[service].seedFile, 'utf8')).trim();
    const connection = await connectNats({ SANDLOT_NATS_URL: nats.url, SANDLOT_NATS_NKEY: seed }, service);
    atEnd(() => connection.close());
    return connection;
  };
  return as;
}

describe('a backup of the streams, with the identities that may', () => {
  let as: Awaited<ReturnType<typeof platform>>;
  let auth: NatsConnection;
  let backup: NatsConnection;
  let store: FolderStore;
  let restorer: NatsConnection;
  let otherAuth: NatsConnection;

  beforeAll(async () => {
    as = await platform();
    await ensureStreams(await as('migrator'));
    [auth, backup] = [await as('auth'), await as('backup')];
    const log = await JetStreamEventStore.open(auth);
    for (const name of names)
      await log.append(serviceContext('auth', nothing), [
        { aggregate: aggregateRef('username', name), expected: nothing, facts: [UsernameReserved({ userId: newId('usr') })] },
      ]);
    const manager = await jetstreamManager(auth, { checkAPI: false });
    await manager.consumers.add(DOMAIN_STREAM, { durable_name: 'auth-forget', ack_policy: 'explicit' as never });
    const message = await (await jetstream(auth).consumers.get(DOMAIN_STREAM, 'auth-forget')).next();
    await message!.ackAck();
    store = new FolderStore(await tempDir());
    const other = await platform();
    [restorer, otherAuth] = [await other('restorer'), await other('auth')];
  }, 60_000);

  it('has every event, the consumers and where they stand, and is checked on both sides', async () => {
    const { id, log, streams } = await takeBackup(backup, store, options);
    expect({ id, log }).toEqual({ id: '20261126T210000Z', log: { upTo: names.length, checked: true } });
    expect(streams.map(({ name }) => name)).toEqual(['DOMAIN', 'KV_subject-keys', 'DEAD', 'ACCESS']);
    const manifest = await readManifest(store, id);
    expect(await restoreBackup(restorer, store, manifest, { ...quiet, replace: false, replicas: 1 })).toEqual({ upTo: names.length });
    expect(await verifiedLog(restorer)).toEqual({ ok: true, upTo: names.length });
    const { ack_floor: floor, num_pending: pending } = await (
      await jetstreamManager(restorer, { checkAPI: false })
    ).consumers.info(DOMAIN_STREAM, 'auth-forget');
    expect([floor.stream_seq, pending]).toEqual([1, names.length - 1]);
  }, 60_000);

  it('tells the platform that it is there, and not where', async () => {
    const gateway = await as('gateway');
    const told = await (await new Kvm(gateway).open('operations')).get('backup.last');
    expect(told!.json()).toEqual({
      id: '20261126T210000Z',
      at: '2026-11-26T21:00:00.000Z',
      events: names.length,
      bytes: expect.any(Number),
      durationMs: 0,
      target: 'folder',
      logChecked: true,
    });
  });

  it('is remembered with those that fail', async () => {
    const gateway = await as('gateway');
    const history = async () => (await (await new Kvm(gateway).open('operations')).get('backup.history'))?.json();
    const now = () => new Date('2026-11-26T22:00:00.000Z');
    const taking = () => remembered(backup, () => takeBackup(backup, store, { ...options, now }), { ...quiet, now });
    await taking();
    expect(await history()).toEqual({ successes: 1, failures: 0, lastFailure: null });
    await expect(taking()).rejects.toThrow('try again in a second');
    const message = expect.stringContaining('has a backup 20261126T220000Z already');
    expect(await history()).toEqual({ successes: 1, failures: 1, lastFailure: { at: '2026-11-26T22:00:00.000Z', message } });
  });

  it('is one also where nobody can be told, which it says', async () => {
    const lines: string[] = [];
    const taken = remembered(auth, () => Promise.resolve('taken'), { now: () => new Date(), log: (line) => lines.push(line) });
    expect(await taken).toBe('taken');
    expect(lines).toEqual([expect.stringContaining('the platform could not be told')]);
  }, 20_000);

  it('is not put over another platform unless one says so', async () => {
    const manifest = await readManifest(store, '20261126T210000Z');
    const restoring = (replace: boolean) => restoreBackup(restorer, store, manifest, { ...quiet, replace, replicas: 1 });
    await expect(restoring(false)).rejects.toThrow('there is a platform already, with messages in DOMAIN (50)');
    expect(await restoring(true)).toEqual({ upTo: names.length });
  }, 60_000);

  it('is not put under services that run', async () => {
    const manifest = await readManifest(store, '20261126T210000Z');
    const reading = await (await jetstream(otherAuth).consumers.get(DOMAIN_STREAM, 'auth-forget')).consume({ callback: () => undefined });
    const restoring = () => restoreBackup(restorer, store, manifest, { ...quiet, replace: true, replicas: 1 });
    const { consumers } = await jetstreamManager(restorer, { checkAPI: false });
    await waitFor(async () => (await consumers.info(DOMAIN_STREAM, 'auth-forget')).num_waiting > 0, { describe: 'somebody to read' });
    await expect(restoring()).rejects.toThrow('services run: somebody reads auth-forget');
    await reading.close();
    await otherAuth.close();
    await waitFor(restoring, { describe: 'a restore' }, ({ upTo }) => upTo === names.length);
  }, 60_000);

  it('is refused where a master key that it needs is missing', async () => {
    const manifest = { ...(await readManifest(store, '20261126T210000Z')), masterKeys: ['0123456789abcdef'] };
    const restoring = restoreBackup(restorer, store, manifest, { ...quiet, replace: true, replicas: 1, masterKeys: ['another'] });
    await expect(restoring).rejects.toThrow('the master key 0123456789abcdef is not here');
    expect(await verifiedLog(restorer)).toMatchObject({ ok: true, upTo: names.length });
  });

  it('is refused, and nothing touched, when a part is not what was written', async () => {
    const manifest = await readManifest(store, '20261126T210000Z');
    const part = join(store.place, manifest.streams[0]!.parts[0]!.name);
    const bytes = await readFile(part);
    bytes[bytes.length >> 1]! ^= 1;
    await writeFile(part, bytes);
    await expect(restoreBackup(restorer, store, manifest, { ...quiet, replace: true, replicas: 1 })).rejects.toThrow(
      'is not what was written',
    );
    expect(await verifiedLog(restorer)).toMatchObject({ ok: true, upTo: names.length });
  });
});
