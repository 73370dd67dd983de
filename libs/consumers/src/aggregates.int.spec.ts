import { StorageType, type JetStreamManager } from '@nats-io/jetstream';
import { DOMAIN_STREAM } from '@sandlot/contracts';
import { waitFor } from '@sandlot/testing';
import { idsOf } from './index.js';
import { domainStream, startTestLog } from './test-service.js';

/** What is published without waiting for an answer is stored a little later. */
async function stored(manager: JetStreamManager, events: number): Promise<void> {
  const messages = async () => (await manager.streams.info(DOMAIN_STREAM)).state.messages;
  await waitFor(messages, { describe: `${events} events in the log` }, (count) => count === events);
}

describe('the ids of all aggregates of a kind', () => {
  it('are each given once, from a log of many', async () => {
    const { connection, manager } = await startTestLog();
    await manager.streams.delete(DOMAIN_STREAM);
    await manager.streams.add({ ...domainStream, storage: StorageType.Memory }); // what is read does not depend on it
    const users = 20_000;
    for (let i = 0; i < users; i += 1) {
      connection.publish(`sandlot.auth.user.u${i}`, '{}');
      if (i % 4 === 0) connection.publish(`sandlot.auth.user.u${i >> 1}`, '{}');
      if (i % 4 === 1) connection.publish(`sandlot.auth.apikey.k${i}`, '{}');
      if (i % 2_000 === 0) await connection.flush();
    }
    await stored(manager, users + users / 4 + users / 4);
    const ids: string[] = [];
    for await (const id of idsOf(connection, 'user')) ids.push(id);
    expect(ids).toHaveLength(users);
    expect(new Set(ids).size).toBe(users);
    expect(ids.every((id) => id.startsWith('u'))).toBe(true);
  });

  it('are none in an empty log, or when there are only others', async () => {
    const { connection, manager } = await startTestLog();
    const count = async () => {
      let found = 0;
      for await (const _ of idsOf(connection, 'user')) found += 1;
      return found;
    };
    expect(await count()).toBe(0);
    connection.publish('sandlot.auth.apikey.k1', '{}');
    await stored(manager, 1);
    expect(await count()).toBe(0);
  });

  it('end, though the log goes on growing', async () => {
    const { connection, manager } = await startTestLog();
    const users = 1_200;
    for (let i = 0; i < users; i += 1) connection.publish(`sandlot.auth.user.u${i}`, '{}');
    await stored(manager, users);
    let found = 0;
    for await (const _ of idsOf(connection, 'user')) {
      found += 1;
      if (found > 2 * users) break;
      connection.publish(`sandlot.auth.user.later-${found}`, '{}');
      if (found % 100 === 0) await connection.flush();
    }
    expect(found).toBeGreaterThanOrEqual(users);
    expect(found).toBeLessThanOrEqual(users + 1);
  });
});
