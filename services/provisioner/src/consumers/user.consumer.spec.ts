import { aggregateRef, UserDeleted, UserDisabled } from '@sandlot/contracts';
import { Commands, MemoryEventStore, nothing, serviceContext, type RecordedEvent } from '@sandlot/event-store';
import { newId } from '@sandlot/kernel';
import { runTwice } from '@sandlot/testing';
import { plainRules } from '../domain/sandbox/settings.fixture.js';
import { Sandboxes } from '../sandboxes.js';
import { UserConsumer } from './user.consumer.js';

const quota = { sandboxes: 10, cpu: '4', memory: '8Gi' };

async function aliceWithTwoSandboxes() {
  const store = new MemoryEventStore();
  const commands = new Commands(store);
  const owner = { userId: newId('usr'), username: 'alice' };
  const sandboxes = new Sandboxes(commands, store, {
    quota,
    rules: plainRules,
    limits: { idleTimeoutSeconds: 0 },
    namespacePrefix: 'user-',
  });
  for (const name of ['s1', 's2'])
    await sandboxes.request({ context: serviceContext('test', nothing), owner, name, ports: [{ port: 8888 }] });
  const before = store.all().length;
  const event = async (fact: ReturnType<typeof UserDeleted | typeof UserDisabled>): Promise<RecordedEvent> => {
    const elsewhere = new MemoryEventStore();
    await elsewhere.append(serviceContext('auth', nothing), [
      { aggregate: aggregateRef('user', owner.userId), expected: nothing, facts: [fact] },
    ]);
    return elsewhere.all()[0]!;
  };
  return { consumer: new UserConsumer(commands), event, sandboxes, owner, since: () => store.all().slice(before) };
}

describe('what a user leaves behind', () => {
  it('S0-18 is taken down when the user is deleted, once, and says because of what', async () => {
    const { consumer, event, since } = await aliceWithTwoSandboxes();
    const deleted = await event(UserDeleted({}));
    await runTwice((each: RecordedEvent) => consumer.happened(each), deleted);
    expect(since().map(({ type }) => type)).toEqual([
      'ledger.quota-set.v1',
      'sandbox.deletion-requested.v1',
      'sandbox.deletion-requested.v1',
      'namespace.deletion-requested.v1',
    ]);
    for (const { fact, causationId, correlationId, actor } of since()) {
      expect({ causationId, correlationId, actor }).toEqual({
        causationId: deleted.id,
        correlationId: deleted.correlationId,
        actor: { type: 'service', id: 'provisioner' },
      });
      if (fact.type === 'sandbox.deletion-requested.v1') expect(fact.data).toEqual({ cause: 'user-deleted' });
    }
  });

  it('is not added to by a request that was let in before the user was deleted, and carried out after', async () => {
    const { consumer, event, sandboxes, owner } = await aliceWithTwoSandboxes();
    await consumer.happened(await event(UserDeleted({})));
    const late = { context: serviceContext('test', nothing), owner, name: 's3', ports: [{ port: 8888 }] };
    await expect(sandboxes.request(late)).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED' });
  });

  it('stays when the user is only disabled', async () => {
    const { consumer, event, since } = await aliceWithTwoSandboxes();
    await consumer.happened(await event(UserDisabled({})));
    expect(since()).toEqual([]);
  });
});
