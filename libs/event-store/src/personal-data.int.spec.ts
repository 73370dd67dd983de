import { randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { jetstream } from '@nats-io/jetstream';
import { aggregateRef, UserCreated } from '@sandlot/contracts';
import { newId } from '@sandlot/kernel';
import { startTestNats, tempDir } from '@sandlot/testing';
import { ensureStreams } from './domain-stream.js';
import { aCommand, write } from './event-store.features.js';
import { JetStreamEventStore } from './jetstream-event-store.js';
import { connectTo, startLog } from './jetstream-under-test.js';
import { masterKey } from './master-key.js';
import { testPersonalData } from './personal-data.features.js';
import { PersonalData } from './personal-data.js';
import { KvSubjectKeys } from './subject-keys.js';

describe.each([1, 3] as const)('%i replicas', (replicas) => {
  let ports: Promise<number[]> | undefined;
  let next = 0;
  testPersonalData('in JetStream', async () => {
    const all = await (ports ??= startLog(replicas));
    return KvSubjectKeys.open(await connectTo(all[(next += 1) % all.length]!));
  });
});

describe('a forgotten user', () => {
  it('cannot be read back from the whole log, and never stood in the files of NATS in clear', async () => {
    const dataDir = join(await tempDir(), 'nats');
    const server = await startTestNats({ dataDir });
    const connection = await connectTo(server.port);
    await ensureStreams(connection);
    const store = await JetStreamEventStore.open(connection);
    const keys = await KvSubjectKeys.open(connection);
    const masters = [masterKey(randomBytes(32))];
    const vault = new PersonalData(keys, masters);
    const [kept, forgotten] = [newId('usr'), newId('usr')];
    const email = (userId: string) => `someone@${userId}.example.com`;
    for (const userId of [kept, forgotten]) {
      const personal = { email: await vault.seal(userId, 'email', email(userId)), displayName: null };
      await store.append(aCommand(), [write(aggregateRef('user', userId), [UserCreated({ username: 'u', role: 'user', personal })])]);
    }
    await vault.forget(forgotten);

    const replayed = new Map<string, string | undefined>();
    const reader = new PersonalData(await KvSubjectKeys.open(connection), masters);
    for await (const message of await (await jetstream(connection).consumers.get('DOMAIN')).consume()) {
      const userId = message.subject.split('.').at(-1)!;
      replayed.set(userId, await reader.open(userId, 'email', message.json<{ personal: { email: string } }>().personal.email));
      if (message.info.pending === 0) break;
    }
    expect(Object.fromEntries(replayed)).toEqual({ [kept]: email(kept), [forgotten]: undefined });

    await server.stop();
    const files = await readdir(dataDir, { recursive: true, withFileTypes: true });
    const contents = await Promise.all(
      files.filter((file) => file.isFile()).map((file) => readFile(join(file.parentPath, file.name), 'latin1')),
    );
    expect(contents.join('')).not.toContain(email(forgotten));
  });
});
