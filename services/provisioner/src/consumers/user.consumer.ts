import { Payload } from '@nestjs/microservices';
import { aggregateRef, allOf, type Quota } from '@sandlot/contracts';
import { backoff, contextFrom, DurableConsumer, OnEvent, retry } from '@sandlot/consumers';
import { Commands, type RecordedEvent } from '@sandlot/event-store';
import type { UserId } from '@sandlot/kernel';
import { ledgerDecider } from '../domain/ledger/ledger.js';
import { namespaceDecider } from '../domain/namespace/namespace.js';
import { sandboxDecider } from '../domain/sandbox/decide.js';

/** What a deleted user may still hold. */
const nothing: Quota = { sandboxes: 0, cpu: '0', memory: '0' };

/**
 * Takes down what a deleted user had: every sandbox, and the namespace when they are gone. The quota first: a request for a sandbox that is
 * under way meanwhile either stands in the ledger before it, and is found there, or is refused behind it.
 */
@DurableConsumer({ durable: 'provisioner-user', onError: (_, { attempt }) => retry(backoff(attempt)) })
export class UserConsumer {
  constructor(private readonly commands: Commands) {}

  @OnEvent(allOf('user'))
  async happened(@Payload() event: RecordedEvent): Promise<void> {
    if (event.type !== 'user.deleted.v1') return;
    const userId = event.aggregate.id as UserId;
    await this.commands.handle(contextFrom(event, { service: 'provisioner', what: 'quota' }), async (work) => {
      (await work.load(ledgerDecider, aggregateRef('ledger', userId))).decide({ type: 'SetQuota', quota: nothing });
    });
    const { state: ledger } = await this.commands.load(ledgerDecider, aggregateRef('ledger', userId));
    for (const sandboxId of ledger.sandboxes.keys())
      await this.commands.handle(contextFrom(event, { service: 'provisioner', what: sandboxId }), async (work) => {
        (await work.load(sandboxDecider, aggregateRef('sandbox', sandboxId))).decide({ type: 'DeleteSandbox', cause: 'user-deleted' });
      });
    await this.commands.handle(contextFrom(event, { service: 'provisioner', what: 'namespace' }), async (work) => {
      (await work.load(namespaceDecider, aggregateRef('namespace', userId))).decide({ type: 'DeleteNamespace' });
    });
  }
}
