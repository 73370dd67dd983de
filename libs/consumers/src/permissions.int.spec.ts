import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Payload } from '@nestjs/microservices';
import { connect, nkeyAuthenticator, type NatsConnection } from '@nats-io/transport-node';
import { inboxPrefix, natsIdentities, natsUsers, type NatsService } from '@sandlot/embedded';
import { newId } from '@sandlot/kernel';
import { aggregateRef, allOf, ApiKeyRevoked, UserDisabled } from '@sandlot/contracts';
import { Commands, ensureStreams, JetStreamEventStore, nothing, type RecordedEvent } from '@sandlot/event-store';
import { atEnd, startTestNats, tempDir, waitFor } from '@sandlot/testing';
import { ConsumerAdmin, dead, DurableConsumer, idsOf, OnEvent } from './index.js';
import { serve } from './test-service.js';

const actor = { type: 'admin', id: 'usr_operator' } as const;
function command() {
  const commandId = newId('cmd');
  return { commandId, at: new Date().toISOString(), actor, correlationId: commandId };
}

describe('consumers and their operators', () => {
  it('need no more than the permissions of their service, on the streams as they are made', async () => {
    const identities = await natsIdentities(join(await tempDir(), 'identities'));
    const nats = await startTestNats({ users: natsUsers(identities) });
    const connectAs = async (service: NatsService): Promise<NatsConnection> => {
      const authenticator = nkeyAuthenticator(await readFile(identities[service].seedFile));
      const connection = await connect({ servers: nats.url, authenticator, inboxPrefix: inboxPrefix(service) });
      atEnd(() => connection.close());
      return connection;
    };
    await ensureStreams(await connectAs('migrator'));
    const connection = await connectAs('auth');
    const refused: string[] = [];
    void (async () => {
      for await (const status of connection.status()) if (status.type === 'error') refused.push(status.error.message);
    })();

    const seen: string[] = [];
    const broken = new Set(['u2']);
    @DurableConsumer({ durable: 'auth-key-directory', onError: () => dead('no') })
    class KeyDirectory {
      @OnEvent(allOf('user'), allOf('apikey'))
      changed(@Payload() event: RecordedEvent) {
        if (broken.has(event.aggregate.id)) throw new Error('no');
        seen.push(event.aggregate.id);
      }
    }
    const store = await JetStreamEventStore.open(connection);
    const append = (kind: 'user' | 'apikey', id: string) =>
      store.append(command(), [
        { aggregate: aggregateRef(kind, id), expected: nothing, facts: [kind === 'user' ? UserDisabled({}) : ApiKeyRevoked({})] },
      ]);
    const { server } = await serve(connection, [KeyDirectory]);
    const admin = new ConsumerAdmin({ server, service: 'auth', commands: new Commands(store) });
    await append('user', 'u1');
    await append('user', 'u2');
    await append('apikey', 'k1');
    await waitFor(
      async () => (await admin.list())[0],
      {},
      (view) => view?.position === 3,
    );

    const [letter] = await admin.deadLetters({ limit: 10 });
    broken.clear();
    await admin.replayDeadLetter(command(), letter!.id);
    expect(await admin.deadLetters({ limit: 10 })).toEqual([]);
    await admin.pause(command(), 'auth-key-directory', new Date(Date.now() + 60_000));
    await admin.resume(command(), 'auth-key-directory');
    await admin.replayFrom(command(), 'auth-key-directory', new Date(0));
    await waitFor(() => seen.length === 6);
    const ids: string[] = [];
    for await (const id of idsOf(connection, 'user')) ids.push(id);
    expect(ids).toEqual(['u1', 'u2']);
    expect(refused).toEqual([]);
  });
});
