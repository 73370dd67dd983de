import { Inject } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { allOf } from '@sandlot/contracts';
import { backoff, DurableConsumer, OnEvent, retry } from '@sandlot/consumers';
import type { RecordedEvent } from '@sandlot/event-store';
import type { UserId } from '@sandlot/kernel';
import { PERSONAL_VAULT, type PersonalVault } from '../ports.js';

/** Destroys the key of a forgotten user's personal data, and does not give up before it is done. */
@DurableConsumer({ durable: 'auth-forget', onError: (_, { attempt }) => retry(backoff(attempt)) })
export class ForgetConsumer {
  constructor(@Inject(PERSONAL_VAULT) private readonly vault: PersonalVault) {}

  @OnEvent(allOf('user'))
  async happened(@Payload() event: RecordedEvent): Promise<void> {
    if (event.type === 'user.forgotten.v1') await this.vault.forget(event.aggregate.id as UserId);
  }
}
