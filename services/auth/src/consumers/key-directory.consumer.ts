import { Ctx, Payload } from '@nestjs/microservices';
import { allOf } from '@sandlot/contracts';
import { backoff, DurableConsumer, OnEvent, ReconcileLoop, retry, type Delivery } from '@sandlot/consumers';
import type { RecordedEvent } from '@sandlot/event-store';

/** The loop that keeps the bucket `keys`. */
export class KeyDirectoryLoop extends ReconcileLoop {}

@DurableConsumer({ durable: 'auth-key-directory', onError: (_, { attempt }) => retry(backoff(attempt, { firstMs: 50, maxMs: 5_000 })) })
export class KeyDirectoryConsumer {
  constructor(private readonly loop: KeyDirectoryLoop) {}

  @OnEvent(allOf('apikey'), allOf('user'))
  changed(@Payload() event: RecordedEvent, @Ctx() _: Delivery): Promise<void> {
    return this.loop.wake(event.aggregate.id);
  }
}
