import { readFile } from 'node:fs/promises';
import { nkeyAuthenticator, type NatsConnection } from '@nats-io/transport-node';
import { jetstreamManager, StorageType, type JetStreamManager, type StreamConfig } from '@nats-io/jetstream';
import { natsIdentities, natsUsers } from '@sandlot/embedded';
import { startTestNats, tempDir } from '@sandlot/testing';
import { ensureStreams } from './domain-stream.js';
import { aCommand, anAggregate, renamed, write } from './event-store.features.js';
import { JetStreamEventStore } from './jetstream-event-store.js';
import { connectTo } from './jetstream-under-test.js';
import { verifiedLog } from './log-verifier.js';
import { KvSubjectKeys } from './subject-keys.js';

const everyStream = ['ACCESS', 'DEAD', 'DOMAIN', 'KV_idempotency', 'KV_keys', 'KV_operations', 'KV_routes', 'KV_subject-keys'];

describe('the streams', () => {
  let connection: NatsConnection;
  let manager: JetStreamManager;

  const config = async (stream: string): Promise<StreamConfig> => (await manager.streams.info(stream)).config;
  const made = async (): Promise<string[]> => {
    const names: string[] = [];
    for await (const name of manager.streams.names()) names.push(name);
    return names.sort();
  };

  beforeEach(async () => {
    connection = await connectTo((await startTestNats()).port);
    manager = await jetstreamManager(connection);
  });

  it('are made, and left as they are the second time', async () => {
    await ensureStreams(connection);
    const before = await Promise.all(everyStream.map((name) => manager.streams.info(name)));
    await ensureStreams(connection);
    expect(await made()).toEqual(everyStream);
    expect((await Promise.all(everyStream.map(config))).map((each) => JSON.stringify(each))).toEqual(
      before.map((info) => JSON.stringify(info.config)),
    );
    expect(await config('DOMAIN')).toMatchObject({
      subjects: ['sandlot.*.*.*'],
      storage: 'file',
      discard: 'new',
      deny_delete: true,
      deny_purge: true,
      allow_direct: true,
      allow_atomic: true,
      max_age: 0,
      max_bytes: -1,
      max_msgs: -1,
      duplicate_window: 120e9,
    });
    expect(await config('ACCESS')).toMatchObject({ subjects: ['access.>'], discard: 'old', max_age: 7 * 86_400e9 });
    expect(await config('KV_idempotency')).toMatchObject({ max_age: 86_400e9, max_msgs_per_subject: 1 });
    expect(await config('KV_subject-keys')).toMatchObject({ allow_direct: false, max_msgs_per_subject: 1 });
  });

  it('take no deletion from anybody', async () => {
    await ensureStreams(connection);
    await connection.request('sandlot.auth.user.usr_1', 'x');
    await expect(manager.streams.purge('DOMAIN')).rejects.toThrow();
    await expect(manager.streams.deleteMessage('DOMAIN', 1)).rejects.toThrow();
    expect((await manager.streams.info('DOMAIN')).state.messages).toBe(1);
  });

  it('are brought up to their settings where that is safe', async () => {
    await ensureStreams(connection);
    await manager.streams.update('DOMAIN', { ...(await config('DOMAIN')), allow_direct: false, duplicate_window: 1e9, max_msg_size: 100 });
    await ensureStreams(connection, { accessDays: 30 });
    expect(await config('DOMAIN')).toMatchObject({ allow_direct: true, duplicate_window: 120e9, max_msg_size: 65_536 });
    expect(await config('ACCESS')).toMatchObject({ max_age: 30 * 86_400e9 });
  });

  it.each<[string, Partial<StreamConfig>]>([
    ['could be deleted from', { deny_delete: false }],
    ['could be purged', { deny_purge: false }],
    ['is in memory', { storage: StorageType.Memory }],
    ['forgets by age', { max_age: 3_600e9, duplicate_window: 60e9 }],
    ['forgets by number', { max_msgs: 10 }],
    ['takes other subjects', { subjects: ['sandlot.>'] }],
  ])('are refused, and left alone, when the log %s', async (_, change) => {
    const other = {
      name: 'DOMAIN',
      subjects: ['sandlot.*.*.*'],
      deny_delete: true,
      deny_purge: true,
      discard: 'new',
      ...change,
    } as StreamConfig;
    await manager.streams.add(other);
    const before = await config('DOMAIN');
    await expect(ensureStreams(connection)).rejects.toThrow(
      `DOMAIN exists with settings that are not safe to change: ${Object.keys(change)[0]}`,
    );
    expect(await config('DOMAIN')).toEqual(before);
  });
});

it('the migrator may make the streams, and no other service, which can then do its work', async () => {
  const identities = await natsIdentities(await tempDir());
  const server = await startTestNats({ users: natsUsers(identities) });
  const connectAs = async (service: 'migrator' | 'auth') =>
    connectTo(server.port, {
      authenticator: nkeyAuthenticator(await readFile(identities[service].seedFile)),
      inboxPrefix: `_INBOX_${service}`,
    });
  await expect(ensureStreams(await connectAs('auth'))).rejects.toThrow();
  const migrator = await connectAs('migrator');
  await ensureStreams(migrator);
  await ensureStreams(migrator, { accessDays: 8 });

  const auth = await connectAs('auth');
  const store = await JetStreamEventStore.open(auth);
  const aggregate = anAggregate();
  expect(await store.append(aCommand(), [write(aggregate, renamed('a', 'b'))])).toMatchObject({ outcome: 'appended' });
  expect(await store.append(aCommand(), [write(aggregate, renamed('c'))])).toMatchObject({ outcome: 'conflict' });
  expect(await store.read(aggregate)).toHaveLength(2);
  expect(await verifiedLog(auth)).toEqual({ ok: true, upTo: 2 });
  const keys = await KvSubjectKeys.open(auth);
  expect(await keys.put('usr_1', Buffer.from('{}'), 0)).toBe(true);
  await keys.destroy('usr_1');
  expect(await keys.get('usr_1')).toEqual({ status: 'destroyed' });
  await keys.put('usr_2', Buffer.from('{}'), 0);
  expect(await keys.userIds()).toEqual(['usr_2']);
});
